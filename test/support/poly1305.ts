import { bigintToBytes, bytesToBigint } from '../../src/crypto/modp-groups.ts'

const p = (1n << 130n) - 5n

/** The slow twin of Poly1305: RFC 8439 §2.5 as written, with numbers. `key` is r | s. */
export function slowPoly1305(key: Uint8Array, data: Uint8Array): Uint8Array {
  const r = littleEndian(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn
  let sum = 0n
  for (let at = 0; at < data.length; at += 16) {
    const block = data.subarray(at, at + 16)
    sum = ((sum + littleEndian(block) + (1n << BigInt(8 * block.length))) * r) % p
  }
  return bigintToBytes((sum + littleEndian(key.subarray(16))) & ((1n << 128n) - 1n), 16).reverse()
}

const littleEndian = (bytes: Uint8Array): bigint => bytesToBigint(bytes.slice().reverse())
