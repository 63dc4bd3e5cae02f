import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { toHex } from '../bytes/index.ts'
import type { CryptoProvider } from '../crypto/provider.ts'
import type { AkaSubscriber } from '../eap/index.ts'
import { PlatformError } from '../errors.ts'
import { readIfThere, writeFileAtomically } from './atomic-file.ts'
import type { Companion } from './companion.ts'

/** Sequence numbers that an authentication centre has in hand when it writes: after a crash it goes on behind all of them. */
const reserved = 32 * 64

/**
 * Keeps the sequence numbers of EAP-AKA through restarts, in a file that is replaced as a whole. A USIM's number is written before the answer
 * that it is for leaves, so that nothing which was answered once is answered again after a crash; an authentication centre's ahead
 * of its vectors. Without the file neither answers. Several processes may have one: it is read anew each time, and no number in it goes
 * back; two that write in the very same millisecond may lose what one of them wrote. 3GPP TS 33.102 §6.3.
 */
export class SqnFile implements Companion {
  readonly #path: string
  readonly #crypto: CryptoProvider

  /** Reads and writes nothing yet. */
  constructor(path: string, crypto: CryptoProvider) {
    this.#path = path
    this.#crypto = crypto
  }

  /** Finds out at the start whether the file can be used. Throws `PlatformError`. */
  async open(): Promise<void> {
    this.#write(this.#read())
  }

  notice(): void {}

  async close(): Promise<void> {}

  /** The subscriber's side, which takes each number once. `sqn`: where the file has none. */
  usim(subscriber: AkaSubscriber): AkaSubscriber {
    return this.#kept('usim', subscriber, 0)
  }

  /** The operator's side. */
  authenticationCentre(subscriber: AkaSubscriber): AkaSubscriber {
    return this.#kept('auc', subscriber, reserved)
  }

  #kept(role: string, subscriber: AkaSubscriber, ahead: number): AkaSubscriber {
    const name = `${role} ${this.#nameOf(subscriber)}`
    const read = () => this.#read().get(name) ?? subscriber.sqn
    const raise = (number: number) => this.#raise(name, number)
    let last: number | undefined
    let written: number | undefined
    return {
      ...subscriber,
      get sqn() {
        // What is not ahead is what was used, by whichever process.
        if (ahead === 0) return read()
        written ??= read()
        last ??= written
        return last
      },
      set sqn(number) {
        if (number > (written ?? read()) || ahead === 0) written = raise(number + ahead)
        last = number
      },
    }
  }

  /** Another process may have come farther. Returns what stands there. */
  #raise(name: string, number: number): number {
    const numbers = this.#read()
    const highest = Math.max(number, numbers.get(name) ?? 0)
    this.#write(numbers.set(name, highest))
    return highest
  }

  /** Says nothing of the key. */
  #nameOf({ k, opc }: AkaSubscriber): string {
    return toHex(this.#crypto.hmac('sha256', k, opc).subarray(0, 8))
  }

  #read(): Map<string, number> {
    let text: string | undefined
    try {
      text = readIfThere(this.#path)
    } catch (cause) {
      throw this.#failed('read', cause)
    }
    if (text === undefined) return new Map()
    const numbers = numbersIn(text)
    if (numbers !== undefined) return numbers
    const remedy = 'remove it only if nobody can have recorded what was said under its numbers'
    throw new PlatformError('SQN_FILE', `${this.#path} is not a file of sequence numbers`, remedy)
  }

  #write(numbers: ReadonlyMap<string, number>): void {
    const text = `${JSON.stringify({ content: 'typeswan aka-sqn', version: 1, sqn: Object.fromEntries(numbers) })}\n`
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 })
      writeFileAtomically(this.#path, text)
    } catch (cause) {
      throw this.#failed('write', cause)
    }
  }

  #failed(verb: string, cause: unknown): PlatformError {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
    return new PlatformError('SQN_FILE', `cannot ${verb} ${this.#path} (${code})`, 'see to its permissions', { cause })
  }
}

function numbersIn(text: string): Map<string, number> | undefined {
  try {
    const value = JSON.parse(text) as { content?: unknown; version?: unknown; sqn?: unknown } | null
    if (value?.content !== 'typeswan aka-sqn' || value.version !== 1) return undefined
    const entries = Object.entries(value.sqn as object) as [string, unknown][]
    const isGood = entries.every(([, sqn]) => Number.isSafeInteger(sqn) && (sqn as number) >= 0)
    return isGood ? new Map(entries as [string, number][]) : undefined
  } catch {
    return undefined
  }
}
