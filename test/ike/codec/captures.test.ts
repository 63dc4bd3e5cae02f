import { describe, expect, it } from 'vitest'
import { fromHex, toHex, Writer } from '../../../src/bytes/index.ts'
import { DecodeError } from '../../../src/errors.ts'
import {
  decodeHeader,
  decodeMessage,
  decodePayloads,
  encodeMessage,
  encodePayloads,
  type Payload,
  payloadTypes,
} from '../../../src/ike/codec/index.ts'
import { sharedVectors } from '../../support/vectors.ts'

interface Capture {
  readonly id: string
  readonly packets: readonly {
    readonly udpPayload: string
    readonly nonEspMarker?: boolean
    readonly outerError?: string
    readonly header?: {
      readonly spiI: string
      readonly spiR: string
      readonly nextPayload: number
      readonly version: string
      readonly exchangeType: number
      readonly initiator: boolean
      readonly response: boolean
      readonly messageId: number
      readonly length: number
    }
    readonly outer?: readonly { readonly type: number; readonly length: number }[]
  }[]
}
interface Malformed {
  readonly packets: readonly { readonly payload: string | null }[]
}
interface Sample {
  readonly id: string
  readonly hex: string
}
interface CorpusFile {
  readonly base64: string
}
interface Cases<T> {
  readonly cases: readonly T[]
}

const ikev2 = sharedVectors<Cases<Capture>>('packets/ikev2-captures-no-keys.json')
const ikev1 = sharedVectors<Cases<Capture>>('packets/ikev1-must-refuse.json')
const malformed = sharedVectors<Cases<Malformed>>('corpus/malformed-isakmp.json')
const samples = sharedVectors<Cases<Sample>>('corpus/openiked-payload-samples.json')
const corpus = sharedVectors<Cases<CorpusFile>>('corpus/strongswan-fuzzing-corpora.json')

const messageOf = (packet: Capture['packets'][number]): Uint8Array =>
  fromHex(packet.udpPayload).subarray(packet.nonEspMarker ? 4 : 0)

/** A value, or undefined for a `DecodeError`; anything else fails the test. */
function valueOrNone<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

const typeAndLength = (payload: Payload) => {
  const writer = new Writer()
  const type = encodePayloads([payload], writer)
  return {
    type: payload.kind === 'unknown' ? payload.type : payloadTypes[payload.kind],
    length: writer.position,
    first: type,
  }
}

describe.skipIf(ikev2 === undefined)('IKEv2 captured elsewhere', () => {
  it.each(ikev2?.cases ?? [])('$id: decodes as recorded', ({ packets }) => {
    for (const packet of packets) {
      if (packet.header === undefined) continue
      const bytes = messageOf(packet)
      const recorded = packet.header
      const message = valueOrNone(() => decodeMessage(bytes))
      expect(message === undefined, packet.outerError).toBe(packet.outerError !== undefined)
      if (message === undefined) continue
      const { header, payloads } = message
      expect(header).toMatchObject({
        SPIi: fromHex(recorded.spiI),
        SPIr: fromHex(recorded.spiR),
        nextPayload: recorded.nextPayload,
        exchangeType: recorded.exchangeType,
        flags: { initiator: recorded.initiator, response: recorded.response },
        messageId: recorded.messageId,
        length: recorded.length,
      })
      expect(`${header.majorVersion}.${header.minorVersion}`).toBe(recorded.version)
      expect(payloads.map(typeAndLength)).toMatchObject(
        packet.outer!.map(({ type, length }) => ({ type, length, first: type })),
      )
      expect(decodeMessage(encodeMessage(header, payloads))).toEqual(message)
    }
  })
})

describe.skipIf(ikev1 === undefined)('IKEv1', () => {
  it.each(ikev1?.cases ?? [])('$id: shows its version and harms nothing', ({ packets }) => {
    for (const packet of packets) {
      if (packet.header === undefined) continue
      const bytes = messageOf(packet)
      expect(valueOrNone(() => decodeHeader(bytes))?.majorVersion ?? 1).toBe(1)
      valueOrNone(() => decodeMessage(bytes))
    }
  })
})

describe.skipIf(malformed === undefined || samples === undefined || corpus === undefined)('hostile inputs', () => {
  it('that crashed other decoders give a value or a DecodeError', () => {
    const inputs = (malformed?.cases ?? []).flatMap(({ packets }) => packets.flatMap(({ payload }) => payload ?? []))
    expect(inputs.length).toBeGreaterThan(5)
    for (const input of inputs) {
      const bytes = fromHex(input)
      valueOrNone(() => decodeMessage(bytes))
      valueOrNone(() => decodeMessage(bytes.subarray(4)))
      valueOrNone(() => decodePayloads(bytes[16] ?? 0, bytes.subarray(28)))
    }
  })

  it('of openiked, as every type of payload, give a value or a DecodeError', () => {
    for (const { hex } of samples?.cases ?? [])
      for (let type = 0; type < 256; type++) valueOrNone(() => decodePayloads(type, fromHex(hex)))
  })

  it.each([
    ['ke', 34],
    ['nonce', 40],
    ['id', 35],
    ['auth', 39],
  ])('of openiked: the %s payload decodes', (name, type) => {
    const sample = samples!.cases.find(({ id }) => id === `openiked-${name}_pld`)!
    const payloads = valueOrNone(() => decodePayloads(type, fromHex(sample.hex)))
    expect(payloads).toHaveLength(1)
    const writer = new Writer()
    encodePayloads(payloads!, writer)
    expect(toHex(writer.finish())).toBe(sample.hex)
  })

  it('of the strongSwan corpus, which are not IKE at all, give a value or a DecodeError', () => {
    for (const { base64 } of corpus?.cases ?? []) {
      const bytes = new Uint8Array(Buffer.from(base64, 'base64'))
      for (const type of [33, 37, 44, 46, 47, 48]) valueOrNone(() => decodePayloads(type, bytes))
      valueOrNone(() => decodeMessage(bytes))
    }
  })
})
