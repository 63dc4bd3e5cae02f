import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type PskConnection, pskConnection } from '../../src/config/connection.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { Log, type LogEntry } from '../../src/endpoint/log.ts'
import type { IkeEvent } from '../../src/ike/events.ts'
import { answerIcmpEcho } from '../../src/ip/index.ts'
import { createMemoryTun } from '../../src/tap-tun/index.ts'
import type { TcpLimits } from '../../src/tcp-encap/index.ts'
import { eventsOf, loopback, ping, type Side, until } from './pair.ts'

const open: { close(): unknown }[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()))
})

const net = { west: '10.1.0.0/16', east: '10.2.0.0/16', south: '10.3.0.0/16' }
type Name = keyof typeof net

/** One side on loopback; `east` listens at TCP as well. */
async function start(us: Name, peer: Name, settings: Partial<PskConnection>, tcpLimits?: Partial<TcpLimits>) {
  const entries: LogEntry[] = []
  const events: IkeEvent[] = []
  const received: Uint8Array[] = []
  const tun = createMemoryTun()
  const connection = pskConnection({
    name: 'pair',
    psk: 'correct horse battery staple',
    localAddress: '127.0.0.1',
    localId: `${us}.example`,
    retransmit: { baseMs: 100, factor: 1.5, tries: 3 },
    children: [
      us === 'east'
        ? { name: 'net', localTs: [net.east], remoteTs: [net.west, net.south] }
        : { name: 'net', localTs: [net[us]], remoteTs: [net[peer]] },
    ],
    ...settings,
  })
  const endpoint = await Endpoint.start({
    connections: [connection],
    listen: { addresses: [loopback], ikePort: 0, natPort: 0, ...(us === 'east' ? { tcpPort: 0 } : {}) },
    tun,
    log: new Log((entry) => entries.push(entry), 'debug'),
    ...(tcpLimits === undefined ? {} : { tcpLimits }),
  })
  open.push(endpoint)
  endpoint.on('event', (event) => events.push(event))
  tun.onWritten((packet) => {
    const reply = answerIcmpEcho(packet)
    if (reply === undefined) received.push(packet)
    else tun.inject(reply)
  })
  return { endpoint, tun, events, entries, received }
}

const startEast = (tcpLimits?: Partial<TcpLimits>, settings: Partial<PskConnection> = {}) =>
  start('east', 'west', settings, tcpLimits)

/** Calls `east` over TCP at `port`; what answers UDP at the ports given is not IKE, so that UDP is blocked. */
const startCaller = (
  name: Name,
  port: number,
  settings: Partial<PskConnection> = {},
  mode: 'always' | 'fallback' = 'always',
) =>
  start(name, 'east', {
    remoteAddress: '127.0.0.1',
    remoteId: 'east.example',
    ...{ port: 9, natPort: 19 },
    tcp: { mode, port, afterMs: 150 },
    ...settings,
  })

