import { equalBytes, Writer } from '../../../src/bytes/index.ts'
import { DecodeError } from '../../../src/errors.ts'
import {
  type CpPayload,
  decodeMessage,
  decodePayloads,
  describePayload,
  encodeMessage,
  encodePayloads,
  type IkeMessage,
  type Payload,
} from '../../../src/ike/codec/index.ts'
import { decodeAttribute, encodeAttribute } from '../../../src/ike/config-payload/attribute.ts'
import { readConfiguration } from '../../../src/ike/config-payload/configuration.ts'
import type { Dice } from '../../../src/testing/hostile-dice.ts'
import { mutateOctets, repairLength } from '../../../src/testing/hostile-octets.ts'
import { encodeInner, hostilePayload, mutatePayloads } from '../../../src/testing/hostile-payloads.ts'
import { ikeMessage, loadMessageTrace, traceNames } from '../../support/ike-traces.ts'
import { reduceOctets } from '../octets.ts'
import type { Target } from '../target.ts'

const hints = { spis: [Uint8Array.of(0xc0, 0, 0, 1)], groups: [14, 19, 31] }

/**
 * Every message and payload decoder. The first octet of an input is 0 for a whole message, else the type of the first payload
 * of a chain as it stands inside SK{}; the rest are the octets.
 */
export const codec: Target = {
  name: 'codec',
  covers: [
    'ike/codec/',
    'ike/config-payload/attribute',
    'ike/config-payload/configuration',
    'ike/config-payload/encrypted-dns',
    'bytes/reader',
    'bytes/writer',
  ],

  seeds(dice) {
    const seeds = [Uint8Array.of(0), ...traceNames.flatMap(seedsOfTrace)]
    for (let more = 100; more > 0; more--) {
      const { first, inner } = encodeInner([hostilePayload(dice, hints)])
      seeds.push(Uint8Array.of(first, ...inner))
    }
    return seeds
  },

  run(input, note) {
    const octets = input.subarray(1)
    const type = input[0] ?? 0
    if (type === 0) checkMessage(octets, note)
    else checkChain(type, octets, note)
  },

  mutate(input, dice, others) {
    if (dice.chance(40)) {
      const changed = mutateStructure(input, dice)
      if (changed !== undefined) return changed
    }
    const mutated = mutateOctets(input, dice, others)
    if (mutated[0] === 0 && dice.chance(80)) repairLength(mutated.subarray(1))
    return mutated
  },

  reduce: reduceOctets,
}

function seedsOfTrace(name: string): Uint8Array[] {
  return loadMessageTrace(name).packets.flatMap((packet) => {
    const whole = Uint8Array.of(0, ...ikeMessage(packet))
    const inside = packet.decrypted?.payloads
    if (inside === undefined || inside.length === 0) return [whole]
    const chain = inside.flatMap(({ body }, at) => {
      const length = 4 + body.length / 2
      return [inside[at + 1]?.type ?? 0, 0, length >>> 8, length & 0xff, ...Buffer.from(body, 'hex')]
    })
    return [whole, Uint8Array.of(inside[0]!.type, ...chain)]
  })
}

function checkMessage(octets: Uint8Array, note: (situation: string) => void): void {
  const message = decodeOrRefuse(() => decodeMessage(octets), note)
  if (message === undefined) return
  checkSize(message.payloads, octets)
  const again = encodeMessage(message.header, message.payloads)
  const second = decodeMessage(again)
  requireEqual(comparable(message), comparable(second), 'decode(encode(decode(x)))')
  requireSameOctets(again, encodeMessage(second.header, second.payloads))
}

/** The length follows from the payloads: reserved fields of the original may have been dropped, octets may not. */
const comparable = ({ header, payloads }: IkeMessage) => ({ header, payloads })

function checkChain(type: number, octets: Uint8Array, note: (situation: string) => void): void {
  const payloads = decodeOrRefuse(() => decodePayloads(type, octets), note)
  if (payloads === undefined) return
  checkSize(payloads, octets)
  const [first, again] = encoded(payloads)
  const second = decodePayloads(first, again)
  requireEqual(payloads, second, 'decode(encode(decode(x)))')
  requireSameOctets(again, encoded(second)[1])
}

function encoded(payloads: readonly Payload[]): [number, Uint8Array] {
  const writer = new Writer(64)
  return [encodePayloads(payloads, writer), writer.finish()]
}

function decodeOrRefuse<T>(decode: () => T, note: (situation: string) => void): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    note(error.message.replaceAll(/\d+/g, 'n').slice(0, 60))
    return undefined
  }
}

/** A message must not make more of itself: the parts of its value are bounded by its octets. */
function checkSize(payloads: readonly Payload[], octets: Uint8Array): void {
  const size = sizeOf(payloads)
  if (size > 64 + 8 * octets.length) throw new Error(`${octets.length} octets became ${size} values`)
  for (const payload of payloads) {
    describePayload(payload, false)
    if (payload.kind === 'CP') checkConfiguration(payload)
  }
}

/** Whatever its values are, it comes to something, and each that is taken is what we would send. Names and reasons go into logs and files. */
function checkConfiguration({ attributes }: CpPayload): void {
  const { ignored, domains, version } = readConfiguration(attributes)
  for (const text of [...ignored, ...domains.map(({ name }) => name), version ?? ''])
    if (/[^ -~§]/.test(text)) throw new Error(`${JSON.stringify(text)} is not printable`)
  for (const attribute of attributes) {
    const value = decodeAttribute(attribute)
    if (value.kind === 'malformed') continue
    requireEqual(decodeAttribute(encodeAttribute(value)), value, 'decode(encode(decode(attribute)))')
  }
}

function sizeOf(value: unknown): number {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return 1
  let size = 1
  for (const part of Object.values(value)) size += sizeOf(part)
  return size
}

function requireEqual(a: unknown, b: unknown, what: string): void {
  const difference = differenceOf(a, b, '')
  if (difference !== undefined) throw new Error(`${what} differs in ${difference}`)
}

function differenceOf(a: unknown, b: unknown, path: string): string | undefined {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return equalBytes(a, b) ? undefined : path
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b ? undefined : path
  const names = Object.keys(a)
  if (names.length !== Object.keys(b).length) return path
  for (const name of names) {
    // Both are objects; a member that is not there is undefined and differs.
    const of = (value: object) => (value as Record<string, unknown>)[name]
    const difference = differenceOf(of(a), of(b), `${path}.${name}`)
    if (difference !== undefined) return difference
  }
  return undefined
}

function requireSameOctets(a: Uint8Array, b: Uint8Array): void {
  if (!equalBytes(a, b)) throw new Error('encoding a value twice gives other octets')
}

/** Changes the payloads of an input that can be decoded. */
function mutateStructure(input: Uint8Array, dice: Dice): Uint8Array | undefined {
  const type = input[0] ?? 0
  try {
    if (type === 0) {
      const { header, payloads } = decodeMessage(input.subarray(1))
      return Uint8Array.of(0, ...encodeMessage(header, mutatePayloads(payloads, dice, hints)))
    }
    const { first, inner } = encodeInner(mutatePayloads(decodePayloads(type, input.subarray(1)), dice, hints))
    return Uint8Array.of(first, ...inner)
  } catch {
    // Not decodable, or too long to be encoded after the change.
    return undefined
  }
}
