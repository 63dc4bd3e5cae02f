import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

interface CountedFile {
  readonly file: string
  readonly first: number
  readonly count: number
}

/** How often each branch of the instrumented sources was taken during an input. */
export class Counters {
  readonly #counters: Uint8Array
  readonly #words: Uint32Array
  readonly #situations = new Map<string, number>()
  #fresh: number[] = []
  readonly total: number
  readonly files: readonly CountedFile[]

  constructor(counters: Uint8Array, files: readonly CountedFile[]) {
    this.#counters = counters
    this.#words = new Uint32Array(counters.buffer)
    this.files = files
    this.total = files.reduce((sum, { count }) => sum + count, 0)
  }

  /** Forgets the counts of what ran before. */
  begin(): void {
    this.#counters.fill(0, 0, this.total)
    this.#fresh = []
  }

  readonly note = (situation: string): void => {
    let id = this.#situations.get(situation)
    if (id === undefined) {
      id = 8 * this.#counters.length + this.#situations.size
      this.#situations.set(situation, id)
    }
    this.#fresh.push(id)
  }

  /** What the input did: a number for each pair of branch and bucket, and for each situation. */
  features(): number[] {
    const features = this.#fresh
    const words = (this.total + 3) >>> 2
    for (let word = 0; word < words; word++) {
      if (this.#words[word] === 0) continue
      for (let at = word * 4; at < word * 4 + 4; at++) {
        const count = this.#counters[at]!
        if (count !== 0) features.push(at * 8 + bucketOf(count))
      }
    }
    return features
  }

  /** Branches that were taken at all: of those in `covers` and their number. */
  reached(covers: readonly string[], features: ReadonlySet<number>): { hit: number; all: number } {
    const taken = new Set([...features].map((feature) => Math.floor(feature / 8)))
    let hit = 0
    let all = 0
    for (const { file, first, count } of this.files) {
      if (!covers.some((cover) => file.startsWith(`src/${cover}`))) continue
      all += count
      for (let at = first; at < first + count; at++) if (taken.has(at)) hit++
    }
    return { hit, all }
  }

  get situations(): readonly string[] {
    return [...this.#situations.keys()].sort()
  }
}

/** 1, 2, 3, 4 to 7, 8 to 15, 16 to 31, 32 to 127, more: as in AFL. */
function bucketOf(count: number): number {
  if (count <= 3) return count - 1
  if (count < 8) return 3
  if (count < 16) return 4
  if (count < 32) return 5
  return count < 128 ? 6 : 7
}

/** The counters of this process' bundle, undefined when it was built without. */
export function loadCounters(): Counters {
  const counters = (globalThis as { fuzzCounters?: Uint8Array }).fuzzCounters
  if (counters === undefined) throw new Error('the sources are not instrumented: start it by `npm run fuzz`')
  const files = JSON.parse(readFileSync(join(dirname(process.argv[1]!), 'files.json'), 'utf8')) as CountedFile[]
  return new Counters(counters, files)
}
