import { readU32, writeU32 } from '../bytes/index.ts'

/**
 * The pseudo-random function of FIPS 186-2 change notice 1, `length` octets from a key of 20. Its G is SHA-1's compression of one block
 * without padding, which no library offers. RFC 4186 appendix B, RFC 4187 §7.
 */
export function fips186Prf(key: Uint8Array, length: number): Uint8Array {
  const xkey = key.slice()
  const out = new Uint8Array(Math.ceil(length / 20) * 20)
  for (let at = 0; at < length; at += 20) {
    const w = g(xkey)
    out.set(w, at)
    addOne(xkey, w)
  }
  xkey.fill(0)
  return out.slice(0, length)
}

/** XKEY = (1 + XKEY + w) mod 2^160. */
function addOne(xkey: Uint8Array, w: Uint8Array): void {
  let carry = 1
  for (let at = 19; at >= 0; at--) {
    carry += xkey[at]! + w[at]!
    xkey[at] = carry
    carry >>>= 8
  }
}

/** One block of SHA-1: the value and zeros up to 64 octets. FIPS 180-4 §6.1.2. */
function g(value: Uint8Array): Uint8Array {
  const w = new Int32Array(80)
  for (let t = 0; t < 5; t++) w[t] = readU32(value, 4 * t)
  for (let t = 16; t < 80; t++) w[t] = turn(w[t - 3]! ^ w[t - 8]! ^ w[t - 14]! ^ w[t - 16]!, 1)
  let [a, b, c, d, e] = initial
  for (let t = 0; t < 80; t++) {
    const sum = (turn(a, 5) + mix(t, b, c, d) + e + constants[Math.floor(t / 20)]! + w[t]!) | 0
    ;[a, b, c, d, e] = [sum, a, turn(b, 30), c, d]
  }
  w.fill(0)
  const out = new Uint8Array(20)
  for (const [at, word] of [a, b, c, d, e].entries()) writeU32(out, 4 * at, (word + initial[at]!) >>> 0)
  return out
}

function mix(t: number, b: number, c: number, d: number): number {
  if (t < 20) return (b & c) | (~b & d)
  if (t >= 40 && t < 60) return (b & c) | (b & d) | (c & d)
  return b ^ c ^ d
}

const turn = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits))

const initial: readonly [number, number, number, number, number] = [
  0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0,
]
const constants = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6]
