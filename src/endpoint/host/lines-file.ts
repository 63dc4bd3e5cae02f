import { copyFileSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { readIfThere, writeFileAtomically } from '../../credentials/atomic-file.ts'
import { PlatformError } from '../../errors.ts'
import type { Log } from '../log.ts'
import { systemCode } from '../system-code.ts'

/** What a file of records is made of. */
export interface LinesFormat<T> {
  /** Stands in the first line, so that no other file is taken for it, for example `leases`. */
  readonly content: string
  /** A file of a later version is refused. */
  readonly version: number
  /** A record of what one line held; undefined when it is none. */
  readonly read: (value: unknown) => T | undefined
}

/** Changes are written together, this many ms after the first of them. */
const writeDelayMs = 1_000

/**
 * Records kept on disk as JSON, one in a line, below a line that says what they are. Each write makes a whole new file that takes the
 * old one's place, so that a crash at any moment loses the last second and no more.
 */
export class LinesFile<T> {
  readonly #path: string
  readonly #format: LinesFormat<T>
  readonly #log: Log
  readonly #delayMs: number
  #waiting: (() => Iterable<T>) | undefined
  #timer: NodeJS.Timeout | undefined
  #failed = false

  constructor(path: string, format: LinesFormat<T>, log: Log, delayMs = writeDelayMs) {
    this.#path = path
    this.#format = format
    this.#log = log
    this.#delayMs = delayMs
  }

  /**
   * The records of the file, none when there is no file yet. Lines that cannot be read are told to the log, and the whole file is kept
   * as it was under another name. Throws `PlatformError` when it cannot be read at all, is another kind of file or of a later version.
   */
  load(): T[] {
    const text = this.#read()
    if (text === undefined) return []
    const [head = '', ...lines] = text.split('\n')
    this.#checkHead(head)
    const records: T[] = []
    const broken: number[] = []
    lines.forEach((line, index) => {
      const record = line === '' ? undefined : this.#format.read(parseOrUndefined(line))
      if (record !== undefined) records.push(record)
      else if (line !== '') broken.push(index + 2)
    })
    // A whole file ends in a line end: without it, its end is missing.
    if (!text.endsWith('\n')) broken.push(lines.length + 1)
    if (broken.length > 0) this.#keepBroken(broken)
    return records
  }

  /** Writes what `records` gives, soon. The latest call counts. */
  schedule(records: () => Iterable<T>): void {
    this.#waiting = records
    this.#timer ??= setTimeout(() => this.flush(), this.#delayMs).unref()
  }

  /** Writes what waits. A failure is logged, and the next change tries again. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const waiting = this.#waiting
    if (waiting === undefined) return
    const { content, version } = this.#format
    const lines = [{ typeswan: content, version }, ...waiting()].map((record) => `${JSON.stringify(record)}\n`)
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 })
      writeFileAtomically(this.#path, lines.join(''))
      this.#waiting = undefined
      this.#failed = false
    } catch (error) {
      // Once, until it works again.
      const level = this.#failed ? 'debug' : 'error'
      this.#failed = true
      this.#log.write(level, this.#format.content, `cannot write ${this.#path} (${systemCode(error) || error})`)
    }
  }

  async close(): Promise<void> {
    this.flush()
  }

  #read(): string | undefined {
    try {
      return readIfThere(this.#path)
    } catch (error) {
      const problem = `cannot read ${this.#path} (${systemCode(error)})`
      throw new PlatformError('STATE_FILE', problem, 'see to its permissions, or name another file', { cause: error })
    }
  }

  #checkHead(line: string): void {
    const head = parseOrUndefined(line)
    const { content, version } = this.#format
    const fail = (problem: string, remedy: string): never => {
      throw new PlatformError('STATE_FILE', `${this.#path} ${problem}`, remedy)
    }
    const aside = 'it is left as it is: move it away, or name another file'
    if (!isRecord(head) || head.typeswan !== content || typeof head.version !== 'number') {
      fail(`does not begin as a file of ${content}`, aside)
    } else if (head.version > version) {
      fail(`was written by a later version of Typeswan (${head.version}, known is ${version})`, aside)
    }
  }

  #keepBroken(lines: readonly number[]): void {
    const copy = `${this.#path}.broken-${new Date().toISOString().replaceAll(':', '')}`
    copyFileSync(this.#path, copy)
    const shown = lines.slice(0, 5).join(', ') + (lines.length > 5 ? ', ...' : '')
    const text = `${this.#path} is damaged: ${lines.length} line(s) cannot be read (${shown}); the others are used, the file as it was is kept as ${copy}`
    this.#log.write('error', this.#format.content, text)
  }
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function parseOrUndefined(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
