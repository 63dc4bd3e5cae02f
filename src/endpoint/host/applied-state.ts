import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { readIfThere, writeFileAtomically } from '../../credentials/atomic-file.ts'
import type { Log } from '../log.ts'
import { systemCode } from '../system-code.ts'
import { isRecord } from './lines-file.ts'

/** Something done to the machine that would stay there if this process were killed. Plain JSON. */
export type AppliedChange =
  | {
      readonly kind: 'dns'
      readonly backend: string
      readonly device: string
      readonly serversFile?: string
      readonly pidFile?: string
    }
  | { readonly kind: 'firewall'; readonly tool: string; readonly device: string }
  /** `words`: the arguments of `ip` that take a rule or route back. */
  | { readonly kind: 'ip'; readonly device: string; readonly words: readonly string[] }

const version = 1

/**
 * What this process did to the machine, in a file named by its process id: written before it is done and gone when it is taken back.
 * The next endpoint takes back what a killed one left. Problems are logged, and hinder nothing.
 */
export class AppliedState {
  readonly #folder: string
  readonly #path: string
  readonly #log: Log
  readonly #changes = new Map<string, AppliedChange>()

  constructor(folder: string, log: Log) {
    this.#folder = folder
    this.#path = join(folder, `applied-${process.pid}.json`)
    this.#log = log
  }

  /** Notes a change that is about to be made. */
  note(change: AppliedChange): void {
    const key = keyOf(change)
    if (this.#changes.has(key)) return
    this.#changes.set(key, change)
    this.#write()
  }

  /** The change was taken back. */
  forget(change: AppliedChange): void {
    if (this.#changes.delete(keyOf(change))) this.#write()
  }

  /** Takes back, through `undo`, what endpoints did that do not run any more. */
  async cleanUp(undo: (change: AppliedChange) => Promise<void>): Promise<void> {
    for (const name of this.#names()) {
      const path = join(this.#folder, name)
      const left = this.#readLeft(path)
      if (left === undefined) continue
      for (const change of left) {
        this.#log.write('info', 'host', `taking back what a killed endpoint left: ${describe(change)}`)
        await undo(change).catch((error: unknown) =>
          this.#log.write('warn', 'host', error instanceof Error ? error.message : String(error)),
        )
      }
      rmSync(path, { force: true })
    }
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder).filter((name) => /^applied-\d+\.json$/.test(name))
    } catch {
      return []
    }
  }

  /** The changes of an ended process; undefined while it runs, and where they cannot be taken back from here. */
  #readLeft(path: string): AppliedChange[] | undefined {
    try {
      const value: unknown = JSON.parse(readIfThere(path) ?? '{}')
      if (!isRecord(value) || value.version !== version) return []
      if (typeof value.pid === 'number' && startOf(value.pid) === value.started) return undefined
      // Of another network namespace: it can only be taken back there.
      if (value.network !== undefined && value.network !== networkNamespace()) return undefined
      return Array.isArray(value.changes) ? value.changes.filter(isChange) : []
    } catch (error) {
      this.#log.write('warn', 'host', `${path} cannot be read (${systemCode(error) || 'not JSON'})`)
      return []
    }
  }

  #write(): void {
    try {
      if (this.#changes.size === 0) return rmSync(this.#path, { force: true })
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
      const { pid } = process
      const changes = [...this.#changes.values()]
      const value = { version, pid, started: startOf(pid), network: networkNamespace(), changes }
      writeFileAtomically(this.#path, `${JSON.stringify(value)}\n`)
    } catch (error) {
      this.#log.write(
        'warn',
        'host',
        `cannot write ${this.#path} (${systemCode(error)}): a crash would leave things behind`,
      )
    }
  }
}

const keyOf = (change: AppliedChange) =>
  `${change.kind} ${change.device}${change.kind === 'ip' ? ` ${change.words.join(' ')}` : ''}`

function describe(change: AppliedChange): string {
  if (change.kind === 'ip') return `ip ${change.words.join(' ')}`
  return change.kind === 'dns'
    ? `name servers of ${change.device} (${change.backend})`
    : `firewall rules for ${change.device} (${change.tool})`
}

function isChange(value: unknown): value is AppliedChange {
  if (!isRecord(value) || typeof value.device !== 'string' || !/^[A-Za-z0-9_.-]{1,15}$/.test(value.device)) return false
  if (value.kind === 'ip') return isUndoing(value.words)
  return value.kind === 'dns' ? typeof value.backend === 'string' : value.kind === 'firewall'
}

/** A deletion of a rule or route, and nothing else. */
const isUndoing = (words: unknown): words is string[] =>
  Array.isArray(words) &&
  words.every((word) => typeof word === 'string' && /^(-[46]|[a-z0-9][A-Za-z0-9_.:/-]*)$/.test(word)) &&
  ['-4', '-6'].includes(words[0]) &&
  ['rule', 'route'].includes(words[1]) &&
  words[2] === 'del'

/** For example `net:[4026531840]`. Undefined where there are none. */
function networkNamespace(): string | undefined {
  try {
    return readlinkSync('/proc/self/ns/net')
  } catch {
    return undefined
  }
}

/** When the process began, in the kernel's ticks since boot: with it a process id names one process. Undefined without one. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name of the command stands in brackets and may hold anything; the start is the 20th word behind it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}
