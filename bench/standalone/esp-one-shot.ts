import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'
import { cbc, ctr, gcm } from '@noble/ciphers/aes.js'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'

/** One call of a library with all that a packet of its size needs, and nothing of ESP around it. */
export interface OneShot {
  readonly seal: () => unknown
  readonly open: () => unknown
}

const bytesOf = (length: number) => new Uint8Array(length).fill(7)
const nonce = bytesOf(12)
const aad = bytesOf(8)
const iv = bytesOf(16)
const macKey = bytesOf(32)

/** node:crypto; undefined for a suite that has no call of its own there. `length` of the inner packet. */
export function nodeOneShot(suite: string, length: number): OneShot | undefined {
  const text = bytesOf(padded(suite, length))
  const aead = nodeAeads[suite]
  if (aead !== undefined)
    return nodeAead(aead.name, bytesOf(aead.keyBytes), aead.name.endsWith('ccm') ? bytesOf(11) : nonce, text)
  const cipher = nodeCiphers[suite]
  if (cipher === undefined) return undefined
  const key = bytesOf(cipher.keyBytes)
  const mac = () => createHmac('sha256', macKey).update(text).digest()
  return {
    seal: () => [createCipheriv(cipher.name, key, iv).setAutoPadding(false).update(text), mac()],
    open: () => [mac(), createDecipheriv(cipher.name, key, iv).setAutoPadding(false).update(text)],
  }
}

/** noble; undefined for a suite that has no call of its own there. */
export function nobleOneShot(suite: string, length: number): OneShot | undefined {
  const text = bytesOf(padded(suite, length))
  const open = nobleAeads[suite]
  if (open !== undefined) {
    const sealed = open().encrypt(text)
    return { seal: () => open().encrypt(text), open: () => open().decrypt(sealed) }
  }
  const cipher = nobleCiphers[suite]
  if (cipher === undefined) return undefined
  const mac = () => hmac(sha256, macKey, text)
  return { seal: () => [cipher().encrypt(text), mac()], open: () => [mac(), cipher().decrypt(text)] }
}

const nodeAeads: Readonly<Record<string, { readonly name: string; readonly keyBytes: number }>> = {
  aes128gcm16: { name: 'aes-128-gcm', keyBytes: 16 },
  aes256gcm16: { name: 'aes-256-gcm', keyBytes: 32 },
  chacha20poly1305: { name: 'chacha20-poly1305', keyBytes: 32 },
  aes256ccm16: { name: 'aes-256-ccm', keyBytes: 32 },
}

const nodeCiphers: Readonly<Record<string, { readonly name: string; readonly keyBytes: number }>> = {
  'aes256-sha256': { name: 'aes-256-cbc', keyBytes: 32 },
  'aes128ctr-sha256': { name: 'aes-128-ctr', keyBytes: 16 },
}

const nobleAeads: Readonly<
  Record<string, () => { encrypt(text: Uint8Array): Uint8Array; decrypt(text: Uint8Array): Uint8Array }>
> = {
  aes128gcm16: () => gcm(bytesOf16, nonce, aad),
  aes256gcm16: () => gcm(macKey, nonce, aad),
  chacha20poly1305: () => chacha20poly1305(macKey, nonce, aad),
}

const nobleCiphers: typeof nobleAeads = {
  'aes256-sha256': () => cbc(macKey, iv, { disablePadding: true }),
  'aes128ctr-sha256': () => ctr(bytesOf16, iv),
}

const bytesOf16 = bytesOf(16)

/** The text of ESP: with its trailer, filled up to a block of CBC or to 4 octets. */
function padded(suite: string, length: number): number {
  const block = suite === 'aes256-sha256' ? 16 : 4
  return Math.ceil((length + 2) / block) * block
}

function nodeAead(name: string, key: Uint8Array, ownNonce: Uint8Array, text: Uint8Array): OneShot {
  // The options and methods are the same for all AEADs; the type declarations know them under several names.
  const gcmName = name as 'aes-128-gcm'
  const options = { authTagLength: 16 }
  const lengths = { plaintextLength: text.length }
  const seal = () => {
    const cipher = createCipheriv(gcmName, key, ownNonce, options)
    cipher.setAAD(aad, lengths)
    const sealed = cipher.update(text)
    cipher.final()
    return [sealed, cipher.getAuthTag()] as const
  }
  const [sealed, tag] = seal()
  return {
    seal,
    open() {
      const decipher = createDecipheriv(gcmName, key, ownNonce, options)
      decipher.setAuthTag(tag)
      decipher.setAAD(aad, lengths)
      const opened = decipher.update(sealed)
      decipher.final()
      return opened
    },
  }
}
