export { nobleProvider } from './noble.ts'
export { decodePrivateKey, nobleSignatures } from './noble-signature.ts'
export { prfPlus } from './prf-plus.ts'
export type {
  Aead,
  Cipher,
  CryptoProvider,
  KeyExchange,
  KeyExchangeAnswer,
  Mac,
  RandomSource,
} from './provider.ts'
export { decodePublicKey, describeKey } from './public-key.ts'
export type {
  EcCurve,
  PrivateKey,
  PublicKey,
  PublicKeyKind,
  SignatureProvider,
  SignatureScheme,
} from './signature.ts'
export * from './transforms.ts'
