import { ConfigProblems, parseConfig } from '../../../src/config/index.ts'
import schema from '../../../src/config/schema.json' with { type: 'json' }
import { UsageError } from '../../../src/errors.ts'
import { formatIdentity, parseIdentity } from '../../../src/ike/auth/identity.ts'
import { formatProposal, parseProposal } from '../../../src/ike/negotiation/proposal-keywords.ts'
import { formatTrafficSelector, parseTrafficSelector } from '../../../src/ike/negotiation/traffic-selector-text.ts'
import { formatIp, formatRange, parseIp, parseRange } from '../../../src/ip/index.ts'
import type { Dice } from '../../../src/testing/hostile-dice.ts'
import { mutateOctets } from '../../../src/testing/hostile-octets.ts'
import { reduceOctets } from '../octets.ts'
import type { Target } from '../target.ts'

interface Notation {
  readonly name: string
  /** Reads a text and writes it again. */
  readonly again: (text: string) => string
}

/** Texts in settings: what was read and written again must read the same. */
const notations: readonly Notation[] = [
  { name: 'IKE proposal', again: (text) => formatProposal(parseProposal(text, 'IKE')) },
  { name: 'ESP proposal', again: (text) => formatProposal(parseProposal(text, 'ESP')) },
  { name: 'traffic selector', again: (text) => formatTrafficSelector(parseTrafficSelector(text)) },
  { name: 'identity', again: (text) => formatIdentity(parseIdentity(text)) },
  { name: 'address', again: (text) => formatIp(parseIp(text)) },
  { name: 'range', again: (text) => formatRange(parseRange(text)) },
]

/** What stands in settings of a kind that the schema calls a text. */
const words = [
  '10.1.0.0/16',
  '10.1.0.1-10.1.0.77[udp/53-90]',
  'fd00::/8[ipv6-icmp]',
  '0.0.0.0/0[tcp/80]',
  'aes128gcm16-prfsha256-x25519-ke1_mlkem768',
  'aes256-sha512-prfsha512-ecp384-modp2048',
  'chacha20poly1305-esn-noesn',
  '3des-sha1-modp1024',
  'gateway.example.org',
  'user@example.org',
  '%any',
  '*.example.org',
  'keyid:0x0102',
  '0x0102',
  '0sAQID',
  '192.0.2.1',
  '2001:db8::1',
  '::ffff:192.0.2.1',
  'fe80::1%eth0',
  '1h',
  '500ms',
  '50m',
]

const decode = (octets: Uint8Array): string => Buffer.from(octets).toString()
const encode = (text: string): number[] => [...new TextEncoder().encode(text)]

/**
 * The operator's texts. The first octet of an input is 0 for a whole configuration file, else it chooses a notation; the rest is the
 * text. A file gives a configuration, or `ConfigProblems`, and nothing else.
 */
export const config: Target = {
  name: 'config',
  covers: [
    'config/',
    'ike/proposal-keywords',
    'ike/transform-keywords',
    'ike/identity',
    'ike/traffic-selector-text',
    'ip/address',
    'ip/prefix',
  ],

  seeds(dice) {
    const seeds: Uint8Array[] = notations.flatMap((_, at) =>
      words.map((word) => Uint8Array.of(at + 1, ...encode(word))),
    )
    for (let more = 300; more > 0; more--) seeds.push(fileOf(valueFor(schema, dice, 0)))
    return seeds
  },

  run(input, note) {
    const text = decode(input.subarray(1))
    const notation = notations[(input[0] ?? 0) - 1]
    if (notation === undefined) readFile(text, note)
    else readTwice(notation, text)
  },

  mutate(input, dice, others) {
    const changed = input[0] === 0 && dice.chance(60) ? mutateFile(input, dice) : undefined
    if (changed !== undefined) return changed
    if (dice.chance(30)) return Uint8Array.of(input[0] ?? 0, ...input.subarray(1), ...encode(dice.pick(words)))
    const mutated = mutateOctets(input.subarray(1), dice, others)
    return Uint8Array.of(input[0] ?? 0, ...mutated)
  },

  reduce: reduceOctets,
}

