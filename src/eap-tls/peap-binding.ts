import { concat, equalConstantTime, Writer, wipe } from '../bytes/index.ts'
import type { CryptoProvider } from '../crypto/provider.ts'

/** Keys of the tunnel and of the method inside together: who has both, had both in one conversation. [MS-PEAP] §3.1.5.5. */
export interface CompoundKeys {
  /** For the Compound MAC, 20 octets. */
  readonly cmk: Uint8Array
  /** From which the MSK is made, 40 octets. */
  readonly ipmk: Uint8Array
}

/**
 * `tunnelKey`: key material of TLS, of which 40 octets count. `innerKey`: MSK of the method inside, of which 32 octets count,
 * undefined where it makes none. TLS 1.3 changes nothing in it: RFC 9427 §2.
 */
export function compoundKeys(
  crypto: CryptoProvider,
  tunnelKey: Uint8Array,
  innerKey: Uint8Array | undefined,
): CompoundKeys {
  const inner = new Uint8Array(32)
  if (innerKey !== undefined) inner.set(innerKey.subarray(0, 32))
  const keys = prfPlus(crypto, tunnelKey.subarray(0, 40), concat(utf8('Inner Methods Compound Keys'), inner), 60)
  wipe(inner)
  return { ipmk: keys.subarray(0, 40), cmk: keys.subarray(40) }
}

/** The MSK of a conversation that was bound, 64 octets. [MS-PEAP] §3.1.5.5. */
export function compoundMsk(crypto: CryptoProvider, { ipmk }: CompoundKeys): Uint8Array {
  const keys = prfPlus(crypto, ipmk, concat(utf8('Session Key Generating Function'), Uint8Array.of(0)), 128)
  const msk = keys.slice(0, 64)
  wipe(keys)
  return msk
}

/** Who sends it. */
export const BindingType = { Request: 0, Response: 1 } as const

/**
 * A Cryptobinding TLV, 60 octets, with 32 of `nonce`. [MS-PEAP] §2.2.8.1.1:
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |           Type 12             |           Length 56           |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |   Reserved    |    Version    |  Recv Version |    SubType    |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                Nonce (32), Compound MAC (20)                  |
 */
export function encodeBinding(crypto: CryptoProvider, keys: CompoundKeys, type: number, nonce: Uint8Array): Uint8Array {
  const tlv = new Writer(60).u16(bindingTlv).u16(56).u8(0).u8(0).u8(0).u8(type).bytes(nonce).zeros(20).finish()
  tlv.set(compoundMac(crypto, keys, tlv), 40)
  return tlv
}

/** Is this TLV, with its header, of one who has our keys? */
export function checkBinding(crypto: CryptoProvider, keys: CompoundKeys, type: number, tlv: Uint8Array): boolean {
  if (tlv.length !== 60 || tlv[7] !== type) return false
  const blank = tlv.slice()
  blank.fill(0, 40)
  return equalConstantTime(compoundMac(crypto, keys, blank), tlv.subarray(40))
}

export const bindingTlv = 12

/** Over the TLV with zeros for the MAC, and PEAP's EAP Type. */
const compoundMac = (crypto: CryptoProvider, { cmk }: CompoundKeys, tlv: Uint8Array): Uint8Array =>
  crypto.hmac('sha1', cmk, concat(tlv, Uint8Array.of(25)))

/** PRF+ of PEAPv0 with HMAC-SHA1: T1 = HMAC(K, S | 1 | 0 | 0), Tn = HMAC(K, Tn-1 | S | n | 0 | 0). [MS-PEAP] §3.1.5.5. */
function prfPlus(crypto: CryptoProvider, key: Uint8Array, seed: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length)
  let block: Uint8Array = new Uint8Array(0)
  for (let at = 0, n = 1; at < length; at += 20, n++) {
    block = crypto.hmac('sha1', key, concat(block, seed, Uint8Array.of(n, 0, 0)))
    out.set(block.subarray(0, length - at), at)
  }
  return out
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
