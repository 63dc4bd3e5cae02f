import { fromHex } from '../bytes/index.ts'

/**
 * Decrypts RC2 in CBC mode, padding left on. Only for certificates in old PKCS #12 files, which are no secret: its usual key there has 40 bits.
 * `keyBits` is the effective length. RFC 2268.
 */
export function rc2CbcDecrypt(key: Uint8Array, keyBits: number, iv: Uint8Array, text: Uint8Array): Uint8Array {
  const words = expandKey(key, keyBits)
  const out = new Uint8Array(text.length)
  let previous = iv
  for (let at = 0; at + 8 <= text.length; at += 8) {
    const block = text.subarray(at, at + 8)
    decryptBlock(words, block, out.subarray(at, at + 8))
    for (let i = 0; i < 8; i++) out[at + i]! ^= previous[i]!
    previous = block
  }
  return out
}

/** 64 words of 16 bits. RFC 2268 §2. */
function expandKey(key: Uint8Array, keyBits: number): Uint16Array {
  const octets = new Uint8Array(128)
  octets.set(key)
  for (let i = key.length; i < 128; i++) octets[i] = piTable[(octets[i - 1]! + octets[i - key.length]!) & 0xff]!
  const bytes = Math.ceil(keyBits / 8)
  octets[128 - bytes] = piTable[octets[128 - bytes]! & (0xff >>> (8 * bytes - keyBits))]!
  for (let i = 127 - bytes; i >= 0; i--) octets[i] = piTable[octets[i + 1]! ^ octets[i + bytes]!]!
  return Uint16Array.from({ length: 64 }, (_, i) => octets[2 * i]! | (octets[2 * i + 1]! << 8))
}

/** Rounds of mixing by which a round of mashing follows, counted from the end. RFC 2268 §4. */
const mashedAfter: readonly number[] = [5, 11]

function decryptBlock(key: Uint16Array, block: Uint8Array, out: Uint8Array): void {
  const r = Uint16Array.from({ length: 4 }, (_, i) => block[2 * i]! | (block[2 * i + 1]! << 8))
  for (let round = 15; round >= 0; round--) {
    for (let i = 3; i >= 0; i--) unmix(r, i, key[4 * round + i]!)
    if (mashedAfter.includes(round)) for (let i = 3; i >= 0; i--) r[i]! -= key[r[(i + 3) & 3]! & 63]!
  }
  for (let i = 0; i < 4; i++) {
    out[2 * i] = r[i]! & 0xff
    out[2 * i + 1] = r[i]! >>> 8
  }
}

const rotations = [1, 2, 3, 5] as const

function unmix(r: Uint16Array, i: number, key: number): void {
  const by = rotations[i]!
  const value = (r[i]! >>> by) | (r[i]! << (16 - by))
  const [a, b, c] = [r[(i + 3) & 3]!, r[(i + 2) & 3]!, r[(i + 1) & 3]!]
  r[i] = value - key - (a & b) - (~a & c)
}

const piTable = /* @__PURE__ */ (() =>
  fromHex(
    'd978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2179a59f587b34f1361456d8d09817d32' +
      'bd8f40eb86b77b0bf09521225c6b4e8254d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626' +
      '6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed708e8eade8052eef784aa72ac354d6a2a' +
      '961ad2715a1549744b9fd05e0418a4ecc2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731' +
      '2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a90d38341bab33ffb0bb480c5fb9b1cd2e' +
      'c5f3db47e5a59c770aa62068fe7fc1ad',
  ))()
