import { equalConstantTime, wipe } from '../bytes/index.ts'
import type { CryptoProvider } from '../crypto/provider.ts'
import { authenticatorResponse, type MschapExchange, ntPasswordHash, ntResponse } from '../eap/mschapv2-keys.ts'
import type { TlsEngine } from './tls-engine.ts'

/** What both sides take from the TLS session instead of a challenge of the server's: 16 octets and an identifier. RFC 5281 §11.1. */
export interface ImplicitChallenge {
  readonly challenge: Uint8Array
  readonly ident: number
}

/** RFC 5281 §11.1, §11.2.4; the same under TLS 1.3 by its own exporter, RFC 9427 §2.3. */
export function implicitChallenge(engine: TlsEngine): ImplicitChallenge {
  const material = engine.exportKey('ttls challenge', 17)
  return { challenge: material.subarray(0, 16), ident: material[16]! }
}

/** The data of MS-CHAP2-Response, 50 octets: Ident, Flags, Peer-Challenge (16), Reserved (8), Response (24). RFC 2548 §2.3.2. */
export function encodeMschap2Response(ident: number, peerChallenge: Uint8Array, response: Uint8Array): Uint8Array {
  const data = new Uint8Array(50)
  data[0] = ident
  data.set(peerChallenge, 2)
  data.set(response, 26)
  return data
}

/** `proof`: what the server has to say, `S=` and 40 digits. `user` may have a domain before a backslash. */
export function mschap2Answer(
  crypto: CryptoProvider,
  challenge: Uint8Array,
  peerChallenge: Uint8Array,
  user: string,
  password: string,
): { readonly response: Uint8Array; readonly proof: string } {
  const name = user.slice(user.lastIndexOf('\\') + 1)
  const exchange: MschapExchange = { authenticatorChallenge: challenge, peerChallenge, user: name }
  const hash = ntPasswordHash(password)
  const response = ntResponse(crypto, exchange, hash)
  const proof = authenticatorResponse(crypto, exchange, hash, response)
  wipe(hash)
  return { response, proof }
}

/** Is this MS-CHAP2-Response right? Its proof for the peer, undefined for a wrong one. `data` has 50 octets. */
export function checkMschap2Response(
  crypto: CryptoProvider,
  challenge: Uint8Array,
  data: Uint8Array,
  user: string,
  password: string,
): string | undefined {
  const { response, proof } = mschap2Answer(crypto, challenge, data.slice(2, 18), user, password)
  return equalConstantTime(response, data.subarray(26, 50)) ? proof : undefined
}
