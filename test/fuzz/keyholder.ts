import { readU16, writeU16, writeU32 } from '../../src/bytes/index.ts'
import { ikeHeaderBytes, PayloadType } from '../../src/ike/codec/index.ts'
import { type Sealed, tagKey } from './fast-crypto.ts'

const genericBytes = 4
/** All suites of these worlds are AEADs with an IV of 8 octets and a tag of 16. */
const ivBytes = 8
const tagBytes = 16
const nextPayloadAt = 16
const lengthAt = 24

/** The inside of a protected message, and what it takes to protect another one in its place. */
export interface Opened {
  readonly sealed: Sealed
  /** 28 octets. */
  readonly header: Uint8Array
  readonly isFragment: boolean
  /** Fragment number and total of an SKF payload, else empty. */
  readonly fragment: Uint8Array
  readonly first: number
  /** Without padding. */
  readonly inner: Uint8Array
}

/** Opens any message that an end of this world has sealed; undefined for others. */
export function openMessage(message: Uint8Array, sealed: ReadonlyMap<string, Sealed>): Opened | undefined {
  const type = message[nextPayloadAt]
  if (type !== PayloadType.SK && type !== PayloadType.SKF) return undefined
  const entry = sealed.get(tagKey(message.subarray(-tagBytes)))
  if (entry === undefined) return undefined
  const isFragment = type === PayloadType.SKF
  const fragmentAt = ikeHeaderBytes + genericBytes
  const { plaintext } = entry
  return {
    sealed: entry,
    header: message.slice(0, ikeHeaderBytes),
    isFragment,
    fragment: message.slice(fragmentAt, fragmentAt + (isFragment ? 4 : 0)),
    first: message[ikeHeaderBytes]!,
    inner: plaintext.subarray(0, Math.max(0, plaintext.length - 1 - plaintext.at(-1)!)),
  }
}

/** A correctly protected message with this header and inside, whatever they are; the header's length is made true. */
export function protectMessage({ sealed, header, isFragment, fragment, first, inner }: Opened): Uint8Array {
  const { aead, nonce } = sealed
  const ivAt = ikeHeaderBytes + genericBytes + fragment.length
  const textAt = ivAt + ivBytes
  const text = inner.subarray(0, 60_000)
  const message = new Uint8Array(textAt + text.length + 1 + tagBytes)
  message.set(header)
  message[nextPayloadAt] = isFragment ? PayloadType.SKF : PayloadType.SK
  writeU32(message, lengthAt, message.length)
  message[ikeHeaderBytes] = first
  writeU16(message, ikeHeaderBytes + 2, message.length - ikeHeaderBytes)
  message.set(fragment, ikeHeaderBytes + genericBytes)
  message.set(nonce.subarray(-ivBytes), ivAt)
  message.set(text, textAt)
  aead.seal(nonce, message, 0, ivAt, message, textAt, text.length + 1)
  return message
}

export const messageIdOf = (message: Uint8Array): number => readU16(message, 20) * 0x10000 + readU16(message, 22)