/** A TCP relay that can cut what goes through it. */
async function startRelay(port: number): Promise<{ port: number; cut(): void; accepted: () => number }> {
  const sockets = new Set<Socket>()
  let accepted = 0
  const server: Server = createServer((near) => {
    accepted++
    const far = connect({ host: '127.0.0.1', port })
    for (const [a, b] of [[near, far] as const, [far, near] as const]) {
      sockets.add(a)
      a.pipe(b)
      a.on('error', () => b.destroy())
      a.on('close', () => b.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  open.push({
    close() {
      cut()
      server.close()
    },
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return { port: address.port, cut, accepted: () => accepted }
}

const tcpOf = ({ endpoint }: Side) => endpoint.status().tcp

describe('IKE and ESP in TCP', () => {
  it('sets up and carries traffic without any UDP', async () => {
    const east = await startEast()
    const west = await startCaller('west', east.endpoint.streams.port!)
    await west.endpoint.initiate('pair')
    expect(await ping(west, '10.1.0.1', '10.2.0.1')).toBeDefined()
    expect(await ping(east, '10.2.0.1', '10.1.0.1')).toBeDefined()
    const [sa] = west.endpoint.status().ikeSas
    expect(sa?.remote).toMatch(/\/tcp$/)
    expect(east.endpoint.status().udp.datagramsReceived + west.endpoint.status().udp.datagramsReceived).toBe(0)
    expect(eventsOf(west, 'retransmit')).toEqual([])
    await west.endpoint.close()
    await until(() => tcpOf(east).connections === 0)
    expect(eventsOf(east, 'ike-closed').map(({ reason }) => reason)).toEqual(['peer'])
  })

  it('falls back to TCP, with another SPI, when UDP is not answered', async () => {
    const east = await startEast()
    const west = await startCaller('west', east.endpoint.streams.port!, {}, 'fallback')
    const established = await west.endpoint.initiate('pair')
    expect(await ping(west, '10.1.0.1', '10.2.0.1')).toBeDefined()
    const sent = eventsOf(west, 'message').filter(
      ({ exchange, direction }) => exchange === 'IKE_SA_INIT' && direction === 'out',
    )
    expect(sent.map(({ remote }) => remote.tcp === true)).toEqual([false, true])
    expect(new Set(sent.map(({ sa }) => sa?.id))).toEqual(new Set([established.sa.id]))
    expect(eventsOf(west, 'ike-closed')).toEqual([])
  })

  it('stays in UDP where that is answered in time', async () => {
    const east = await startEast()
    const { ike: port, nat: natPort } = east.endpoint.paths.ports
    const west = await startCaller('west', east.endpoint.streams.port!, { port, natPort }, 'fallback')
    await west.endpoint.initiate('pair')
    await new Promise((resolve) => setTimeout(resolve, 250))
    expect(tcpOf(east).accepted).toBe(0)
    expect(await ping(west, '10.1.0.1', '10.2.0.1')).toBeDefined()
  })

  it.each([true, false])('opens another connection when one is cut, and loses no SA (MOBIKE: %s)', async (mobike) => {
    const east = await startEast({}, { mobike })
    const relay = await startRelay(east.endpoint.streams.port!)
    const west = await startCaller('west', relay.port, { mobike })
    await west.endpoint.initiate('pair')
    const spis = () => [...west.endpoint.xfrm.states()].map(({ spi }) => spi).sort()
    const before = spis()
    for (let round = 0; round < 3; round++) {
      relay.cut()
      await until(() => eventsOf(west, 'stream-opened').length === round + 2)
      await until(() => eventsOf(east, 'remote-moved').length === round + 1)
      expect(await ping(west, '10.1.0.1', '10.2.0.1')).toBeDefined()
      expect(await ping(east, '10.2.0.1', '10.1.0.1')).toBeDefined()
    }
    expect(spis()).toEqual(before)
    expect([...eventsOf(west, 'ike-closed'), ...eventsOf(east, 'ike-closed')]).toEqual([])
    expect(eventsOf(east, 'ike-established')).toHaveLength(1)
  })

  it('carries on over the new connection after the keys of IKE_SA and CHILD_SA were replaced', async () => {
    const east = await startEast()
    const relay = await startRelay(east.endpoint.streams.port!)
    const west = await startCaller('west', relay.port)
    await west.endpoint.initiate('pair')
    await west.endpoint.renew({ connection: 'pair' })
    expect(relay.accepted()).toBe(1)
    relay.cut()
    await until(() => relay.accepted() === 2)
    await west.endpoint.renew({ connection: 'pair', child: 'net' })
    expect(await ping(west, '10.1.0.1', '10.2.0.1')).toBeDefined()
    expect(await ping(east, '10.2.0.1', '10.1.0.1')).toBeDefined()
  })

  it('serves two clients behind one address, each on its own connection', async () => {
    const east = await startEast()
    const port = east.endpoint.streams.port!
    const [west, south] = [await startCaller('west', port), await startCaller('south', port)]
    await Promise.all([west.endpoint.initiate('pair'), south.endpoint.initiate('pair')])
    expect(await ping(west, '10.1.0.1', '10.2.0.1')).toBeDefined()
    expect(await ping(south, '10.3.0.1', '10.2.0.1')).toBeDefined()
    expect(await ping(east, '10.2.0.1', '10.1.0.1')).toBeDefined()
    expect(await ping(east, '10.2.0.1', '10.3.0.1')).toBeDefined()
    expect(tcpOf(east).connections).toBe(2)
  })

  it('says why there is no connection', async () => {
    const east = await startEast()
    const port = east.endpoint.streams.port!
    await east.endpoint.close()
    const west = await startCaller('west', port)
    await expect(west.endpoint.initiate('pair')).rejects.toThrow(
      /no TCP connection to 127\.0\.0\.1:\d+\/tcp.*ECONNREFUSED/,
    )
  })
})

describe('a hostile stream', () => {
  /** What comes back until the connection is closed, and after how many ms that was. */
  const send = (port: number, octets: Uint8Array | string) =>
    new Promise<{ bytes: number; afterMs: number }>((resolve) => {
      const from = performance.now()
      let bytes = 0
      const socket = connect({ host: '127.0.0.1', port }, () => socket.write(octets))
      open.push({ close: () => socket.destroy() })
      socket.on('data', (piece) => {
        bytes += piece.length
      })
      socket.on('error', () => {})
      socket.on('close', () => resolve({ bytes, afterMs: performance.now() - from }))
    })
  const prefix = Uint8Array.from(Buffer.from('IKETCP'))
  const stream = (...octets: number[]) => Uint8Array.of(...prefix, ...octets)

  it('is closed at once when it is not one', async () => {
    const east = await startEast()
    const port = east.endpoint.streams.port!
    for (const octets of ['GET / HTTP/1.1\r\n\r\n', stream(0, 0), stream(0, 1), stream(0, 3, 0xff, 0, 1)]) {
      const { bytes, afterMs } = await send(port, octets)
      expect(bytes).toBe(0)
      expect(afterMs).toBeLessThan(2_000)
    }
    expect(tcpOf(east).faults).toBe(4)
  })

  it('is closed when it never comes to an end, and when it says nothing', async () => {
    const east = await startEast({ strangerMs: 300 })
    const port = east.endpoint.streams.port!
    const endless = send(port, stream(0xff, 0xff, ...new Uint8Array(500)))
    const silent = send(port, '')
    const slow = send(port, 'IKE')
    for (const { bytes, afterMs } of await Promise.all([endless, silent, slow])) {
      expect(bytes).toBe(0)
      expect(afterMs).toBeLessThan(4_000)
    }
    await until(() => tcpOf(east).connections === 0)
  })

  it('is closed when it carries nothing that can be opened', async () => {
    const east = await startEast({ badMessages: 8 })
    const esp = [0, 18, 0xc0, 0, 0, 9, ...new Uint8Array(12)]
    const { afterMs } = await send(east.endpoint.streams.port!, stream(...Array.from({ length: 9 }, () => esp).flat()))
    expect(afterMs).toBeLessThan(2_000)
    expect(tcpOf(east).faults).toBe(1)
  })

  it('is one of a few, and leaves room for the peer', async () => {
    const east = await startEast({ strangers: 4, strangersPerAddress: 3 })
    const port = east.endpoint.streams.port!
    const many = Array.from({ length: 12 }, () => send(port, prefix))
    await Promise.race(many)
    await until(() => tcpOf(east).refused === 9)
    expect(tcpOf(east).connections).toBe(3)
  })
})
