import { Reader, Writer } from '../bytes/index.ts'
import { DecodeError } from '../errors.ts'

/** RFC 4187 §11. */
export const AkaSubtype = {
  Challenge: 1,
  AuthenticationReject: 2,
  SynchronizationFailure: 4,
  Identity: 5,
  Notification: 12,
  Reauthentication: 13,
  ClientError: 14,
} as const

/** RFC 4187 §11, RFC 9048 §8. From 128 on, one who does not know an attribute passes it over. */
export const At = {
  RAND: 1,
  AUTN: 2,
  RES: 3,
  AUTS: 4,
  PERMANENT_ID_REQ: 10,
  MAC: 11,
  NOTIFICATION: 12,
  ANY_ID_REQ: 13,
  IDENTITY: 14,
  FULLAUTH_ID_REQ: 17,
  CLIENT_ERROR_CODE: 22,
  KDF_INPUT: 23,
  KDF: 24,
  IV: 129,
  ENCR_DATA: 130,
  CHECKCODE: 134,
  RESULT_IND: 135,
  BIDDING: 136,
} as const

/** `value`: what stands behind Type and Length, with reserved octets and padding. */
export interface AkaAttribute {
  readonly type: number
  readonly value: Uint8Array
  /** Offset of `value` in the Type-Data. */
  readonly at: number
}

export interface AkaMessage {
  readonly subtype: number
  readonly attributes: readonly AkaAttribute[]
}

/** Throws what a message that cannot be processed is worth. */
export function akaFail(problem: string): never {
  throw new DecodeError({ where: 'EAP-AKA', offset: 5, section: 'RFC 4187 §10', problem })
}

/**
 * Decodes Type-Data of EAP-AKA; values are borrowed. Throws `DecodeError`, also for an attribute below 128 that is not known, and for
 * one that stands there twice (but AT_KDF). RFC 4187 §8.1, §9:
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |    Subtype    |           Reserved            |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Attribute Type |   Length / 4  |   Value ...
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeAkaMessage(data: Uint8Array): AkaMessage {
  const reader = new Reader(data, 'EAP-AKA', 'RFC 4187 §8.1')
  const subtype = reader.u8('Subtype')
  reader.skip(2, 'Reserved')
  const attributes: AkaAttribute[] = []
  while (reader.remaining > 0) {
    const type = reader.u8('Attribute Type')
    const length = 4 * reader.u8('Length')
    if (length < 4) reader.fail(`attribute ${type} of length 0`)
    if (type < 128 && !known.has(type)) reader.fail(`attribute ${type} is not known and must not be passed over`)
    if (type !== At.KDF && attributes.some((other) => other.type === type)) reader.fail(`attribute ${type} twice`)
    const at = reader.position
    attributes.push({ type, value: reader.take(length - 2, 'Value'), at })
  }
  return { subtype, attributes }
}

const known = new Set<number>(Object.values(At))

/** The value of an attribute, undefined where it is not there. `bytes`: demanded length. */
export function akaAttribute(message: AkaMessage, type: number, bytes?: number): Uint8Array | undefined {
  const value = message.attributes.find((attribute) => attribute.type === type)?.value
  if (value !== undefined && bytes !== undefined && value.length !== bytes) {
    akaFail(`attribute ${type} has ${value.length} octets, not ${bytes}`)
  }
  return value
}

/** 16 octets behind two reserved ones: AT_RAND, AT_AUTN, AT_MAC. */
export const akaBlock = (message: AkaMessage, type: number): Uint8Array =>
  akaAttribute(message, type, 18)?.subarray(2) ?? akaFail(`attribute ${type} is missing`)

/** 16 bits: AT_NOTIFICATION, AT_CLIENT_ERROR_CODE, AT_KDF, AT_BIDDING. */
export const akaNumber = (value: Uint8Array): number => (value[0]! << 8) | value[1]!

/** Octets behind their own length in 16 bits: AT_IDENTITY, AT_KDF_INPUT; AT_RES counts bits. */
export function akaSized(message: AkaMessage, type: number, unit: 1 | 8 = 1): Uint8Array {
  const value = akaAttribute(message, type) ?? akaFail(`attribute ${type} is missing`)
  const length = akaNumber(value) / unit
  if (!Number.isInteger(length) || length > value.length - 2) akaFail(`attribute ${type} holds less than it says`)
  return value.subarray(2, 2 + length)
}

/** Writes Type-Data attribute by attribute. */
export class AkaWriter {
  readonly #writer = new Writer(128)

  constructor(subtype: number) {
    this.#writer.u8(subtype).u16(0)
  }

  /** A value that may end early: zeros fill it up to a multiple of four. */
  add(type: number, ...parts: readonly Uint8Array[]): this {
    const start = this.#writer.position
    this.#writer.u8(type).u8(0)
    for (const part of parts) this.#writer.bytes(part)
    this.#writer.zeros((4 - ((this.#writer.position - start) & 3)) & 3)
    this.#writer.patchU8(start + 1, (this.#writer.position - start) / 4)
    return this
  }

  /** Two reserved octets, then the value. */
  addBlock(type: number, value: Uint8Array): this {
    return this.add(type, new Uint8Array(2), value)
  }

  addNumber(type: number, value: number): this {
    return this.add(type, Uint8Array.of(value >>> 8, value))
  }

  addSized(type: number, value: Uint8Array, unit: 1 | 8 = 1): this {
    const length = value.length * unit
    return this.add(type, Uint8Array.of(length >>> 8, length), value)
  }

  finish(): Uint8Array {
    return this.#writer.finish()
  }
}
