import { pskConnection } from 'typeswan/config/connection'
import { nobleProvider, Prf, prfPlus } from 'typeswan/crypto'
import { DecapStatus, EspDecapsulator, EspEncapsulator, newDecapResult } from 'typeswan/esp'
import { type ConnectionConfig, type IkeAction, IkeEndpoint, type IkeSaStatus } from 'typeswan/ike'
import { parseIp } from 'typeswan/ip'
import { Xfrm, type XfrmStateConfig } from 'typeswan/xfrm'

/** What run.mjs prints, one line for each. */
export interface Result {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

interface Peer {
  readonly ike: IkeEndpoint
  /** States that IKE installed. */
  readonly installed: XfrmStateConfig[]
}

const random = (length: number) => globalThis.crypto.getRandomValues(new Uint8Array(length))
const clock = () => performance.now()
const addresses = ['192.0.2.1', '192.0.2.2'] as const
const nets = ['10.1.0.0/16', '10.2.0.0/16'] as const
const IPV4 = 4

/** Everything that is tried, in order; called from outside the page. */
export function results(): Result[] {
  return [
    attempt('prf+ of RFC 7296', tryPrfPlus),
    attempt('handshake', tryHandshake),
    attempt('ESP round trip', tryEsp),
  ]
}

function attempt(name: string, body: () => string): Result {
  try {
    return { name, ok: true, detail: body() }
  } catch (error) {
    return { name, ok: false, detail: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

function tryPrfPlus(): string {
  const octets = prfPlus(nobleProvider, Prf.PRF_HMAC_SHA2_256, random(32), random(64), 200)
  if (octets.length !== 200) throw new Error(`${octets.length} octets`)
  return '200 octets'
}

function tryHandshake(): string {
  const begin = performance.now()
  const { left, right } = establish()
  const ms = (performance.now() - begin).toFixed(0)
  const [mine, theirs] = [onlySa(left), onlySa(right)]
  const [child] = mine.children
  if (mine.state !== 'established' || theirs.state !== 'established') throw new Error(`${mine.state}, ${theirs.state}`)
  if (child === undefined || theirs.children[0]?.spiIn !== child.spiOut) throw new Error('the CHILD_SAs differ')
  return `${mine.suite}, ${child.suite}, ${child.localTs} === ${child.remoteTs}, ${ms} ms`
}

/** Seals with one side's outbound state and opens with the other side's inbound state, as IKE installed them. */
function tryEsp(): string {
  const { left, right } = establish()
  const outbound = stateOf(left, 'out')
  const inbound = stateOf(right, 'in')
  const sender = new EspEncapsulator(nobleProvider, outbound, random)
  const receiver = new EspDecapsulator(nobleProvider, inbound)
  const inner = innerPacket(1200)
  const buffer = new Uint8Array(1500)
  const offset = 64
  buffer.set(inner, offset)
  const length = sender.encapsulate(buffer, offset, inner.length, IPV4)
  const packet = buffer.slice(offset - sender.headerBytes, offset - sender.headerBytes + length)
  const result = newDecapResult()
  const again = packet.slice()
  const tampered = packet.slice()
  tampered[packet.length - 20]! ^= 1
  expectStatus('tampered', receiver.decapsulate(tampered, 0, length, result), DecapStatus.BAD_ICV)
  expectStatus('good', receiver.decapsulate(packet, 0, length, result), DecapStatus.OK)
  const opened = packet.subarray(result.offset, result.offset + result.length)
  if (opened.length !== inner.length || opened.some((octet, i) => octet !== inner[i])) throw new Error('other octets')
  expectStatus('replayed', receiver.decapsulate(again, 0, length, result), DecapStatus.REPLAY_DUPLICATE)
  return `${inner.length} octets in ${length}, SPI 0x${outbound.spi.toString(16)}; tampered and replayed refused`
}

function expectStatus(what: string, status: number, wanted: number): void {
  if (status !== wanted) throw new Error(`${what}: status ${status} instead of ${wanted}`)
}

function establish(): { left: Peer; right: Peer } {
  const left = makePeer(0)
  const right = makePeer(1)
  carry(left.ike.initiate('office', clock(), { localAddress: parseIp(addresses[0]) }), left, right)
  return { left, right }
}

/** Carries every message over, until nothing is left to send. */
function carry(actions: readonly IkeAction[], from: Peer, to: Peer): void {
  for (const action of actions) {
    if (action.type !== 'send') continue
    const datagram = { local: action.remote, remote: action.local, message: action.message }
    carry(to.ike.handleDatagram(datagram, clock()), to, from)
  }
}

function makePeer(side: 0 | 1): Peer {
  const ignore = () => {}
  const listener = { acquire: ignore, expire: ignore, mapping: ignore }
  const xfrm = new Xfrm({ crypto: nobleProvider, random, clock, listener })
  const installed: XfrmStateConfig[] = []
  const newSa = xfrm.newSa.bind(xfrm)
  xfrm.newSa = (state) => {
    installed.push(structuredClone(state))
    newSa(state)
  }
  const ike = new IkeEndpoint({ crypto: nobleProvider, random, xfrm, connections: [connection(side)] })
  return { ike, installed }
}

function connection(side: 0 | 1): ConnectionConfig {
  const other = side === 0 ? 1 : 0
  return pskConnection({
    name: 'office',
    psk: 'correct horse battery staple',
    localAddress: addresses[side],
    remoteAddress: addresses[other],
    localId: `peer${side}.example.org`,
    remoteId: `peer${other}.example.org`,
    proposals: ['chacha20poly1305-prfsha512-x25519'],
    children: [{ name: 'net', localTs: [nets[side]], remoteTs: [nets[other]], espProposals: ['aes128gcm16'] }],
    livenessDelayMs: 0,
    keepaliveMs: 0,
  })
}

function onlySa({ ike }: Peer): IkeSaStatus {
  const [sa, ...more] = ike.status()
  if (sa === undefined || more.length > 0) throw new Error(`${ike.status().length} IKE_SAs`)
  return sa
}

function stateOf({ installed }: Peer, direction: 'in' | 'out'): XfrmStateConfig {
  const state = installed.find((one) => one.direction === direction)
  if (state === undefined) throw new Error(`no ${direction} state was installed`)
  return state
}

/** An IPv4 header, and octets that all differ from their neighbours behind it. */
function innerPacket(length: number): Uint8Array {
  const packet = Uint8Array.from({ length }, (_, i) => (i * 37) & 0xff)
  packet.set([0x45, 0, length >>> 8, length & 0xff, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1])
  return packet
}
