import { toHex } from '../../bytes/index.ts'
import type { RandomPurpose, RandomSource } from '../../crypto/provider.ts'
import type { XfrmPort } from '../../xfrm/port.ts'
import { IkeEndpoint, type IkeEndpointOptions } from '../ike-endpoint.ts'
import { encodePlain, type Plain } from './recording-json.ts'

/** The first line of a recording: what the core was made with. */
export interface RecordingHeader {
  readonly format: 'typeswan-ike-recording'
  readonly version: 1
  /** The provider's name: any other must come to the same octets. */
  readonly crypto: string
  /** Whether the secrets are in `connections`; else they are empty and the replay needs them. */
  readonly secrets: boolean
  readonly connections: Plain
  readonly ports?: Plain
  readonly limits?: Plain
  readonly asks?: Plain
  readonly qcdSecret?: Plain
  /** Drawn while the core was made. */
  readonly entropy: readonly RecordedDraw[]
}

/** Each further line: one call into the core, what it took from the world, and all that came of it. */
export interface RecordedStep {
  readonly call: string
  readonly args: Plain
  readonly entropy: readonly RecordedDraw[]
  /** What functions among the arguments returned, in the order of their calls. */
  readonly answers: readonly Plain[]
  /** Calls to the SA and policy databases; keys are left out. */
  readonly xfrm: readonly RecordedXfrmCall[]
  /** The actions: messages with their addresses, and events. */
  readonly result: Plain
  /** The message of what it threw, if anything. */
  readonly threw?: string
  /** When the next timer is due; null for never. */
  readonly nextTimeoutAt: number | null
}

export interface RecordedDraw {
  readonly purpose: RandomPurpose | undefined
  /** Hexadecimal. */
  readonly octets: string
}

export interface RecordedXfrmCall {
  readonly verb: string
  /** What it was about: addresses, SPI, index. */
  readonly about: Plain
  readonly result?: Plain
  readonly threw?: string
}

export interface RecordingOptions {
  /** Takes one line of the recording, without its end. Called within the call that is recorded; what it throws comes out there. */
  readonly write: (line: string) => void
  /** Puts the pre-shared keys in. Without them a replay needs the connections. */
  readonly secrets?: boolean
}

/** Calls that change nothing. */
const queries: ReadonlySet<string> = new Set([
  'nextTimeoutAt',
  'isIdle',
  'status',
  'ikeSaOf',
  'remoteAddresses',
  'streams',
])

/**
 * An IKE core that writes down every call into it with its time, the octets that it drew, and what it gave back: enough to run
 * it again to the octet. **Whoever has a recording can read what was sent under its keys**, with or without the
 * pre-shared keys: it holds the private values, and tickets with the keys of the sessions that they resume.
 */
export function recordIke(options: IkeEndpointOptions, recording: RecordingOptions): IkeEndpoint {
  const notes = new Notes()
  const write = (line: RecordingHeader | RecordedStep) => recording.write(JSON.stringify(line))
  const ike = new IkeEndpoint({
    ...options,
    random: notes.watchRandom(options.random),
    xfrm: watchXfrm(options.xfrm, (call) => notes.xfrm.push(call)),
  })
  const { secrets = false } = recording
  write({
    format: 'typeswan-ike-recording',
    version: 1,
    crypto: options.crypto.name,
    secrets,
    connections: encodePlain(options.connections, secrets ? [] : ['secret']),
    ...(options.ports === undefined ? {} : { ports: encodePlain(options.ports) }),
    ...(options.limits === undefined ? {} : { limits: encodePlain(options.limits) }),
    ...(options.asks === undefined ? {} : { asks: encodePlain(options.asks) }),
    ...(options.qcdSecret === undefined || !secrets ? {} : { qcdSecret: encodePlain(options.qcdSecret) }),
    entropy: notes.entropy,
  })
  return new Proxy(ike, { get: (_, name) => recorded(ike, name, notes, write) })
}

/** A member of the core, with calls that change something recorded. Called on the core itself, whose fields are private. */
function recorded(ike: IkeEndpoint, name: string | symbol, notes: Notes, write: (step: RecordedStep) => void): unknown {
  const member = Reflect.get(ike, name, ike)
  if (typeof member !== 'function') return member
  if (typeof name === 'symbol' || queries.has(name)) return member.bind(ike)
  return (...args: unknown[]) => {
    notes.clear()
    // Before the call, because what is borrowed may change in it.
    const plainArgs = encodePlain(args)
    const close = (outcome: { result: Plain; threw?: string }) => {
      const at = ike.nextTimeoutAt()
      const nextTimeoutAt = at === Number.POSITIVE_INFINITY ? null : at
      write({ call: name, args: plainArgs, ...notes.take(), ...outcome, nextTimeoutAt })
    }
    let result: unknown
    try {
      result = member.apply(
        ike,
        args.map((arg) => notes.watch(arg)),
      )
    } catch (error) {
      close({ result: null, threw: messageOf(error) })
      throw error
    }
    close({ result: encodePlain(result) })
    return result
  }
}

/** What happens beside a call while it runs. */
class Notes {
  entropy: RecordedDraw[] = []
  answers: Plain[] = []
  xfrm: RecordedXfrmCall[] = []

  clear(): void {
    this.entropy = []
    this.answers = []
    this.xfrm = []
  }

  take(): Pick<RecordedStep, 'entropy' | 'answers' | 'xfrm'> {
    return { entropy: this.entropy, answers: this.answers, xfrm: this.xfrm }
  }

  watchRandom(random: RandomSource): RandomSource {
    return (length, purpose) => {
      const octets = random(length, purpose)
      this.entropy.push({ purpose, octets: toHex(octets) })
      return octets
    }
  }

  /** A function whose answers are noted, in place of one; anything else as it is. */
  watch(arg: unknown): unknown {
    if (typeof arg !== 'function') return arg
    return (...asked: unknown[]) => {
      const answer = arg(...asked)
      this.answers.push(encodePlain(answer))
      return answer
    }
  }
}

/** Key material of a state, which the entropy holds already. */
const keyFields = ['key', 'salt']

/** A port that tells of every call, whatever verbs there are. */
function watchXfrm(port: XfrmPort, note: (call: RecordedXfrmCall) => void): XfrmPort {
  return new Proxy(port, {
    get(_, name) {
      const member = Reflect.get(port, name, port)
      if (typeof member !== 'function' || typeof name === 'symbol') return member
      return (...args: unknown[]) => {
        const call = { verb: name, about: encodePlain(args, keyFields) }
        try {
          const result = member.apply(port, args)
          note(result === undefined ? call : { ...call, result: encodePlain(result) })
          return result
        } catch (error) {
          note({ ...call, threw: messageOf(error) })
          throw error
        }
      }
    },
  })
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
