import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, equalBytes, fromHex, toHex, Writer } from '../../../src/bytes/index.ts'
import { DecodeError, UsageError } from '../../../src/errors.ts'
import {
  decodeHeader,
  decodeMessage,
  decodePayloads,
  encodeMessage,
  encodePayloads,
  maxPayloads,
  type OutgoingHeader,
  type Payload,
  payloadLimits,
} from '../../../src/ike/codec/index.ts'
import { header as anyHeader, innerPayloads, outerPayloads } from './arbitrary.ts'

const header: OutgoingHeader = {
  SPIi: fromHex('0102030405060708'),
  SPIr: fromHex('1112131415161718'),
  majorVersion: 2,
  minorVersion: 0,
  exchangeType: 37,
  flags: { initiator: true, response: false, higherVersion: false },
  messageId: 0xfffffffe,
}
const notify: Payload = {
  kind: 'N',
  critical: false,
  protocol: 0,
  spi: new Uint8Array(0),
  notify: 16384,
  data: new Uint8Array(0),
}
const vendor = (critical = false): Payload => ({ kind: 'V', critical, data: Uint8Array.of(1, 2, 3) })

const decodeErrorOf = (act: () => unknown): DecodeError => {
  try {
    act()
  } catch (error) {
    if (error instanceof DecodeError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('messages', () => {
  it('decode to what was encoded, whatever the payloads', () => {
    fc.assert(
      fc.property(anyHeader, outerPayloads, (head, payloads) => {
        const bytes = encodeMessage(head, payloads)
        const decoded = decodeMessage(bytes)
        expect(decoded.payloads).toEqual(payloads)
        const { nextPayload, ...rest } = decoded.header
        expect(rest).toEqual({ ...head, length: bytes.length })
        expect(nextPayload).toBe(bytes[16])
        expect(toHex(encodeMessage(decoded.header, decoded.payloads))).toBe(toHex(bytes))
      }),
      { numRuns: 300 },
    )
  })

  it('decode to the same payloads inside SK', () => {
    fc.assert(
      fc.property(innerPayloads, (payloads) => {
        const writer = new Writer()
        const first = encodePayloads(payloads, writer)
        expect(decodePayloads(first, writer.finish())).toEqual(payloads)
      }),
    )
  })

  it('give a value or a DecodeError for any octets at all', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.uint8Array({ maxLength: 400 }), (first, bytes) => {
        try {
          decodePayloads(first, bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('give a value or a DecodeError after any change of an arbitrary message', () => {
    fc.assert(
      fc.property(outerPayloads, fc.nat(), fc.nat(255), fc.nat(), (payloads, at, value, cut) => {
        const bytes = encodeMessage(header, payloads)
        bytes[at % bytes.length] = value
        const shorter = bytes.subarray(0, cut % (bytes.length + 1))
        for (const input of [bytes, shorter]) {
          try {
            decodeMessage(input)
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError)
          }
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('IKE header', () => {
  it('reads every field', () => {
    const bytes = fromHex('0102030405060708111213141516171800 21 22 38 fffffffe 0000001c'.replaceAll(' ', ''))
    expect(decodeHeader(bytes)).toEqual({
      ...header,
      nextPayload: 0,
      minorVersion: 1,
      exchangeType: 34,
      flags: { initiator: true, response: true, higherVersion: true },
      length: 28,
    })
  })

  it('leaves another major version to the caller', () => {
    const bytes = encodeMessage({ ...header, majorVersion: 1 }, [])
    expect(decodeHeader(bytes).majorVersion).toBe(1)
  })

  it.each([-1, 1])('refuses a length that is off by %i', (difference) => {
    const bytes = encodeMessage(header, [vendor()])
    bytes[27]! += difference
    expect(decodeErrorOf(() => decodeHeader(bytes))).toMatchObject({ where: 'IKE header', section: 'RFC 7296 §3.1' })
  })

  it('refuses fewer than 28 octets', () => {
    const bytes = encodeMessage(header, [])
    for (let length = 0; length < 28; length++)
      expect(() => decodeHeader(bytes.subarray(0, length))).toThrow(DecodeError)
  })

  it('refuses to encode an SPI that has not 8 octets', () => {
    expect(() => encodeMessage({ ...header, SPIr: new Uint8Array(4) }, [])).toThrow(UsageError)
  })
})

describe('chain of payloads', () => {
  it('keeps the critical bit, ignores the reserved ones', () => {
    const bytes = encodeMessage(header, [vendor(true)])
    bytes[29]! |= 0x7f
    expect(decodeMessage(bytes).payloads).toEqual([vendor(true)])
  })

  it('names place and payload of what is malformed, counted from the start of the message', () => {
    const bytes = encodeMessage(header, [vendor(), notify])
    bytes[28 + 7 + 5] = 9
    expect(decodeErrorOf(() => decodeMessage(bytes))).toMatchObject({
      where: 'N payload',
      section: 'RFC 7296 §3.10',
      offset: 28 + 7 + 8,
    })
  })

  it.each([0, 1, 2, 3])('refuses a payload length of %i', (length) => {
    expect(() => decodePayloads(43, Uint8Array.of(0, 0, 0, length))).toThrow(DecodeError)
  })

  it('refuses octets after the last payload', () => {
    expect(decodeErrorOf(() => decodePayloads(43, Uint8Array.of(0, 0, 0, 4, 0))).offset).toBe(4)
    expect(() => decodePayloads(0, Uint8Array.of(0))).toThrow(DecodeError)
  })

  it('refuses a chain that goes on after the octets end', () => {
    expect(() => decodePayloads(43, Uint8Array.of(43, 0, 0, 4))).toThrow(DecodeError)
  })

  it('ends at SK, whose next payload names what is inside', () => {
    const sk: Payload = { kind: 'SK', critical: false, firstPayload: 41, body: Uint8Array.of(1, 2) }
    expect(decodeMessage(encodeMessage(header, [vendor(), sk])).payloads).toEqual([vendor(), sk])
    expect(() => encodeMessage(header, [sk, vendor()])).toThrow(UsageError)
    const trailing = concat(encodeMessage(header, [sk]), Uint8Array.of(0, 0, 0, 4))
    trailing[27]! += 4
    expect(() => decodeMessage(trailing)).toThrow(DecodeError)
  })

  it.each([46, 53])('refuses encrypted payload %i inside an encrypted payload', (type) => {
    expect(() => decodePayloads(type, fromHex('0000000800010001'))).toThrow(DecodeError)
  })

  it.each(Object.entries(payloadLimits))('holds at most so many: %s %i', (kind, limit) => {
    const samples: Record<string, Payload> = {
      N: notify,
      D: { kind: 'D', critical: false, protocol: 1, spiSize: 0, spis: [] },
      CERT: { kind: 'CERT', critical: false, encoding: 4, data: new Uint8Array(1) },
      V: vendor(),
      CERTREQ: { kind: 'CERTREQ', critical: false, encoding: 4, data: new Uint8Array(0) },
    }
    const many = (count: number) => encodeMessage(header, new Array<Payload>(count).fill(samples[kind]!))
    expect(decodeMessage(many(limit)).payloads).toHaveLength(limit)
    expect(() => decodeMessage(many(limit + 1))).toThrow(DecodeError)
  })

  it('holds a bounded number of payloads of unknown types', () => {
    const unknown: Payload = { kind: 'unknown', critical: false, type: 200, data: new Uint8Array(0) }
    const many = (count: number) => encodeMessage(header, new Array<Payload>(count).fill(unknown))
    expect(decodeMessage(many(maxPayloads)).payloads).toHaveLength(maxPayloads)
    expect(() => decodeMessage(many(maxPayloads + 1))).toThrow(DecodeError)
  })

  it('borrows: what it gives changes with the message', () => {
    const bytes = encodeMessage(header, [vendor()])
    const [payload] = decodeMessage(bytes).payloads
    bytes.fill(0xaa, 32)
    expect(payload).toMatchObject({ data: Uint8Array.of(0xaa, 0xaa, 0xaa) })
  })

  it('refuses to encode a payload of more than 65,535 octets', () => {
    const payload = (length: number): Payload => ({ kind: 'V', critical: false, data: new Uint8Array(length) })
    expect(equalBytes(encodeMessage(header, [payload(65531)]).subarray(30, 32), Uint8Array.of(0xff, 0xff))).toBe(true)
    expect(() => encodeMessage(header, [payload(65532)])).toThrow(UsageError)
  })
})
