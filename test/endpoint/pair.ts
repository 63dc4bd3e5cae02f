import { type PskConnection, pskConnection } from '../../src/config/connection.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { Log, type LogEntry } from '../../src/endpoint/log.ts'
import type { EndpointOptions } from '../../src/endpoint/options.ts'
import type { IkeEvent } from '../../src/ike/events.ts'
import { answerIcmpEcho, buildIcmpEcho, parseIp } from '../../src/ip/index.ts'
import { createMemoryTun, type MemoryTun } from '../../src/tap-tun/index.ts'

export const loopback = parseIp('127.0.0.1')

/** One of two endpoints on loopback with what it saw. */
export interface Side {
  readonly endpoint: Endpoint
  readonly tun: MemoryTun
  readonly events: IkeEvent[]
  readonly entries: LogEntry[]
  /** Inner packets that came out of the tunnel. */
  readonly received: Uint8Array[]
}

export type Change = Partial<PskConnection> & Pick<EndpointOptions, 'probePath'>

/** Our side `west` (10.1.0.1, calls) and `east` (10.2.0.1, waits), over real UDP on 127.0.0.1 at ports that the system chose. */
export async function startPair(west: Change = {}, east: Change = {}): Promise<{ west: Side; east: Side }> {
  const eastSide = await startSide({ ...connectionOf('east', 'west'), ...east })
  const { ike: port, nat: natPort } = eastSide.endpoint.paths.ports
  const peer = { remoteAddress: '127.0.0.1', port, natPort }
  const westSide = await startSide({ ...connectionOf('west', 'east'), ...peer, ...west })
  return { west: westSide, east: eastSide }
}

/** Ends both sides at once, each as its owner would. */
export async function closePair(pair: { west: Side; east: Side }): Promise<void> {
  await Promise.all([pair.west.endpoint.close(), pair.east.endpoint.close()])
}

/** Sends a ping from one side's inner address to the other's and resolves to the reply; undefined after `timeoutMs`. */
export async function ping(
  from: Side,
  source: string,
  destination: string,
  timeoutMs = 2_000,
): Promise<Uint8Array | undefined> {
  const seen = from.received.length
  const addresses = { source: parseIp(source), destination: parseIp(destination) }
  from.tun.inject(buildIcmpEcho('request', { ...addresses, identifier: 7, sequence: 1, data: new Uint8Array(56) }))
  await until(() => from.received.length > seen, timeoutMs).catch(() => undefined)
  return from.received[seen]
}

/** Resolves when `condition` holds; rejects after `timeoutMs`. */
export async function until(condition: () => boolean, timeoutMs = 5_000): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > end) throw new Error('it did not come about in time')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export function eventsOf<K extends IkeEvent['kind']>(side: Side, kind: K): Extract<IkeEvent, { kind: K }>[] {
  return side.events.filter((event): event is Extract<IkeEvent, { kind: K }> => event.kind === kind)
}

function connectionOf(us: 'west' | 'east', peer: 'west' | 'east'): PskConnection {
  const net = { west: '10.1.0.0/16', east: '10.2.0.0/16' }
  return {
    name: 'pair',
    psk: 'correct horse battery staple',
    localAddress: '127.0.0.1',
    localId: `${us}.example`,
    remoteId: `${peer}.example`,
    retransmit: { baseMs: 100, factor: 1.5, tries: 3 },
    children: [{ name: 'net', localTs: [net[us]], remoteTs: [net[peer]] }],
  }
}

async function startSide({ probePath = false, ...settings }: PskConnection & Change): Promise<Side> {
  const entries: LogEntry[] = []
  const events: IkeEvent[] = []
  const received: Uint8Array[] = []
  const tun = createMemoryTun()
  const endpoint = await Endpoint.start({
    connections: [pskConnection(settings)],
    listen: { addresses: [loopback], ikePort: 0, natPort: 0 },
    tun,
    probePath,
    log: new Log((entry) => entries.push(entry), 'debug'),
  })
  endpoint.on('event', (event) => events.push(event))
  tun.onWritten((packet) => {
    const reply = answerIcmpEcho(packet)
    if (reply === undefined) received.push(packet)
    else tun.inject(reply)
  })
  return { endpoint, tun, events, entries, received }
}
