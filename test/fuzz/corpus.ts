import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** What a target may take of the repository, and of the time of `npm test`. */
const MOST_FILE_BYTES = 40_000

const fileOf = (target: string): string => fileURLToPath(new URL(`./corpus/${target}.txt`, import.meta.url))

/** The committed inputs of a target: one a line, in base64. */
export function loadCorpus(target: string): Uint8Array[] {
  const file = fileOf(target)
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => new Uint8Array(Buffer.from(line, 'base64')))
}

/** The first inputs that fit the file, sorted by size, so that a change of the corpus is a small change of the file. */
export function saveCorpus(target: string, inputs: readonly Uint8Array[]): void {
  let room = MOST_FILE_BYTES
  const all = inputs.map((input) => Buffer.from(input).toString('base64'))
  const lines = all.filter((line) => {
    room -= line.length + 1
    return room >= 0
  })
  lines.sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
  writeFileSync(fileOf(target), `${lines.join('\n')}\n`)
}
