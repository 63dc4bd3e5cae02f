import type { Dice } from '../../src/testing/hostile-dice.ts'
import type { Counters } from './counters.ts'
import type { SharedInput } from './shared-input.ts'
import type { Target } from './target.ts'

/** Longer inputs cost time and find nothing that shorter ones do not. */
const MOST_BYTES = 4096
/** An input that takes longer, twice, counts as a crash: it is far above what the slowest honest one takes. */
const MOST_MS = 1000
/** Room for the features of 65,536 counters and as many situations. */
const FEATURES = 2 * 8 * 0x1_0000
/** A corpus that is replayed in tests leaves out what takes so many times the usual time. */
const SLOW = 4
/** Lately found inputs get half of the attention. */
const LATEST = 32

interface Entry {
  readonly input: Uint8Array
  readonly features: readonly number[]
  /** Features of which this is the smallest input. */
  best: number
  readonly ms: number
}

/** What a property said of an input. */
export interface Crash {
  readonly input: Uint8Array
  readonly error: Error
}

/** Keeps the inputs that do something new, and changes them to find more. */
export class Engine {
  readonly target: Target
  executions = 0
  readonly crashes: Crash[] = []
  readonly #counters: Counters
  readonly #dice: Dice
  readonly #shared: SharedInput
  readonly #entries: Entry[] = []
  /** The smallest input of each feature: an array, because this is asked some thousand times for each input. */
  readonly #best: (Entry | undefined)[] = new Array(FEATURES)
  readonly #known = new Set<number>()
  readonly #kinds = new Set<string>()
  #kept = 500

  constructor(target: Target, counters: Counters, dice: Dice, shared: SharedInput) {
    this.target = target
    this.#counters = counters
    this.#dice = dice
    this.#shared = shared
  }

  get features(): ReadonlySet<number> {
    return this.#known
  }

  get corpusSize(): number {
    this.#dropIdle()
    return this.#entries.length
  }

  /** Runs an input and keeps it when it does something new, or something known in much fewer octets. */
  add(input: Uint8Array): boolean {
    const begin = performance.now()
    const features = this.#run(input)
    if (features === undefined) return false
    const entry: Entry = { input, features, best: 0, ms: performance.now() - begin }
    let isNew = false
    for (const feature of features) {
      const known = this.#best[feature]
      if (known === undefined) {
        isNew = true
        this.#known.add(feature)
      } else if (input.length > known.input.length / 2) continue
      else known.best--
      this.#best[feature] = entry
      entry.best++
    }
    if (entry.best > 0) this.#entries.push(entry)
    if (this.#entries.length > 2 * this.#kept) this.#dropIdle()
    return isNew
  }

  /** Entries that are best at nothing any more. */
  #dropIdle(): void {
    const busy = this.#entries.filter(({ best }) => best > 0)
    this.#entries.splice(0, this.#entries.length, ...busy)
    this.#kept = Math.max(500, busy.length)
  }

