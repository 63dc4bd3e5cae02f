import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { isMainThread } from 'node:worker_threads'
import { PeerError, PlatformError, UsageError } from '../errors.ts'
import { type ControlResponse, maxRequestBytes, maxSocketPathBytes } from './control-protocol.ts'
import { systemCode } from './system-code.ts'

/** Answers one command; what it returns or resolves to becomes `result`. `request` is the whole request object. */
export type ControlHandler = (request: Readonly<Record<string, unknown>>) => unknown
export type ControlHandlers = Readonly<Record<string, ControlHandler>>

const maxConnections = 16
const idleMs = 30_000

/** The listening side of the control socket, mode 0600. Nothing that a client sends can make it throw. */
export class ControlServer {
  readonly path: string
  readonly #server: Server
  readonly #clients = new Set<Socket>()

  private constructor(path: string, server: Server) {
    this.path = path
    this.#server = server
  }

  /**
   * Listens on `path`. A socket file that nobody answers on is replaced. Throws `PlatformError` when another endpoint
   * answers there, when the path is not a socket, or when it cannot be made.
   */
  static async listen(path: string, handlers: ControlHandlers): Promise<ControlServer> {
    await clearStaleSocket(path)
    // A client may end its side behind its request and still read the answer.
    const server = createServer({ allowHalfOpen: true })
    const control = new ControlServer(path, server)
    server.maxConnections = maxConnections
    server.on('connection', (socket) => control.#serve(socket, handlers))
    await listening(server, path)
    chmodSync(path, 0o600)
    server.unref()
    return control
  }

  /** Ends all connections and removes the socket file. */
  async close(): Promise<void> {
    for (const client of this.#clients) client.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #serve(socket: Socket, handlers: ControlHandlers): void {
    this.#clients.add(socket)
    socket.on('close', () => this.#clients.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.setTimeout(idleMs, () => socket.destroy())
    const reply = (response: ControlResponse) => {
      if (socket.writable) socket.write(`${JSON.stringify(response)}\n`)
    }
    const lines = new LineSplitter(maxRequestBytes)
    let queue = Promise.resolve()
    socket.on('end', () => {
      queue = queue.then(() => {
        socket.end()
      })
    })
    socket.on('data', (chunk) => {
      const complete = lines.push(chunk)
      // Answers keep the order of the requests, even when one of them takes longer.
      for (const line of complete) queue = queue.then(() => answer(line, handlers)).then(reply)
      if (!lines.overflow) return
      socket.pause()
      queue = queue.then(() => {
        reply(refused('REQUEST_TOO_LARGE', `a request has at most ${maxRequestBytes} octets`))
        socket.end()
      })
    })
  }
}

/** Cuts a stream into lines of at most `limit` octets. */
class LineSplitter {
  /** A line grew beyond the limit; nothing more is taken. */
  overflow = false
  readonly #limit: number
  #parts: Buffer[] = []
  #bytes = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  push(chunk: Buffer): string[] {
    const lines: string[] = []
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0 && !this.overflow; end = chunk.indexOf(10, start)) {
      this.#keep(chunk.subarray(start, end))
      if (!this.overflow) lines.push(Buffer.concat(this.#parts).toString('utf8'))
      this.#parts = []
      this.#bytes = 0
      start = end + 1
    }
    if (!this.overflow) this.#keep(chunk.subarray(start))
    return lines
  }

  #keep(part: Buffer): void {
    this.#bytes += part.length
    this.overflow = this.#bytes >= this.#limit
    if (!this.overflow) this.#parts.push(part)
  }
}

async function answer(line: string, handlers: ControlHandlers): Promise<ControlResponse> {
  const request = parseRequest(line)
  if (request === undefined) return refused('BAD_REQUEST', 'a request is one JSON object with a "command", on one line')
  const command = request.command
  const handler = typeof command === 'string' && Object.hasOwn(handlers, command) ? handlers[command] : undefined
  if (handler === undefined) {
    const known = Object.keys(handlers).join(', ')
    return refused('UNKNOWN_COMMAND', `unknown command ${JSON.stringify(command)}; known: ${known}`)
  }
  try {
    return { result: await handler(request) }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    if (error instanceof UsageError) return refused('BAD_REQUEST', message)
    if (error instanceof PeerError || error instanceof PlatformError) return refused('FAILED', message)
    return refused('INTERNAL', message)
  }
}

function parseRequest(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && 'command' in value ? { ...value } : undefined
  } catch {
    return undefined
  }
}

const refused = (code: string, message: string): ControlResponse => ({ error: { code, message } })

async function clearStaleSocket(path: string): Promise<void> {
  const bytes = Buffer.byteLength(path)
  if (bytes > maxSocketPathBytes)
    throw new PlatformError(
      'CONTROL_PATH',
      `control socket ${path}`,
      `its path has ${bytes} octets, the system allows ${maxSocketPathBytes}; choose a shorter one`,
    )
  let isSocket: boolean
  try {
    isSocket = lstatSync(path).isSocket()
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw unusable(path, error)
  }
  if (!isSocket)
    throw new PlatformError(
      'CONTROL_PATH',
      `control socket ${path}`,
      'something that is not a socket has this name; move it away or choose another path',
    )
  if (await isAnswered(path))
    throw new PlatformError(
      'ALREADY_RUNNING',
      `another endpoint answers on ${path}`,
      'end it first, or give this one another control path',
    )
  try {
    unlinkSync(path)
  } catch (error) {
    throw unusable(path, error)
  }
}

/** Whether a process accepts connections on the socket `path`. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    // EACCES means that somebody else's endpoint is there, EAGAIN that its backlog is full: only a refusal proves that it is dead.
    probe.once('error', (error) => resolve(systemCode(error) !== 'ECONNREFUSED' && systemCode(error) !== 'ENOENT'))
  })
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(unusable(path, error)))
    withoutOthers(() => server.listen(path, () => resolve()))
  })
}

/** Files that `make` creates belong to their owner alone from the first moment: `chmod` would come after a stranger's connect. */
function withoutOthers(make: () => void): void {
  // The mask is the whole process', and a worker thread may not set it; there `chmod` has to do.
  const before = isMainThread ? process.umask(0o177) : undefined
  try {
    make()
  } finally {
    if (before !== undefined) process.umask(before)
  }
}

function unusable(path: string, cause: unknown): PlatformError {
  const reason = systemCode(cause) || String(cause)
  return new PlatformError(
    'CONTROL_PATH',
    `control socket ${path} cannot be made (${reason})`,
    'give a path in a directory that you may write to',
    { cause },
  )
}
