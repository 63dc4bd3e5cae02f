import { cbc, ctr } from '@noble/ciphers/aes.js'
import { concat, equalConstantTime, wipe } from '../bytes/index.ts'

const blockBytes = 16
const zeroBlock = new Uint8Array(blockBytes)

/**
 * AES-CCM (RFC 3610) with a tag of `tagBytes` octets: encrypt gives ciphertext | tag, decrypt takes them and throws when the tag is wrong.
 * Nonces have 7 to 13 octets, 11 in ESP and IKE (RFC 4309 §4, RFC 5282 §4); there is associated data of up to 65,279 octets.
 */
export const ccm = (tagBytes: number) => (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array) => ({
  encrypt(plaintext: Uint8Array): Uint8Array {
    const masked = withCounter(key, nonce, cbcMac(key, nonce, aad, plaintext, tagBytes), plaintext)
    return concat(masked.subarray(blockBytes), masked.subarray(0, tagBytes))
  },

  decrypt(sealed: Uint8Array): Uint8Array {
    const end = sealed.length - tagBytes
    const tag = new Uint8Array(blockBytes)
    tag.set(sealed.subarray(end))
    const opened = withCounter(key, nonce, tag, sealed.subarray(0, end))
    const plaintext = opened.slice(blockBytes)
    const isRight = equalConstantTime(
      opened.subarray(0, tagBytes),
      cbcMac(key, nonce, aad, plaintext, tagBytes).subarray(0, tagBytes),
    )
    wipe(opened)
    if (isRight) return plaintext
    wipe(plaintext)
    throw new Error('the tag is wrong')
  },
})

/** The MAC before it is encrypted, not truncated. RFC 3610 §2.2. */
function cbcMac(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
  tagBytes: number,
): Uint8Array {
  const lengthBytes = blockBytes - 1 - nonce.length
  const first = new Uint8Array(blockBytes)
  first[0] = (aad.length > 0 ? 0x40 : 0) | (((tagBytes - 2) / 2) << 3) | (lengthBytes - 1)
  first.set(nonce, 1)
  for (let i = 0, rest = plaintext.length; i < lengthBytes; i++, rest = Math.floor(rest / 256)) {
    first[blockBytes - 1 - i] = rest & 0xff
  }
  const aadLength = aad.length > 0 ? Uint8Array.of(aad.length >>> 8, aad.length & 0xff) : new Uint8Array(0)
  const head = filledUp(aadLength, aad)
  const text = filledUp(plaintext)
  const encrypted = cbc(key, zeroBlock, { disablePadding: true }).encrypt(concat(first, head, text))
  return encrypted.slice(-blockBytes)
}

/** `mac` under the key stream's first block, `text` under those that follow. RFC 3610 §2.3. */
function withCounter(key: Uint8Array, nonce: Uint8Array, mac: Uint8Array, text: Uint8Array): Uint8Array {
  const counter = new Uint8Array(blockBytes)
  counter[0] = blockBytes - 2 - nonce.length
  counter.set(nonce, 1)
  return ctr(key, counter).encrypt(concat(mac, text))
}

/** The parts joined, with zeros up to a whole block. */
function filledUp(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = concat(...parts)
  return concat(joined, new Uint8Array((blockBytes - (joined.length % blockBytes)) % blockBytes))
}