  /** One changed input. */
  step(): void {
    const dice = this.#dice
    // Where everything crashes there is nothing to go on from.
    if (this.#entries.length === 0) return void this.add(dice.octets(dice.below(64)))
    const entry = this.#choose()
    const others = Array.from({ length: 2 }, () => dice.pick(this.#entries).input)
    let input = entry.input
    for (let more = true; more; more = dice.chance(30)) input = this.target.mutate(input, dice, others)
    this.add(input.length > MOST_BYTES ? input.slice(0, MOST_BYTES) : input)
  }

  /** The quicker of two: many inputs that do little find more than few that do much. */
  #choose(): Entry {
    const [one, other] = [this.#chooseAny(), this.#chooseAny()]
    return one.ms <= other.ms || this.#dice.chance(20) ? one : other
  }

  #chooseAny(): Entry {
    const dice = this.#dice
    for (let tries = 4; tries > 0; tries--) {
      const from = dice.chance(50) ? Math.max(0, this.#entries.length - LATEST) : 0
      const entry = this.#entries[from + dice.below(this.#entries.length - from)]!
      if (entry.best > 0) return entry
    }
    return dice.pick(this.#entries)
  }

  /** The features of an input; undefined when a property does not hold, which is noted. */
  #run(input: Uint8Array): number[] | undefined {
    this.executions++
    this.#counters.begin()
    const begin = performance.now()
    const error = this.#errorOf(input)
    if (error === undefined && performance.now() - begin > MOST_MS) {
      // Of the processor, which others may be busy with.
      const before = process.cpuUsage()
      this.#errorOf(input)
      const { user, system } = process.cpuUsage(before)
      const ms = Math.round((user + system) / 1000)
      if (ms > MOST_MS) this.#crashed({ input, error: new Error(`takes ${ms} ms`) })
    }
    if (error === undefined) return this.#counters.features()
    this.#crashed({ input, error })
    return undefined
  }

  #errorOf(input: Uint8Array): Error | undefined {
    this.#shared.set(input)
    try {
      this.target.run(input, this.#counters.note)
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
    return undefined
  }

  /** One crash of each kind is enough, made small. */
  #crashed(crash: Crash): void {
    const kind = kindOf(crash.error)
    if (this.#kinds.has(kind)) return
    this.#kinds.add(kind)
    this.crashes.push(this.#reduced(crash, kind))
  }

  #reduced(crash: Crash, kind: string): Crash {
    let smallest = crash
    for (let left = 2000, smaller = true; smaller && left > 0; ) {
      smaller = false
      for (const input of this.target.reduce(smallest.input)) {
        if (left-- === 0) break
        const error = this.#errorOf(input)
        if (error === undefined || kindOf(error) !== kind) continue
        smallest = { input, error }
        smaller = true
        break
      }
    }
    return smallest
  }

  /** As few inputs as do all that was seen, each made smaller where that loses nothing. Greedy: the rarest features first. Takes up to `mostMs`, or somewhat longer. */
  minimised(mostMs: number): Uint8Array[] {
    const until = performance.now() + mostMs
    const times = this.#entries.map(({ ms }) => ms).sort((a, b) => a - b)
    const tooSlow = SLOW * (times[times.length >>> 1] ?? 0)
    const holders = new Map<number, number>()
    for (const { features } of this.#entries)
      for (const feature of new Set(features)) holders.set(feature, (holders.get(feature) ?? 0) + 1)
    const rarestFirst = [...this.#known].sort((a, b) => holders.get(a)! - holders.get(b)! || a - b)
    const covered = new Set<number>()
    const kept: Uint8Array[] = []
    for (const feature of rarestFirst) {
      if (covered.has(feature)) continue
      const entry = this.#best[feature]!
      if (entry.ms > tooSlow) continue
      const mine = new Set(entry.features.filter((one) => !covered.has(one)))
      const input = performance.now() < until ? this.#shrunk(entry.input, mine) : entry.input
      kept.push(input)
      for (const one of this.#featuresOf(input)) covered.add(one)
    }
    return kept
  }

  #shrunk(input: Uint8Array, needed: ReadonlySet<number>): Uint8Array {
    let smallest = input
    for (let left = 60, smaller = true; smaller && left > 0; ) {
      smaller = false
      for (const shorter of this.target.reduce(smallest)) {
        if (left-- === 0) break
        const features = new Set(this.#featuresOf(shorter))
        if (![...needed].every((feature) => features.has(feature))) continue
        smallest = shorter
        smaller = true
        break
      }
    }
    return smallest
  }

  #featuresOf(input: Uint8Array): number[] {
    this.#counters.begin()
    return this.#errorOf(input) === undefined ? this.#counters.features() : []
  }
}

/** Two crashes are one kind when they say the same, numbers and octets aside. */
const kindOf = (error: Error): string =>
  `${error.name}: ${error.message}`.replaceAll(/(0x)?[0-9a-f]*\d[0-9a-f]*/g, 'n').slice(0, 200)
