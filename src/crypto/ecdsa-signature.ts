import { DecodeError } from '../errors.ts'
import { DerTag, derElement, derInteger } from './der.ts'
import { DerReader } from './der-reader.ts'

/** ECDSA-Sig-Value in DER (RFC 3279 §2.2.3) from r | s, both of the same length (RFC 4754 §7). */
export function ecdsaToDer(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2
  return derElement(DerTag.SEQUENCE, derInteger(raw.subarray(0, half)), derInteger(raw.subarray(half)))
}

/**
 * r | s, each in `bytes` octets, from ECDSA-Sig-Value. Undefined when it is not DER to the last octet, or r or s is longer; that
 * they are from 1 to n-1 is for the curve to check.
 */
export function ecdsaFromDer(der: Uint8Array, bytes: number): Uint8Array | undefined {
  try {
    const outer = new DerReader(der, 'ECDSA-Sig-Value', 'RFC 3279 §2.2.3')
    const value = outer.sequence('ECDSA-Sig-Value')
    outer.end()
    const r = value.integer('r')
    const s = value.integer('s')
    value.end()
    if (r.length > bytes || s.length > bytes) return undefined
    const raw = new Uint8Array(2 * bytes)
    raw.set(r, bytes - r.length)
    raw.set(s, 2 * bytes - s.length)
    return raw
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
