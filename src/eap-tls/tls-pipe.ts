import { Duplex } from 'node:stream'
import { concat } from '../bytes/index.ts'

/** The wire of a TLS stack: what it writes is kept until it is taken, what it reads is what was pushed. */
export class TlsPipe extends Duplex {
  #written: Uint8Array[] = []
  /** Called whenever the stack writes. */
  readonly #onWrite: () => void

  constructor(onWrite: () => void) {
    super({ allowHalfOpen: true, emitClose: true })
    this.#onWrite = onWrite
  }

  /** Records that the stack has written since the last call. */
  takeWritten(): Uint8Array {
    const octets = concat(...this.#written)
    this.#written = []
    return octets
  }

  override _read(): void {}

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#written.push(Uint8Array.from(chunk))
    this.#onWrite()
    done()
  }
}
