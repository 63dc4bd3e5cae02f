import { createSocket, type Socket } from 'node:dgram'
import { afterEach, expect, it } from 'vitest'
import { concat, toHex } from '../../src/bytes/index.ts'
import { pskConnection } from '../../src/config/connection.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { Log, type LogEntry } from '../../src/endpoint/log.ts'
import { ExchangeType } from '../../src/ike/codec/index.ts'
import type { ConnectionConfig } from '../../src/ike/config.ts'
import type { IkeEvent } from '../../src/ike/events.ts'
import { answerIcmpEcho, buildIcmpEcho, parseIp } from '../../src/ip/index.ts'
import { createMemoryTun, type MemoryTun } from '../../src/tap-tun/index.ts'
import { Dice } from '../../src/testing/hostile-dice.ts'
import { mutateHeader, mutateOctets, repairLength } from '../../src/testing/hostile-octets.ts'
import { hostilePayload, mutatePayloads } from '../../src/testing/hostile-payloads.ts'
import { loadTrace } from '../support/vectors.ts'
import type { Target } from './attacker.ts'
import { recordedDatagrams } from './corpus.ts'
import { forgeMalformed } from './esp-forger.ts'
import type { Datagram } from './gateway.ts'
import { attackerPsk, HostileInitiator } from './initiator.ts'
import { AttackerKeyPairs, ikeSuites } from './keys.ts'

const loopback = parseIp('127.0.0.1')
const suites = {
  proposals: ['chacha20poly1305-prfsha256-x25519', 'aes128gcm16-prfsha256-ecp256', 'aes128-sha256-modp2048'],
}
const esp = ['chacha20poly1305', 'aes128gcm16', 'aes128-sha256']

const closing: (() => Promise<unknown> | undefined)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface Side {
  readonly endpoint: Endpoint
  readonly tun: MemoryTun
  readonly entries: LogEntry[]
  /** Pings that came back. */
  replies: number
}

async function start(connections: readonly ConnectionConfig[]): Promise<Side> {
  const tun = createMemoryTun()
  const entries: LogEntry[] = []
  const endpoint = await Endpoint.start({
    connections,
    listen: { addresses: [loopback], ikePort: 0, natPort: 0 },
    tun,
    log: new Log((entry) => entries.push(entry), 'warn'),
  })
  closing.push(() => endpoint.close())
  const side: Side = { endpoint, tun, entries, replies: 0 }
  tun.onWritten((packet) => {
    const reply = answerIcmpEcho(packet)
    if (reply !== undefined) tun.inject(reply)
    else if (packet[9] === 1) side.replies++
  })
  return side
}

/** An endpoint behind UDP as attackers see it. */
class UdpTarget implements Target {
  readonly dice: Dice
  readonly address = loopback
  readonly ports: { readonly ike: number; readonly nat: number }
  readonly #socket: Socket
  readonly #standing = new Map<string, number>()
  /** IKE_SAs that attackers set up. */
  established = 0
  #inbox: Datagram[] = []
  #sent = 0
  #received = 0

  constructor(seed: string, { endpoint }: Side, socket: Socket) {
    this.dice = new Dice(seed)
    this.ports = endpoint.paths.ports
    this.#socket = socket
    const { address } = this
    socket.on('message', (payload, { port }) => {
      this.#inbox.push({ from: { address, port }, to: { address, port: 0 }, payload: new Uint8Array(payload) })
    })
    endpoint.paths.observe((direction) => {
      if (direction === 'in') this.#received++
    })
    endpoint.on('event', (event) => this.#note(event))
  }

  stands(SPIi: Uint8Array): boolean {
    return this.#standing.has(toHex(SPIi))
  }

  setUp({ to, payload }: Datagram): void {
    this.#sent++
    this.#socket.send(payload, to.port, '127.0.0.1')
  }

  take(): Datagram[] {
    const taken = this.#inbox
    this.#inbox = []
    return taken
  }

  /** Resolves when the endpoint has had everything that was sent, and its answers are here. */
  async settled(): Promise<void> {
    await until(() => this.#received >= this.#sent)
    for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve))
  }

