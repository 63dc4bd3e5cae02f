import type { Socket } from 'node:net'
import { connect, createServer, type SecureContext, type SecureContextOptions, type TLSSocket } from 'node:tls'
import { concat } from '../bytes/index.ts'
import type { TlsVersion } from './options.ts'
import { alertMeaning, alertName, plainAlert, receivedAlert } from './tls-alerts.ts'
import { TlsPipe } from './tls-pipe.ts'

/** One end of a TLS session. `requestCertificate`: a server asks for the client's. */
export type TlsEnd =
  | { readonly role: 'client'; readonly context: SecureContext }
  | { readonly role: 'server'; readonly settings: SecureContextOptions; readonly requestCertificate: boolean }

/**
 * Node's TLS as a function of records: octets of the other side in, octets for it out, no socket. A failed session does not
 * throw: `failure` says why, and `takeRecords` gives the alert for the other side where the stack has made one.
 */
export class TlsEngine {
  readonly #role: 'client' | 'server'
  readonly #pipe: TlsPipe
  #socket: TLSSocket | undefined
  #established = false
  #failure: string | undefined
  #closed = false
  #destroyed = false
  #heard: Uint8Array[] = []
  /** Counts everything that the stack does. */
  #events = 0

  constructor(end: TlsEnd) {
    this.#role = end.role
    this.#pipe = new TlsPipe(() => this.#events++)
    this.#pipe.on('error', (error) => this.#fail(error))
    if (end.role === 'client') this.#connect(end.context)
    else this.#accept(end.settings, end.requestCertificate)
  }

  /** The handshake is done. The certificate of the other side is not judged yet. */
  get established(): boolean {
    return this.#established
  }

  /** Why the session is over, one sentence for the log. */
  get failure(): string | undefined {
    if (this.#failure === undefined && this.#closed) return `the ${this.#other} closed the TLS session`
    return this.#failure
  }

  /** For the established session: certificate of the other side and keys. */
  get socket(): TLSSocket {
    return this.#socket!
  }

  /** Undefined before the session is established. */
  get version(): TlsVersion | undefined {
    const protocol = this.#established ? this.#socket?.getProtocol() : undefined
    return protocol === 'TLSv1.3' ? '1.3' : protocol === 'TLSv1.2' ? '1.2' : undefined
  }

  /** Gives the stack what the other side sent, and waits until it has done all it can with it. */
  async feed(records: Uint8Array): Promise<void> {
    if (this.#destroyed) return
    if (records.length > 0) this.#pipe.push(records)
    await this.#quiet()
  }

  /** Encrypts application data for the other side. */
  async write(data: Uint8Array): Promise<void> {
    if (this.#destroyed || this.#socket === undefined) return
    this.#socket.write(data)
    await this.#quiet()
  }

  /** Records for the other side. */
  takeRecords(): Uint8Array {
    const records = this.#pipe.takeWritten()
    const alert = plainAlert(records)
    if (alert !== undefined && this.#failure !== undefined) this.#failure += `; the alert ${alertName(alert)} says so`
    return records
  }

  /** Application data of the other side. */
  takeData(): Uint8Array {
    const data = concat(...this.#heard)
    this.#heard = []
    return data
  }

  /** Exported keying material of the established session, `length` octets, owned by the caller. RFC 5705, RFC 8446 §7.5. */
  exportKey(label: string, length: number, context?: Uint8Array): Uint8Array {
    // Under TLS 1.2 no context is another thing than an empty one. RFC 5705 §4.
    const exporter = this.#socket!.exportKeyingMaterial.bind(this.#socket!) as (
      length: number,
      label: string,
      context?: Buffer,
    ) => Buffer
    const material = context === undefined ? exporter(length, label) : exporter(length, label, Buffer.from(context))
    const copy = Uint8Array.from(material)
    material.fill(0)
    return copy
  }

  /** Ends the session without a word and lets go of everything. */
  destroy(): void {
    this.#destroyed = true
    this.#socket?.destroy()
    this.#pipe.destroy()
    for (const data of this.#heard) data.fill(0)
    this.#heard = []
  }

  get #other(): string {
    return this.#role === 'client' ? 'server' : 'peer'
  }

  #connect(context: SecureContext): void {
    const socket = connect({
      // Node takes any Duplex here; its declarations say Socket.
      socket: this.#pipe as unknown as Socket,
      secureContext: context,
      // Judged where it can be explained; nothing is sent inside before that.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      servername: '',
    })
    this.#watch(socket)
    socket.on('secureConnect', () => this.#open(socket))
  }

  // A server that never listens: only it makes Node judge the client's chain (`authorized`).
  #accept(settings: SecureContextOptions, requestCert: boolean): void {
    const server = createServer({ ...settings, requestCert, rejectUnauthorized: false })
    server.on('secureConnection', (socket) => {
      this.#watch(socket)
      this.#open(socket)
    })
    server.on('tlsClientError', (error) => this.#fail(error))
    server.emit('connection', this.#pipe)
  }

  #watch(socket: TLSSocket): void {
    this.#socket = socket
    socket.on('data', (data: Uint8Array) => {
      this.#events++
      this.#heard.push(Uint8Array.from(data))
    })
    socket.on('error', (error) => this.#fail(error))
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.#events++
        this.#closed = true
      })
    }
  }

  #open(socket: TLSSocket): void {
    this.#events++
    socket.disableRenegotiation()
    this.#established = true
  }

  #fail(error: unknown): void {
    this.#events++
    if (this.#destroyed) return
    this.#failure ??= describe(error, this.#other)
  }

  // The stack works in callbacks of the event loop only, some turns long; no thread and no timer is in it. So when nothing has come of
  // it for a number of turns, nothing will.
  async #quiet(): Promise<void> {
    let last = this.#events
    for (let idle = 0; idle < quietTurns && !this.#destroyed; idle++) {
      await new Promise<void>((resolve) => setImmediate(resolve))
      if (this.#events === last) continue
      last = this.#events
      idle = -1
    }
  }
}

/** Turns of the event loop. From input to output Node's stream of a TLS socket takes two, and one more for each 16 KiB. */
const quietTurns = 8

function describe(error: unknown, other: string): string {
  const alert = receivedAlert(error)
  if (alert !== undefined)
    return `the ${other} refused us with the TLS alert ${alertName(alert)}: ${alertMeaning(alert)}`
  if (!(error instanceof Error)) return `TLS failed here: ${String(error)}`
  const reason = 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message
  return `TLS failed here: ${reason}`
}
