import type { HashName } from './transforms.ts'

/** How octets are signed. `encoding`: ECDSA signatures are DER (X.509, RFC 7427) or r | s (RFC 4754). */
export type SignatureScheme =
  | { readonly kind: 'rsa-pkcs1'; readonly hash: HashName }
  | { readonly kind: 'rsa-pss'; readonly hash: HashName; readonly saltBytes: number }
  | { readonly kind: 'ecdsa'; readonly hash: HashName; readonly encoding: 'der' | 'raw' }
  | { readonly kind: 'ed25519' }
  | { readonly kind: 'ed448' }

export type EcCurve = 'P-256' | 'P-384' | 'P-521' | 'brainpoolP256r1' | 'brainpoolP384r1' | 'brainpoolP512r1'

export type PublicKeyKind =
  | { readonly kind: 'rsa'; readonly bits: number }
  | { readonly kind: 'ec'; readonly curve: EcCurve }
  | { readonly kind: 'ed25519' }
  | { readonly kind: 'ed448' }

/** A public key; `spki` is its SubjectPublicKeyInfo in DER (RFC 5280 §4.1.2.7). */
export type PublicKey = PublicKeyKind & { readonly spki: Uint8Array }

/** A private key; `pkcs8` is its PrivateKeyInfo in DER (RFC 5208). Borrowed, never logged. */
export type PrivateKey = PublicKeyKind & { readonly pkcs8: Uint8Array; readonly publicKey: PublicKey }

/** Signatures, on the same engines as `CryptoProvider`. */
export interface SignatureProvider {
  readonly name: string
  /** Never throws for any signature; `UsageError` for a scheme that is not one of the key. */
  verify(key: PublicKey, scheme: SignatureScheme, data: Uint8Array, signature: Uint8Array): boolean
  /** A fresh array. `UsageError` for a scheme that is not one of the key. */
  sign(key: PrivateKey, scheme: SignatureScheme, data: Uint8Array): Uint8Array
}
