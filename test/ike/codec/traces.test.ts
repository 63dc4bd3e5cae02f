import { describe, expect, it } from 'vitest'
import { fromHex, toHex, Writer } from '../../../src/bytes/index.ts'
import { DecodeError } from '../../../src/errors.ts'
import {
  decodeMessage,
  decodePayloads,
  encodeMessage,
  encodePayloads,
  type Payload,
  payloadTypes,
} from '../../../src/ike/codec/index.ts'
import { checkPayloads } from '../../../src/ike/message/payload-rules.ts'
import { ikeMessage, loadMessageTrace, type TracePayload, traceNames } from '../../support/ike-traces.ts'

const typeOf = (payload: Payload): number => (payload.kind === 'unknown' ? payload.type : payloadTypes[payload.kind])

function encoded(payloads: readonly Payload[]): { first: number; octets: Uint8Array } {
  const writer = new Writer()
  const first = encodePayloads(payloads, writer)
  return { first, octets: writer.finish() }
}

/** The recorded bodies, chained as they were inside SK. */
function recordedChain(recorded: readonly TracePayload[]): Uint8Array {
  const writer = new Writer()
  recorded.forEach(({ body }, i) => {
    writer
      .u8(recorded[i + 1]?.type ?? 0)
      .u8(0)
      .u16(body.length / 2 + 4)
      .bytes(fromHex(body))
  })
  return writer.finish()
}

/** Which of the two it gave; any other error fails the test. */
function expectValueOrDecodeError(decode: () => unknown): 'value' | 'error' {
  try {
    decode()
    return 'value'
  } catch (error) {
    expect(error).toBeInstanceOf(DecodeError)
    return 'error'
  }
}

describe.each(traceNames)('trace %s', (name) => {
  const { packets } = loadMessageTrace(name)

  it('decodes every message and encodes it to the same octets', () => {
    expect(packets.length).toBeGreaterThan(0)
    for (const packet of packets) {
      const bytes = ikeMessage(packet)
      const { header, payloads } = decodeMessage(bytes)
      expect(header).toMatchObject({
        SPIi: fromHex(packet.header.spiI),
        SPIr: fromHex(packet.header.spiR),
        exchangeType: packet.header.exchangeType,
        flags: { initiator: packet.header.initiator, response: packet.header.response },
        messageId: packet.header.messageId,
        length: packet.header.length,
      })
      expect(payloads.map(typeOf)).toEqual(packet.payloads?.map(({ type }) => type) ?? [packet.decrypted?.skType])
      expect(toHex(encodeMessage(header, payloads))).toBe(toHex(bytes))
    }
  })

  it('decodes what was inside SK, encodes it to the same octets, and finds the payloads that the exchange needs', () => {
    for (const { header, payloads: outer, decrypted } of packets) {
      const recorded = outer ?? decrypted?.payloads
      if (recorded === undefined) continue
      const octets = recordedChain(recorded)
      const payloads = decodePayloads(recorded[0]?.type ?? 0, octets)
      expect(payloads.map(typeOf)).toEqual(recorded.map(({ type }) => type))
      expect(encoded(payloads)).toEqual({ first: recorded[0]?.type ?? 0, octets })
      checkPayloads(header.exchangeType, header.response, payloads)
    }
  })
})

describe('every recorded message', () => {
  it.each(traceNames)('%s: each octet changed gives a value or a DecodeError', (name) => {
    for (const { payloads, decrypted } of loadMessageTrace(name).packets) {
      const recorded = payloads ?? decrypted?.payloads ?? []
      const octets = recordedChain(recorded)
      for (let at = 0; at < octets.length; at++) {
        octets[at]! ^= 0xff
        expectValueOrDecodeError(() => decodePayloads(recorded[0]!.type, octets))
        octets[at]! ^= 0xff
      }
    }
  })
})

describe('a valid message', () => {
  // One with every kind of SA_INIT payload, and the inside of a CREATE_CHILD_SA request.
  const { packets } = loadMessageTrace('psk-gcm128-sha256-ecp256')
  const init = ikeMessage(packets[0]!)
  const child = packets.find(({ header }) => header.exchange === 'CREATE_CHILD_SA')!.decrypted!.payloads!
  const inputs = [
    { name: 'IKE_SA_INIT', octets: init, decode: decodeMessage },
    {
      name: 'the inside of CREATE_CHILD_SA',
      octets: recordedChain(child),
      decode: (bytes: Uint8Array) => decodePayloads(child[0]!.type, bytes),
    },
  ]

  it.each(inputs)('$name: no prefix of it decodes', ({ octets, decode }) => {
    for (let length = 0; length < octets.length; length++)
      expect(() => decode(octets.subarray(0, length))).toThrow(DecodeError)
  })

  it.each(inputs)('$name: every change of one octet gives a value or a DecodeError', ({ octets, decode }) => {
    const outcomes = { value: 0, error: 0 }
    const changed = octets.slice()
    for (let at = 0; at < octets.length; at++) {
      for (let value = 0; value < 256; value++) {
        changed[at] = value
        outcomes[expectValueOrDecodeError(() => decode(changed))]++
      }
      changed[at] = octets[at]!
    }
    expect(outcomes.value).toBeGreaterThan(octets.length)
    expect(outcomes.error).toBeGreaterThan(octets.length)
  })
})
