import { PassThrough, type Writable } from 'node:stream'
import { Presets, SingleBar } from 'cli-progress'

/** Where a demo writes its text; the same shape as the command's terminal. */
export interface DemoOutput {
  out(text: string): void
  err(text: string): void
}

/** Writes the readable story, or nothing of it when the result is to be one JSON object. */
export class Narrator {
  readonly #output: DemoOutput
  readonly #silent: boolean

  constructor(output: DemoOutput, silent: boolean) {
    this.#output = output
    this.#silent = silent
  }

  /** A heading with an empty line above. */
  title(text: string): void {
    this.say(`\n== ${text}`)
  }

  say(text: string): void {
    if (!this.#silent) this.#output.out(text)
  }

  /** A progress bar on standard error, if that is a terminal. `total` and the values given to it are packets or octets. */
  bar(unit: string, total: number): { update(value: number): void; stop(): void } {
    if (this.#silent) return { update: () => {}, stop: () => {} }
    // cli-progress draws on terminals only; the sink keeps a redirected stream free of control characters.
    const stream: Writable = process.stderr.isTTY ? process.stderr : new PassThrough().resume()
    const bar = new SingleBar(
      { stream, format: `{bar} {percentage}% {value}/{total} ${unit}`, hideCursor: true, fps: 10 },
      Presets.shades_classic,
    )
    bar.start(total, 0)
    return { update: (value) => bar.update(value), stop: () => bar.stop() }
  }
}
