import type { Aead, Cipher, CryptoProvider } from '../crypto/provider.ts'

/** Sees an inner packet, `length` octets or more at `buffer[offset]`, just before it is encrypted. */
export type PlainView = (buffer: Uint8Array, offset: number, length: number) => void

/** The same provider, whose ciphers show every plaintext to `view` before they encrypt it: so that a packet is known by what is inside it. */
export function watchSealing(crypto: CryptoProvider, view: PlainView): CryptoProvider {
  return {
    ...crypto,
    aead: (encr, key) => watchAead(crypto.aead(encr, key), view),
    cipher: (encr, key) => watchCipher(crypto.cipher(encr, key), view),
    mac: (integ, key) => crypto.mac(integ, key),
  }
}

const watchAead = (aead: Aead, view: PlainView): Aead => ({
  nonceBytes: aead.nonceBytes,
  tagBytes: aead.tagBytes,
  seal(nonce, aad, aadOffset, aadLength, buffer, offset, length) {
    view(buffer, offset, length)
    aead.seal(nonce, aad, aadOffset, aadLength, buffer, offset, length)
  },
  open: (nonce, aad, aadOffset, aadLength, buffer, offset, length) =>
    aead.open(nonce, aad, aadOffset, aadLength, buffer, offset, length),
  destroy: () => aead.destroy(),
})

const watchCipher = (cipher: Cipher, view: PlainView): Cipher => ({
  encrypt(iv, buffer, offset, length) {
    view(buffer, offset, length)
    cipher.encrypt(iv, buffer, offset, length)
  },
  decrypt: (iv, buffer, offset, length) => cipher.decrypt(iv, buffer, offset, length),
  destroy: () => cipher.destroy(),
})
