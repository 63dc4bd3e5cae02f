import { concat, toHex, wipe } from '../bytes/index.ts'
import type { CryptoProvider } from '../crypto/provider.ts'
import { Encr } from '../crypto/transforms.ts'
import { md4 } from './md4.ts'

/** What an exchange of MSCHAPv2 is computed from. Challenges have 16 octets; `user` is the name without its domain. */
export interface MschapExchange {
  readonly authenticatorChallenge: Uint8Array
  readonly peerChallenge: Uint8Array
  readonly user: string
}

/** NtPasswordHash, 16 octets: MD4 of the password in UTF-16LE. RFC 2759 §8.3. */
export function ntPasswordHash(password: string): Uint8Array {
  const unicode = new Uint8Array(2 * password.length)
  for (let i = 0; i < password.length; i++) {
    const unit = password.charCodeAt(i)
    unicode[2 * i] = unit
    unicode[2 * i + 1] = unit >>> 8
  }
  const hash = md4(unicode)
  wipe(unicode)
  return hash
}

/** ChallengeHash, 8 octets. RFC 2759 §8.2. */
export const challengeHash = (crypto: CryptoProvider, exchange: MschapExchange): Uint8Array =>
  crypto
    .hash('sha1', concat(exchange.peerChallenge, exchange.authenticatorChallenge, utf8(exchange.user)))
    .subarray(0, 8)

/** NT-Response, 24 octets. RFC 2759 §8.1, §8.5. */
export function ntResponse(crypto: CryptoProvider, exchange: MschapExchange, passwordHash: Uint8Array): Uint8Array {
  const challenge = challengeHash(crypto, exchange)
  const padded = concat(passwordHash, new Uint8Array(5))
  const response = concat(...[0, 7, 14].map((at) => des(crypto, padded.subarray(at, at + 7), challenge)))
  wipe(padded)
  return response
}

/** `S=` and 40 hexadecimal digits, by which the server proves that it knows the password. RFC 2759 §8.7. */
export function authenticatorResponse(
  crypto: CryptoProvider,
  exchange: MschapExchange,
  passwordHash: Uint8Array,
  response: Uint8Array,
): string {
  const passwordHashHash = md4(passwordHash)
  const digest = crypto.hash(
    'sha1',
    concat(passwordHashHash, response, utf8('Magic server to client signing constant')),
  )
  const iterated = concat(digest, challengeHash(crypto, exchange), utf8('Pad to make it do more than one iteration'))
  wipe(passwordHashHash)
  return `S=${toHex(crypto.hash('sha1', iterated)).toUpperCase()}`
}

/**
 * The MSK, 64 octets: the key of 128 bits with which the client sends, that with which the server sends, and zeros. RFC 3079 §3.3, §3.4;
 * their order is that of the server's MS-MPPE-Recv-Key and MS-MPPE-Send-Key (RFC 2548 §2.4).
 */
export function mschapMsk(crypto: CryptoProvider, passwordHash: Uint8Array, response: Uint8Array): Uint8Array {
  const passwordHashHash = md4(passwordHash)
  const masterKey = crypto
    .hash('sha1', concat(passwordHashHash, response, utf8('This is the MPPE Master Key')))
    .subarray(0, 16)
  const msk = concat(
    startKey(crypto, masterKey, `On the client side, this is the send key; on the server side, it is the receive key.`),
    startKey(crypto, masterKey, `On the client side, this is the receive key; on the server side, it is the send key.`),
    new Uint8Array(32),
  )
  wipe(passwordHashHash, masterKey)
  return msk
}

/** GetAsymmetricStartKey. RFC 3079 §3.4. */
const startKey = (crypto: CryptoProvider, masterKey: Uint8Array, magic: string): Uint8Array =>
  crypto.hash('sha1', concat(masterKey, new Uint8Array(40), utf8(magic), new Uint8Array(40).fill(0xf2))).subarray(0, 16)

/**
 * DES of one block under seven octets of key, RFC 2759 §8.6: 3DES with the same key three times is DES, and the providers have
 * that.
 */
export function des(crypto: CryptoProvider, key: Uint8Array, block: Uint8Array): Uint8Array {
  const once = withParity(key)
  const key3 = concat(once, once, once)
  const cipher = crypto.cipher(Encr.ENCR_3DES, key3)
  const out = block.slice()
  cipher.encrypt(new Uint8Array(8), out, 0, 8)
  cipher.destroy()
  wipe(once, key3)
  return out
}

/** Seven octets spread over eight, with odd parity in the lowest bit of each. RFC 2759 §8.6. */
export function withParity(key: Uint8Array): Uint8Array {
  const spread = new Uint8Array(8)
  for (let i = 0; i < 8; i++) {
    const before = i === 0 ? 0 : key[i - 1]! << (7 - i)
    const seven = (before | ((key[i] ?? 0) >>> (i + 1))) & 0x7f
    let parity = 1
    for (let bits = seven; bits !== 0; bits >>>= 1) parity ^= bits & 1
    spread[i] = (seven << 1) | parity
  }
  return spread
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
