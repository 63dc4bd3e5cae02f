import { fromHex } from '../bytes/index.ts'
import { nobleProvider } from '../crypto/noble.ts'
import type { CryptoProvider, RandomSource } from '../crypto/provider.ts'
import { UsageError } from '../errors.ts'
import type { ConnectionConfig } from '../ike/config.ts'
import { IkeEndpoint, type IkeEndpointOptions } from '../ike/ike-endpoint.ts'
import type { RecordedDraw, RecordedStep, RecordedXfrmCall, RecordingHeader } from '../ike/recording/recording.ts'
import { decodePlain, encodePlain, type Plain } from '../ike/recording/recording-json.ts'
import type { XfrmPort } from '../xfrm/port.ts'
import { firstDifference } from './plain-difference.ts'

export interface ReplayOptions {
  /** Default: `nobleProvider`. Every provider must come to the same octets. */
  readonly crypto?: CryptoProvider
  /** The connections with their secrets, for a recording that has none. */
  readonly connections?: readonly ConnectionConfig[]
}

export interface ReplayResult {
  /** Calls that came to the same octets. */
  readonly steps: number
  /** Undefined when all did. */
  readonly difference?: ReplayDifference
}

/** Where a replay first left the recording. */
export interface ReplayDifference {
  /** Counted from 1 (the line after the header); 0 is the making of the core. */
  readonly step: number
  /** The call, for example `handleDatagram`. */
  readonly call: string
  /** For example `result[0].message octet 47`, `entropy[1]`, `xfrm[3].about[0].spi`, `nextTimeoutAt`. */
  readonly where: string
  readonly recorded: string
  readonly replayed: string
}

/** Runs a recording (its lines) again through the core and compares everything that comes of it. Throws `UsageError` when it is no recording. */
export function replayRecording(text: string, options: ReplayOptions = {}): ReplayResult {
  const [header, ...steps] = parseLines(text)
  const play = new Replay(header, options)
  for (const [i, step] of steps.entries()) {
    const difference = play.run(step)
    if (difference !== undefined) return { steps: i, difference: { step: i + 1, call: step.call, ...difference } }
  }
  return { steps: steps.length }
}

type Difference = Pick<ReplayDifference, 'where' | 'recorded' | 'replayed'>

/** The world as it was recorded, one step at a time, and the core in it. */
class Replay {
  readonly #ike: IkeEndpoint
  #draws: readonly RecordedDraw[]
  #drawn = 0
  #answers: readonly Plain[] = []
  #answered = 0
  #calls: readonly RecordedXfrmCall[] = []
  #called = 0
  /** Kept, because the core takes an exception of the world for a mistake of its own and goes on. */
  #departed: Difference | undefined

  constructor(header: RecordingHeader, { crypto = nobleProvider, connections }: ReplayOptions) {
    this.#draws = header.entropy
    if (!header.secrets && connections === undefined) {
      throw new UsageError('connections', 'are needed: the recording was made without secrets')
    }
    this.#ike = new IkeEndpoint({
      crypto,
      random: this.#random,
      xfrm: this.#xfrm(),
      ...(decodePlain(encodeHeader(header)) as Omit<IkeEndpointOptions, 'crypto' | 'random' | 'xfrm'>),
      ...(connections === undefined ? {} : { connections }),
    })
  }

  /** Undefined when all is as recorded. */
  run(step: RecordedStep): Difference | undefined {
    this.#draws = step.entropy
    this.#answers = step.answers
    this.#calls = step.xfrm
    this.#drawn = 0
    this.#answered = 0
    this.#called = 0
    const outcome = this.#call(step)
    if (this.#departed !== undefined) return this.#departed
    const { result, threw, nextTimeoutAt } = step
    return (
      firstDifference(
        { result, threw: threw ?? null, nextTimeoutAt },
        { ...outcome, nextTimeoutAt: finite(this.#ike.nextTimeoutAt()) },
      ) ?? this.#leftOver()
    )
  }

  #call({ call, args }: RecordedStep): { result: Plain; threw: Plain } {
    const method = Reflect.get(this.#ike, call)
    if (typeof method !== 'function') throw new UsageError('recording', `calls "${call}", which is not there`)
    const given = decodePlain(args, () => this.#answer()) as unknown[]
    try {
      return { result: encodePlain(method.apply(this.#ike, given)), threw: null }
    } catch (error) {
      return { result: null, threw: error instanceof Error ? error.message : String(error) }
    }
  }

  readonly #random: RandomSource = (length, purpose) => {
    const place = this.#drawn++
    const draw = this.#draws[place]
    const asked = `${length} octets for ${purpose}`
    const there = draw === undefined ? 'nothing' : `${draw.octets.length / 2} octets for ${draw.purpose}`
    if (asked !== there) this.#depart({ where: `entropy[${place}]`, recorded: there, replayed: asked })
    return fromHex(draw!.octets)
  }

  #answer(): unknown {
    const place = this.#answered++
    const answer = this.#answers[place]
    if (answer === undefined) this.#depart({ where: `answers[${place}]`, recorded: 'nothing', replayed: 'a question' })
    return decodePlain(answer!)
  }

  #xfrm(): XfrmPort {
    // Whatever verbs there are: each is answered from the recording.
    return new Proxy({} as XfrmPort, {
      get: (_, verb) => (typeof verb === 'symbol' ? undefined : (...args: unknown[]) => this.#xfrmCall(verb, args)),
    })
  }

  #xfrmCall(verb: string, args: readonly unknown[]): unknown {
    const place = this.#called++
    const { result, threw, ...call } = this.#calls[place] ?? { verb: 'nothing', about: [] }
    const different = firstDifference(call, { verb, about: encodePlain(args, ['key', 'salt']) }, `xfrm[${place}]`)
    if (different !== undefined) this.#depart(different)
    if (threw !== undefined) throw new UsageError('xfrm', threw)
    return result === undefined ? undefined : decodePlain(result)
  }

  /** Something that the core asked for then and does not ask for now. */
  #leftOver(): Difference | undefined {
    const draw = this.#draws[this.#drawn]
    const call = this.#calls[this.#called]
    if (draw !== undefined) {
      return { where: `entropy[${this.#drawn}]`, recorded: `octets for ${draw.purpose}`, replayed: 'nothing' }
    }
    return call && { where: `xfrm[${this.#called}]`, recorded: call.verb, replayed: 'nothing' }
  }

  #depart(difference: Difference): never {
    this.#departed ??= difference
    throw new UsageError('recording', `has no answer at ${difference.where}`)
  }
}

const finite = (at: number): Plain => (at === Number.POSITIVE_INFINITY ? null : at)

function encodeHeader({ connections, ports, limits, asks }: RecordingHeader): Plain {
  return {
    connections,
    ...(ports === undefined ? {} : { ports }),
    ...(limits === undefined ? {} : { limits }),
    ...(asks === undefined ? {} : { asks }),
  }
}

function parseLines(text: string): [RecordingHeader, ...RecordedStep[]] {
  const lines = text.split('\n').filter((line) => line !== '')
  let parsed: unknown[]
  try {
    parsed = lines.map((line) => JSON.parse(line))
  } catch {
    throw new UsageError('recording', 'is not made of lines of JSON')
  }
  const header = parsed[0] as Partial<RecordingHeader> | undefined
  if (header?.format !== 'typeswan-ike-recording' || header.version !== 1) {
    throw new UsageError('recording', 'does not begin as a recording of version 1')
  }
  return parsed as [RecordingHeader, ...RecordedStep[]]
}
