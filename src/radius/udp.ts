import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { formatIp, parseIp, type SocketAddress } from '../ip/address.ts'
import { RadiusClient, type RadiusClientOptions, type RadiusOutcome, type RadiusRequest } from './client.ts'
import { type DisconnectServer, isAcknowledgement } from './disconnect-server.ts'

/** A `RadiusClient` on UDP sockets and the clock of Node; one socket for each family of addresses, opened when it is needed. */
export class UdpRadiusClient {
  readonly #client: RadiusClient
  readonly #servers: RadiusClientOptions['servers']
  readonly #sockets = new Map<4 | 16, Socket>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: Omit<RadiusClientOptions, 'send'>) {
    this.#servers = options.servers
    this.#client = new RadiusClient({ ...options, send: (octets, to) => this.#send(octets, to) })
  }

  /** Never rejects. */
  readonly ask = (request: RadiusRequest): Promise<RadiusOutcome> =>
    new Promise((resolve) => {
      this.#client.request(request, performance.now(), resolve)
      this.#arm()
    })

  /** The secret of a server by its number. */
  readonly secretOf = (server: number): Uint8Array => this.#servers[server]!.secret

  close(): void {
    clearTimeout(this.#timer)
    this.#client.close()
    for (const socket of this.#sockets.values()) socket.close()
    this.#sockets.clear()
  }

  #send(octets: Uint8Array, to: SocketAddress): void {
    // What cannot be sent (no route, nobody at the port) is like what is lost: the retransmissions and the next server help.
    this.#socketFor(to).send(octets, to.port, formatIp(to.address), () => {})
  }

  #socketFor({ address }: SocketAddress): Socket {
    const family = address.length === 4 ? 4 : 16
    const open = this.#sockets.get(family)
    if (open !== undefined) return open
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6')
    socket.on('message', (octets, from) => {
      this.#client.receive(octets, { address: parseIp(withoutZone(from.address)), port: from.port })
      this.#arm()
    })
    socket.on('error', () => {})
    // An idle socket does not keep a process alive; while an answer is missing, the timer does.
    socket.unref()
    this.#sockets.set(family, socket)
    return socket
  }

  #arm(): void {
    clearTimeout(this.#timer)
    const next = this.#client.next()
    if (next === undefined) return
    this.#timer = setTimeout(
      () => {
        this.#client.due(performance.now())
        this.#arm()
      },
      Math.max(0, next - performance.now()),
    )
  }
}

/** What listens, until it is closed. */
export interface DisconnectListener {
  readonly port: number
  close(): void
}

/** Serves Disconnect-Requests at `at`; port 3799 is RADIUS's own. Rejects when the port is taken. The caller closes the socket. */
export async function listenForDisconnect(server: DisconnectServer, at: SocketAddress): Promise<Socket> {
  const socket = createSocket(at.address.length === 4 ? 'udp4' : 'udp6')
  await serve(socket, [server], at)
  return socket
}

/** The same for several that share an address: whichever has the session answers. A socket that is idle keeps no process alive. */
export async function listenForDisconnects(
  servers: readonly DisconnectServer[],
  at: SocketAddress,
): Promise<DisconnectListener> {
  const socket = createSocket(at.address.length === 4 ? 'udp4' : 'udp6')
  await serve(socket, servers, at)
  socket.unref()
  return { port: socket.address().port, close: () => socket.close() }
}

async function serve(socket: Socket, servers: readonly DisconnectServer[], at: SocketAddress): Promise<void> {
  socket.on('message', (octets, { address, port }) => {
    const from = { address: parseIp(withoutZone(address)), port }
    const answers = servers.flatMap((server) => server.receive(octets, from) ?? [])
    const answer = answers.find(([code]) => isAcknowledgement(code!)) ?? answers[0]
    if (answer !== undefined) socket.send(answer, port, address, () => {})
  })
  socket.bind(at.port, formatIp(at.address))
  await once(socket, 'listening')
  // Later ones are of single datagrams.
  socket.on('error', () => {})
}

const withoutZone = (address: string): string => address.split('%')[0]!
