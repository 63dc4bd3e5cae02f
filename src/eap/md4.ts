import { writeU32 } from '../bytes/index.ts'

/**
 * MD4 of `data`, 16 octets. Broken long ago: it is here because MSCHAPv2 hashes passwords with it and OpenSSL has put it away. RFC
 * 1320.
 */
export function md4(data: Uint8Array): Uint8Array {
  const padded = new Uint8Array(((data.length + 8) >>> 6) * 64 + 64)
  padded.set(data)
  padded[data.length] = 0x80
  writeU32(padded, padded.length - 8, swap((data.length << 3) >>> 0))
  writeU32(padded, padded.length - 4, swap(data.length >>> 29))
  const state: State = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]
  for (let at = 0; at < padded.length; at += 64) absorb(state, padded, at)
  padded.fill(0)
  const digest = new Uint8Array(16)
  for (let i = 0; i < 4; i++) writeU32(digest, 4 * i, swap(state[i]!))
  return digest
}

type State = [number, number, number, number]

function absorb(state: State, block: Uint8Array, at: number): void {
  const x = Array.from({ length: 16 }, (_, i) => {
    const from = at + 4 * i
    return block[from]! | (block[from + 1]! << 8) | (block[from + 2]! << 16) | (block[from + 3]! << 24)
  })
  let [a, b, c, d] = state
  for (const { order, shifts, constant, mix } of rounds) {
    order.forEach((k, step) => {
      const sum = (a + mix(b, c, d) + x[k]! + constant) | 0
      const shift = shifts[step & 3]!
      ;[a, b, c, d] = [d, (sum << shift) | (sum >>> (32 - shift)), b, c]
    })
  }
  state[0] = (state[0] + a) | 0
  state[1] = (state[1] + b) | 0
  state[2] = (state[2] + c) | 0
  state[3] = (state[3] + d) | 0
}

/** RFC 1320 §3.4: F, G and H. */
const rounds = [
  {
    order: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    shifts: [3, 7, 11, 19],
    constant: 0,
    mix: (x: number, y: number, z: number) => (x & y) | (~x & z),
  },
  {
    order: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
    shifts: [3, 5, 9, 13],
    constant: 0x5a827999,
    mix: (x: number, y: number, z: number) => (x & y) | (x & z) | (y & z),
  },
  {
    order: [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
    shifts: [3, 9, 11, 15],
    constant: 0x6ed9eba1,
    mix: (x: number, y: number, z: number) => x ^ y ^ z,
  },
]

/** MD4 is little-endian. */
const swap = (word: number): number =>
  ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0
