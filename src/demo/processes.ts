import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A module beside this one, as Node.js can start it: built, or as written. */
export const moduleFile = (relative: string): string =>
  fileURLToPath(new URL(`${relative}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))

/** A process in a network namespace, whose lines are read as they come. */
export class NamespaceProcess {
  readonly #child: ChildProcess
  readonly #ended: Promise<number>
  /** Undefined while it runs. */
  exitCode: number | undefined
  /** Lines of standard output so far. */
  readonly lines: string[] = []
  /** The last lines of standard error, for messages about a failure. */
  readonly errorLines: string[] = []

  /** `onErrorLine` sees each line of standard error: the log of an endpoint. */
  constructor(namespace: string, command: readonly string[], onErrorLine: (line: string) => void = () => {}) {
    // `ip netns exec` becomes the command itself: signals and the exit code are the command's.
    const child = spawn('ip', ['netns', 'exec', namespace, ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    this.#ended = new Promise((resolve) => {
      child.once('error', () => resolve(1))
      child.once('close', (code) => resolve(code ?? 1))
    })
    this.#ended.then((code) => {
      this.exitCode = code
    })
    createInterface({ input: child.stdout }).on('line', (line) => this.lines.push(line))
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.errorLines.push(line)
      if (this.errorLines.length > 20) this.errorLines.shift()
      onErrorLine(line)
    })
  }

  /** Resolves with the exit code; kills the process after `timeoutMs`. */
  async end(timeoutMs: number): Promise<number> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), timeoutMs)
    const code = await this.#ended
    clearTimeout(timer)
    return code
  }

  /** Asks it to end, and kills it when it does not within `timeoutMs`. Resolves with the exit code. */
  async terminate(timeoutMs = 5_000): Promise<number> {
    this.#child.kill('SIGTERM')
    return this.end(timeoutMs)
  }
}
