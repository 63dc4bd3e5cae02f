import { parseArgs } from 'node:util'
import { targets } from './targets/index.ts'

export interface Options {
  readonly targets: readonly string[]
  readonly ms: number
  readonly seed: number
  /** A file with one input, to be run once. */
  readonly replay: string | undefined
  /** Write the corpus, as small as it goes, when the time is over. */
  readonly save: boolean
  /** Show coverage by file, and the situations that were met. */
  readonly details: boolean
}

const usage = `npm run fuzz -- [TARGET...] [--minutes N | --seconds N] [--seed N] [--save] [--details]
npm run fuzz -- TARGET --replay FILE
targets: ${targets.map(({ name }) => name).join(', ')}`

/** Reads the command line; ends the process with code 2 when it is wrong. */
export function parseOptions(args: readonly string[]): Options {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        minutes: { type: 'string' },
        seconds: { type: 'string' },
        seed: { type: 'string' },
        replay: { type: 'string' },
        save: { type: 'boolean', default: false },
        details: { type: 'boolean', default: false },
      },
    })
    const { replay, save, details } = values
    const named = positionals.length > 0 ? positionals : targets.map(({ name }) => name)
    const unknown = named.find((name) => !targets.some((target) => target.name === name))
    if (unknown !== undefined) throw new Error(`there is no target ${unknown}`)
    if (replay !== undefined && named.length !== 1) throw new Error('--replay needs one target')
    const seconds = values.seconds === undefined ? 60 * number(values.minutes ?? '1') : number(values.seconds)
    const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : number(values.seed)
    return { targets: named, ms: 1000 * seconds, seed, replay, save, details }
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`)
    process.exit(2)
  }
}

function number(text: string): number {
  const value = Number(text)
  if (text === '' || !(value >= 0)) throw new Error(`"${text}" is no number`)
  return value
}
