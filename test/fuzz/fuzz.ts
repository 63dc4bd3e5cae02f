import { parentPort } from 'node:worker_threads'
import { Dice } from '../../src/testing/hostile-dice.ts'
import { loadCorpus, saveCorpus } from './corpus.ts'
import { type Counters, loadCounters } from './counters.ts'
import { Engine } from './engine.ts'
import type { Options } from './options.ts'
import { SharedInput } from './shared-input.ts'
import { targets } from './targets/index.ts'

export interface FuzzOrder {
  readonly target: string
  readonly options: Options
  readonly memory: SharedArrayBuffer
}

/** What the fuzzing thread tells. */
export type FuzzReport =
  | { readonly kind: 'crash'; readonly input: Uint8Array; readonly message: string }
  | { readonly kind: 'progress' | 'done'; readonly line: string; readonly executions: number; readonly details: string }

const PROGRESS_MS = 10_000
const CORPUS_MS = 60_000

/** Fuzzes one target until the time is over; runs in a thread of its own. */
export function fuzz({ target: name, options, memory }: FuzzOrder): void {
  const target = targets.find((one) => one.name === name)!
  const counters = loadCounters()
  const dice = new Dice(`${name} ${options.seed}`)
  const engine = new Engine(target, counters, dice, new SharedInput(memory))
  // A refusal is not worth its stack: taking one costs more than finding what is wrong.
  Error.stackTraceLimit = 0
  const begin = performance.now()
  for (const input of [...loadCorpus(name), ...target.seeds(dice)]) engine.add(input)
  const atStart = engine.corpusSize
  const fuzzBegin = performance.now()
  const startExecutions = engine.executions
  let perSecond = 0
  const measure = (): void => {
    const seconds = (performance.now() - fuzzBegin) / 1000
    perSecond = Math.round((engine.executions - startExecutions) / Math.max(seconds, 0.001))
  }
  const report = (kind: 'progress' | 'done'): void => {
    for (const { input, error } of engine.crashes.splice(0)) {
      parentPort!.postMessage({ kind: 'crash', input, message: error.message } satisfies FuzzReport)
    }
    const { hit, all } = counters.reached(target.covers, engine.features)
    const line =
      `${name}: ${engine.executions} executions, ${perSecond}/s, branches ${hit} of ${all} (${((100 * hit) / all).toFixed(1)} %), ` +
      `corpus ${engine.corpusSize} (${atStart} at the start)`
    const details = kind === 'done' && options.details ? detailsOf(engine, counters) : ''
    parentPort!.postMessage({ kind, line, executions: engine.executions, details } satisfies FuzzReport)
  }
  let reported = begin
  while (performance.now() - begin < options.ms) {
    for (let more = 50; more > 0; more--) engine.step()
    if (performance.now() - reported < PROGRESS_MS) continue
    reported = performance.now()
    measure()
    report('progress')
  }
  measure()
  if (options.save) saveCorpus(name, engine.minimised(CORPUS_MS))
  report('done')
}

function detailsOf({ features, target }: Engine, counters: Counters): string {
  const files = counters.files
    .map(({ file }) => ({ file, ...counters.reached([file.slice('src/'.length)], features) }))
    .filter(({ file, all }) => all > 0 && target.covers.some((cover) => file.startsWith(`src/${cover}`)))
    .map(({ file, hit, all }) => `${String(hit).padStart(5)} of ${String(all).padEnd(5)} ${file}`)
  return [...files.sort(), '', ...counters.situations].join('\n')
}
