import { readU32, writeU32 } from '../bytes/index.ts'

/**
 * 3DES in CBC mode without padding, for peers that have nothing newer: encrypt, decrypt and encrypt again with the three thirds of a key
 * of 24 octets, whose parity bits are not looked at. RFC 2451 §2.2, FIPS 46-3. The tables are read at places that depend
 * on secrets: where somebody can measure the time of packets closely, use another provider.
 */
export function tripleDesCbc(
  key: Uint8Array,
  iv: Uint8Array,
): { encrypt(text: Uint8Array): Uint8Array; decrypt(text: Uint8Array): Uint8Array } {
  const [k1, k2, k3] = [0, 8, 16].map((at) => subkeysOf(key.subarray(at, at + 8))) as [Subkeys, Subkeys, Subkeys]
  const forwards = [k1, k2.toReversed(), k3]
  const backwards = [k3.toReversed(), k2, k1.toReversed()]
  return {
    encrypt(text) {
      const out = new Uint8Array(text.length)
      const chain = [readU32(iv, 0), readU32(iv, 4)] as Block
      for (let at = 0; at < text.length; at += 8) {
        chain[0] ^= readU32(text, at)
        chain[1] ^= readU32(text, at + 4)
        crypt(chain, forwards)
        writeBlock(out, at, chain)
      }
      return out
    },
    decrypt(text) {
      const out = new Uint8Array(text.length)
      const chain = [readU32(iv, 0), readU32(iv, 4)] as Block
      for (let at = 0; at < text.length; at += 8) {
        const block: Block = [readU32(text, at), readU32(text, at + 4)]
        const [left, right] = block
        crypt(block, backwards)
        writeBlock(out, at, [block[0] ^ chain[0], block[1] ^ chain[1]])
        chain[0] = left
        chain[1] = right
      }
      return out
    },
  }
}

/** The halves L and R as 32-bit numbers. */
type Block = [number, number]
/** 16 rounds of 8 six-bit numbers, one for each S-box. */
type Subkeys = readonly (readonly number[])[]

function writeBlock(out: Uint8Array, at: number, [left, right]: Block): void {
  writeU32(out, at, left >>> 0)
  writeU32(out, at + 4, right >>> 0)
}

/** In place. Between two DES the final and the initial permutation undo each other. */
function crypt(block: Block, stages: readonly Subkeys[]): void {
  let [left, right] = permuted(block, initial)
  for (const subkeys of stages) {
    for (const subkey of subkeys) [left, right] = [right, left ^ feistel(right, subkey)]
    ;[left, right] = [right, left]
  }
  const [first, second] = permuted([left, right], final)
  block[0] = first
  block[1] = second
}

/** Box i takes six bits that begin with the last of the four before it: the expansion E. */
function feistel(right: number, subkey: readonly number[]): number {
  let out = 0
  for (let box = 0; box < 8; box++) {
    const turn = (4 * box + 5) & 31
    const six = ((right << turn) | (right >>> (32 - turn))) & 63
    out |= boxes[box]![six ^ subkey[box]!]!
  }
  return out
}

function permuted([left, right]: Block, table: readonly number[]): Block {
  const out: Block = [0, 0]
  table.forEach((from, to) => {
    const bit = from <= 32 ? (left >>> (32 - from)) & 1 : (right >>> (64 - from)) & 1
    if (to < 32) out[0] |= bit << (31 - to)
    else out[1] |= bit << (63 - to)
  })
  return out
}

function subkeysOf(key: Uint8Array): Subkeys {
  const bitOf = (n: number) => (key[(n - 1) >>> 3]! >>> (7 - ((n - 1) & 7))) & 1
  let c = choice1.slice(0, 28).map(bitOf)
  let d = choice1.slice(28).map(bitOf)
  return rotations.map((by) => {
    c = [...c.slice(by), ...c.slice(0, by)]
    d = [...d.slice(by), ...d.slice(0, by)]
    const bits = [...c, ...d]
    const chosen = choice2.map((n) => bits[n - 1]!)
    return Array.from({ length: 8 }, (_, box) =>
      chosen.slice(6 * box, 6 * box + 6).reduce((six, bit) => 2 * six + bit, 0),
    )
  })
}

/** IP of FIPS 46-3; bits are counted from 1, the most significant. */
const initial = [58, 60, 62, 64, 57, 59, 61, 63].flatMap((end) => Array.from({ length: 8 }, (_, i) => end - 8 * i))
/** The inverse of IP. */
const final = Array.from({ length: 64 }, (_, i) => initial.indexOf(i + 1) + 1)

/** PC-1, C before D. */
const choice1 = [
  ...[57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36],
  ...[63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4],
]
/** PC-2. */
const choice2 = [
  ...[14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2],
  ...[41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32],
]
const rotations = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1]

/** P. */
const permutation = [
  ...[16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10],
  ...[2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25],
]

/** S-boxes 1 to 8: four rows of 16 hexadecimal digits. */
const sBoxes = [
  'e4d12fb83a6c59070f74e2d1a6cb953841e8d62bfc973a50fc8249175b3ea06d',
  'f18e6b34972dc05a3d47f28ec01a69b50e7ba4d158c6932fd8a13f42b67c05e9',
  'a09e63f51dc7b428d709346a285ecbf1d6498f30b12c5ae71ad069874fe3b52c',
  '7de3069a1285bc4fd8b56f03472c1ae9a690cb7df13e52843f06a1d8945bc72e',
  '2c417ab6853fd0e9eb2c47d150fa3986421bad78f9c5630eb8c71e2d6f09a453',
  'c1af92680d34e75baf427c9561de0b389ef528c3704a1db6432c95fabe17608d',
  '4b2ef08d3c975a61d0b7491ae35c2f8614bdc37eaf6805926bd814a7950fe23c',
  'd2846fb1a93e50c71fd8a374c56b0e927b419ce206adf35821e74a8dfc90356b',
]

/** Each S-box and P in one table: the octets of the round function's result by box and by six bits of input. */
const boxes = sBoxes.map((digits, box) =>
  Array.from({ length: 64 }, (_, six) => {
    // The outer bits choose the row, the inner ones the column.
    const row = ((six & 0x20) >>> 4) | (six & 1)
    const four = Number.parseInt(digits[16 * row + ((six >>> 1) & 15)]!, 16)
    return permutation.reduce((out, from, to) => {
      const bit = from > 4 * box && from <= 4 * box + 4 ? (four >>> (4 * box + 4 - from)) & 1 : 0
      return out | (bit << (31 - to))
    }, 0)
  }),
)