function readFile(text: string, note: (situation: string) => void): void {
  try {
    parseConfig(text)
  } catch (error) {
    if (!(error instanceof ConfigProblems)) throw error
    for (const problem of error.errors)
      note(
        String(problem)
          .replaceAll(/"[^"]*"|\d+|connections\.\S+/g, '')
          .slice(0, 80),
      )
  }
}

function readTwice({ name, again }: Notation, text: string): void {
  let first: string
  try {
    first = again(text)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return
  }
  const second = again(first)
  if (first !== second) throw new Error(`${name} ${JSON.stringify(text)} reads as ${first}, and that as ${second}`)
}

const fileOf = (value: unknown): Uint8Array => Uint8Array.of(0, ...encode(JSON.stringify(value)))

interface Schema {
  readonly $ref?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly minimum?: number
  readonly maximum?: number
  readonly default?: unknown
}

/** A value as the schema asks for it, or nearly. */
function valueFor(one: Schema, dice: Dice, depth: number): unknown {
  if (one.$ref !== undefined) return valueFor(referred(one.$ref), dice, depth)
  const choices = one.anyOf ?? one.oneOf
  if (choices !== undefined) return valueFor(dice.pick(choices), dice, depth)
  if (one.const !== undefined) return one.const
  if (one.enum !== undefined) return dice.pick(one.enum)
  switch (typeof one.type === 'object' ? dice.pick(one.type) : one.type) {
    case 'object':
      return objectOf(one, dice, depth)
    case 'array':
      return Array.from({ length: dice.below(3) }, () => valueFor(one.items ?? {}, dice, depth + 1))
    case 'integer':
    case 'number':
      return dice.pick([one.minimum ?? 0, one.maximum ?? 1e9, (one.minimum ?? 0) - 1, dice.below(5000), 1.5])
    case 'boolean':
      return dice.chance(50)
    default:
      return dice.pick(words)
  }
}

function objectOf(one: Schema, dice: Dice, depth: number): Record<string, unknown> {
  const made: Record<string, unknown> = {}
  for (const [name, property] of Object.entries(one.properties ?? {})) {
    const wanted = one.required?.includes(name) === true ? 97 : 35
    if (depth < 8 && dice.chance(wanted)) made[name] = valueFor(property, dice, depth + 1)
  }
  if (typeof one.additionalProperties === 'object') {
    for (const name of ['office', 'net'].slice(dice.below(2)))
      made[name] = valueFor(one.additionalProperties, dice, depth + 1)
  } else if (dice.chance(2)) made.unknown = 1
  return made
}

function referred(path: string): Schema {
  let at: unknown = schema
  // `#/$defs/name`; the schema is our own.
  for (const name of path.split('/').slice(1)) at = (at as Record<string, unknown>)[name]
  return at as Schema
}

/** Replaces one value of a file that is JSON. */
function mutateFile(input: Uint8Array, dice: Dice): Uint8Array | undefined {
  try {
    const root: unknown = JSON.parse(decode(input.subarray(1)))
    const fresh = valueFor(schema, dice, 0)
    return fileOf(dice.chance(20) ? fresh : mixed(root, fresh, dice))
  } catch {
    return undefined
  }
}

/** The first value with some parts of the second. */
function mixed(one: unknown, other: unknown, dice: Dice): unknown {
  if (dice.chance(10)) return other
  if (typeof one !== 'object' || one === null || Array.isArray(one)) return dice.chance(15) ? odd(dice) : one
  if (typeof other !== 'object' || other === null) return one
  const result: Record<string, unknown> = { ...one }
  for (const [name, value] of Object.entries(other))
    result[name] = name in result ? mixed(result[name], value, dice) : value
  for (const name of Object.keys(result)) if (dice.chance(5)) delete result[name]
  return result
}

const odd = (dice: Dice): unknown =>
  dice.pick([null, true, 0, -1, 1e300, '', [], {}, dice.pick(words), '\u0000', '__proto__'])