  #note(event: IkeEvent): void {
    if (event.kind === 'ike-established') {
      this.established++
      this.#standing.set(event.details.SPIi, event.sa.id)
    }
    if (event.kind !== 'ike-closed') return
    for (const [spi, id] of this.#standing) if (id === event.sa.id) this.#standing.delete(spi)
  }
}

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 10_000
  while (!condition()) {
    if (performance.now() > end) throw new Error('it did not come about in time')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** One hostile datagram of any kind. `one` is established if it could be. */
function shot(one: HostileInitiator, corpus: ReturnType<typeof recordedDatagrams>, target: UdpTarget): Datagram {
  const { dice } = target
  const hints = { spis: [], groups: [14, 19, 31] }
  const recorded = dice.pick(corpus)
  const [forger] = one.forgers
  const kind = dice.below(10)
  if (kind < 4 && one.established) {
    const create = dice.chance(50)
    const payloads = create ? mutatePayloads(one.createRequest(), dice, hints) : [hostilePayload(dice, hints)]
    one.dropOffer()
    return one.protected({ exchangeType: create ? ExchangeType.CREATE_CHILD_SA : ExchangeType.INFORMATIONAL }, payloads)
  }
  if (kind < 6 && forger !== undefined) return one.to4500(forgeMalformed(forger, dice))
  if (kind < 8)
    return one.plain(
      { SPIi: dice.octets(8), SPIr: new Uint8Array(8) },
      mutatePayloads(one.initRequest(ikeSuites[0]!), dice, hints),
    )
  const payload = dice.chance(50) ? mutateOctets(recorded.payload, dice) : mutateHeader(recorded.payload.slice(), dice)
  return recorded.port === 500 ? one.to500(repairLength(payload)) : one.to4500(concat(payload))
}

it('an Endpoint on UDP serves its tunnel through 2,000 hostile datagrams', async () => {
  const seed = process.env.HOSTILE_SEED ?? 'typeswan'
  const shared = { psk: 'not known to any attacker', localAddress: '127.0.0.1', ...suites }
  const net = (localTs: string, remoteTs: string) => [
    { name: 'net', localTs: [localTs], remoteTs: [remoteTs], espProposals: esp },
  ]
  const victim = await start([
    pskConnection({
      ...shared,
      name: 'friend',
      localId: 'victim',
      remoteId: 'friend',
      children: net('10.1.0.0/16', '10.2.0.0/16'),
    }),
    pskConnection({
      ...shared,
      name: 'anyone',
      psk: attackerPsk,
      localId: 'victim',
      remoteId: '%any',
      children: net('10.1.0.0/16', '10.66.0.0/16'),
    }),
  ])
  const { ike: port, nat: natPort } = victim.endpoint.paths.ports
  const friend = await start([
    pskConnection({
      ...shared,
      name: 'victim',
      remoteAddress: '127.0.0.1',
      port,
      natPort,
      localId: 'friend',
      remoteId: 'victim',
      children: net('10.2.0.0/16', '10.1.0.0/16'),
    }),
  ])
  await friend.endpoint.initiate('victim')
  const [tunnel] = victim.endpoint.status().ikeSas

  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  closing.push(() => new Promise<void>((resolve) => socket.close(() => resolve())))
  const target = new UdpTarget(seed, victim, socket)
  const one = new HostileInitiator(target, '127.0.0.1', new AttackerKeyPairs(target.dice.octets))
  const corpus = recordedDatagrams(loadTrace)
  for (let sent = 0; sent < 2_000; ) {
    for (const steps = one.steps(true); steps.next().done !== true; ) await target.settled()
    const datagram = shot(one, corpus, target)
    if (datagram.payload.length > 60_000) continue
    sent++
    target.setUp(datagram)
    await target.settled()
    one.absorb()
  }

  const echo = { identifier: 7, sequence: 1, data: new Uint8Array(56) }
  victim.tun.inject(
    buildIcmpEcho('request', { ...echo, source: parseIp('10.1.0.1'), destination: parseIp('10.2.0.1') }),
  )
  friend.tun.inject(
    buildIcmpEcho('request', { ...echo, source: parseIp('10.2.0.1'), destination: parseIp('10.1.0.1') }),
  )
  await until(() => victim.replies === 1 && friend.replies === 1)
  const still = victim.endpoint.status().ikeSas.find(({ id }) => id === tunnel!.id)
  expect(still).toMatchObject({ SPIi: tunnel!.SPIi, SPIr: tunnel!.SPIr, state: 'established' })
  // The attacker did get in, and so did its ESP.
  expect(target.established).toBeGreaterThan(20)
  expect(victim.endpoint.status().xfrmStats.XfrmInStateModeError).toBeGreaterThan(20)
  expect(victim.entries.filter(({ level }) => level === 'error')).toEqual([])
}, 60_000)
