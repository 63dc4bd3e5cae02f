export { nobleProvider } from './noble.ts'
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
export * from './transforms.ts'
