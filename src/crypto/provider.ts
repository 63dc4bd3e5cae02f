import type { AnyHashName } from './transforms.ts'

/**
 * What the protocol needs of cryptography, all of it synchronous. `noble` runs on any JavaScript engine, `node` on
 * node:crypto; both pass the same vectors. Numbers are IANA transform ids (`transforms.ts`). A transform that the
 * provider does not implement throws `UsageError` when it is asked for: check `encrInfo` and its like first.
 */
export interface CryptoProvider {
  /** `noble`, `node`. */
  readonly name: string
  /** Set for a provider that keeps no secret (a simulation's): an endpoint on real sockets refuses it. */
  readonly insecure?: true

  /** Digest of `data`, copied. */
  hash(hash: AnyHashName, data: Uint8Array): Uint8Array

  /** HMAC of `data` under `key` of any length, full length, copied. */
  hmac(hash: AnyHashName, key: Uint8Array, data: Uint8Array): Uint8Array

  /** prf(key, data) of an IKE SA, the key of any length (RFC 7296 §2.13, RFC 4434 §2, RFC 4615 §3): `PrfInfo.bytes` octets, copied. */
  prf(prf: number, key: Uint8Array, data: Uint8Array): Uint8Array

  /**
   * A keyed AEAD. `key` is copied: `keyBits/8` octets, without the salt. Of AES-GMAC it is AES-GCM, whose caller gives all as
   * associated data.
   */
  aead(encr: number, key: Uint8Array): Aead

  /** A keyed cipher without integrity of its own (AES-CBC, AES-CTR, 3DES-CBC). `key` is copied: `keyBits/8` octets, without the salt. */
  cipher(encr: number, key: Uint8Array): Cipher

  /** A keyed integrity transform (truncated HMAC or AES MAC). `key` is copied. */
  mac(integ: number, key: Uint8Array): Mac

  /** A fresh key pair of the side that sends its KE payload first. */
  keyExchange(group: number, random: RandomSource): KeyExchange

  /**
   * The same from a known private value (for recorded handshakes): big-endian scalar, exponent of any length, X25519 scalar, or
   * the 64 octets d | z that ML-KEM makes its keys from (FIPS 203 §6.1).
   */
  keyExchangeFromPrivate(group: number, privateValue: Uint8Array): KeyExchange

  /**
   * The side that answers a KE payload. Throws `PeerError` with notify INVALID_SYNTAX (7) when `peerPublic` fails the
   * checks of RFC 6989 (length, range, on the curve, not zero), for ML-KEM those of FIPS 203 §7.2 (length, modulus).
   */
  respondKeyExchange(group: number, peerPublic: Uint8Array, random: RandomSource): KeyExchangeAnswer
}

/**
 * Fills a new array with `length` unpredictable octets. Injected: the core has no random source of its own. `purpose` is for
 * sources that tests steer or record; any other disregards it.
 */
export type RandomSource = (length: number, purpose?: RandomPurpose) => Uint8Array

/** What random octets become: a nonce, an SPI, an IV, a private value of a key exchange, or a secret that never leaves us. */
export type RandomPurpose = 'nonce' | 'ike-spi' | 'esp-spi' | 'iv' | 'private-value' | 'secret'

export interface KeyExchange {
  readonly group: number
  /** For the KE payload; owned by this object. With ML-KEM the encapsulation key. */
  readonly publicValue: Uint8Array
  /**
   * The shared secret g^ir, a fresh array that the caller wipes. `peerPublic` is the answer's public value, with ML-KEM the
   * ciphertext. Throws `PeerError` when it fails RFC 6989's checks.
   */
  finish(peerPublic: Uint8Array): Uint8Array
  /** Wipes the private value. */
  destroy(): void
}

export interface KeyExchangeAnswer {
  /** For our KE payload. With ML-KEM the ciphertext. */
  readonly publicValue: Uint8Array
  /** The shared secret g^ir; the caller wipes it. */
  readonly sharedSecret: Uint8Array
}

/** A keyed AEAD that works in place on borrowed buffers. */
export interface Aead {
  /** 12, for CCM 11: salt | IV. `seal` and `open` throw `UsageError` for a nonce of another length. */
  readonly nonceBytes: number
  readonly tagBytes: number
  /**
   * Encrypts `buffer[offset, offset + length)` in place and writes the tag behind it, at `offset + length`.
   * `aadLength` octets of associated data stand at `aad[aadOffset]`, which may be the same buffer.
   */
  seal(
    nonce: Uint8Array,
    aad: Uint8Array,
    aadOffset: number,
    aadLength: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): void
  /**
   * Checks the tag at `offset + length` and decrypts `buffer[offset, offset + length)` in place. Returns false when the
   * tag is wrong; the buffer's contents are then unspecified. Never throws for any content.
   */
  open(
    nonce: Uint8Array,
    aad: Uint8Array,
    aadOffset: number,
    aadLength: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): boolean
  /** Wipes the key; the object must not be used afterwards. */
  destroy(): void
}

/**
 * Encryption in place without integrity and without padding: `length` is a multiple of `EncrInfo.blockBytes`. `iv` is salt | IV,
 * `EncrInfo.nonceBytes` octets.
 */
export interface Cipher {
  encrypt(iv: Uint8Array, buffer: Uint8Array, offset: number, length: number): void
  decrypt(iv: Uint8Array, buffer: Uint8Array, offset: number, length: number): void
  destroy(): void
}

export interface Mac {
  readonly icvBytes: number
  /** Computes the ICV over `buffer[offset, offset + length)` and writes `icvBytes` octets to `out[outOffset]`. */
  compute(buffer: Uint8Array, offset: number, length: number, out: Uint8Array, outOffset: number): void
  /** Constant-time comparison of the ICV over `buffer[offset, offset + length)` with `icv[icvOffset, + icvBytes)`. */
  verify(buffer: Uint8Array, offset: number, length: number, icv: Uint8Array, icvOffset: number): boolean
  destroy(): void
}
