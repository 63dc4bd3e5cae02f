import { concat, equalConstantTime, wipe } from '../bytes/index.ts'
import type { CryptoProvider } from '../crypto/provider.ts'
import { type AkaMessage, At } from './aka-attributes.ts'
import { fips186Prf } from './fips186-prf.ts'
import { encodeEapPacket } from './packet.ts'

/** In what EAP-AKA and EAP-AKA' differ. */
export interface AkaFlavour {
  readonly type: 23 | 50
  readonly hash: 'sha1' | 'sha256'
}

/** Octets: `kEncr` 16, `kAut` 16 (AKA') 32, `msk` 64. */
export interface AkaKeys {
  readonly kAut: Uint8Array
  readonly msk: Uint8Array
}

/** What both ends know after the USIM has answered. `ck`, `ik` 16 octets. */
export interface AkaSecrets {
  readonly ck: Uint8Array
  readonly ik: Uint8Array
  readonly autn: Uint8Array
  readonly identity: string
}

/** K_encr (16 octets), K_aut (16) and MSK (64) of EAP-AKA. RFC 4187 §7. */
export function akaKeys(crypto: CryptoProvider, { ck, ik, identity }: AkaSecrets): AkaKeys {
  const mk = crypto.hash('sha1', concat(utf8(identity), ik, ck))
  const keys = fips186Prf(mk, 96)
  const split = { kAut: keys.slice(16, 32), msk: keys.slice(32, 96) }
  wipe(mk, keys)
  return split
}

/** K_aut (32 octets) and MSK (64) of EAP-AKA', bound to the name of the access network. RFC 9048 §3.3. */
export function akaPrimeKeys(crypto: CryptoProvider, secrets: AkaSecrets, networkName: Uint8Array): AkaKeys {
  const prime = akaPrimeCkIk(crypto, secrets, networkName)
  const key = concat(prime.ik, prime.ck)
  const keys = akaPrimePrf(crypto, key, concat(utf8("EAP-AKA'"), utf8(secrets.identity)), 208)
  const split = { kAut: keys.slice(16, 48), msk: keys.slice(80, 144) }
  wipe(prime.ck, prime.ik, key, keys)
  return split
}

/** CK' and IK'. 3GPP TS 33.402 annex A.2, RFC 9048 §3.3. */
export function akaPrimeCkIk(
  crypto: CryptoProvider,
  { ck, ik, autn }: AkaSecrets,
  networkName: Uint8Array,
): { readonly ck: Uint8Array; readonly ik: Uint8Array } {
  const length = Uint8Array.of(networkName.length >>> 8, networkName.length)
  // FC | P0 | L0 | P1 | L1, where P1 is SQN xor AK as it stands in AUTN.
  const text = concat(Uint8Array.of(0x20), networkName, length, autn.subarray(0, 6), Uint8Array.of(0, 6))
  const key = concat(ck, ik)
  const both = crypto.hmac('sha256', key, text)
  wipe(key)
  return { ck: both.slice(0, 16), ik: both.slice(16, 32) }
}

/** PRF'. RFC 9048 §3.4. */
export function akaPrimePrf(crypto: CryptoProvider, key: Uint8Array, seed: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(Math.ceil(length / 32) * 32)
  let last = new Uint8Array(0)
  for (let n = 1; 32 * (n - 1) < length; n++) {
    last = new Uint8Array(crypto.hmac('sha256', key, concat(last, seed, Uint8Array.of(n))))
    out.set(last, 32 * (n - 1))
  }
  return out.slice(0, length)
}

/** Who says it, and under which Identifier: AT_MAC covers the header too. */
export interface AkaEnvelope {
  readonly code: 1 | 2
  readonly identifier: number
}

/** Writes AT_MAC, whose attribute stands at the end of `data`, with zeros in place of the MAC. RFC 4187 §10.15. */
export function writeAkaMac(
  crypto: CryptoProvider,
  flavour: AkaFlavour,
  kAut: Uint8Array,
  envelope: AkaEnvelope,
  data: Uint8Array,
): Uint8Array {
  data.set(mac(crypto, flavour, kAut, envelope, data), data.length - 16)
  return data
}

/** True when the AT_MAC of `message` in `data` is right. */
export function checkAkaMac(
  crypto: CryptoProvider,
  flavour: AkaFlavour,
  kAut: Uint8Array,
  envelope: AkaEnvelope,
  data: Uint8Array,
  message: AkaMessage,
): boolean {
  const attribute = message.attributes.find(({ type }) => type === At.MAC)
  if (attribute === undefined || attribute.value.length !== 18) return false
  const cleared = data.slice()
  cleared.fill(0, attribute.at + 2, attribute.at + 18)
  return equalConstantTime(attribute.value.subarray(2), mac(crypto, flavour, kAut, envelope, cleared))
}

const mac = (
  crypto: CryptoProvider,
  { type, hash }: AkaFlavour,
  kAut: Uint8Array,
  envelope: AkaEnvelope,
  data: Uint8Array,
): Uint8Array => crypto.hmac(hash, kAut, encodeEapPacket({ ...envelope, type, data })).subarray(0, 16)

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
