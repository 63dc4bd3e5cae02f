import { type PskChild, type PskConnection, pskConnection } from '../config/connection.ts'
import type { CryptoProvider } from '../crypto/provider.ts'
import { UsageError } from '../errors.ts'
import type { RecordingOptions } from '../ike/recording/recording.ts'
import { VirtualClock } from './virtual-clock.ts'
import { VirtualGateway } from './virtual-gateway.ts'
import { type NatOptions, VirtualNat } from './virtual-nat.ts'
import { type NetworkOptions, VirtualNetwork } from './virtual-network.ts'
import type { VirtualSegment } from './virtual-segment.ts'

/** Settings of a connection that may be given alone; the rest has defaults. */
export type ConnectionChanges = Partial<PskConnection>

export interface PairOptions {
  /** Conditions of the network between the two. */
  readonly network?: NetworkOptions
  /** Puts `a` behind a NAT box, at 203.0.113.7 when nothing is said. */
  readonly nat?: Partial<NatOptions>
  /** `a` may change its address: no connection names it, so that `b` can only wait. */
  readonly roaming?: boolean
  /** Settings of both connections, and of one alone. */
  readonly both?: ConnectionChanges
  readonly a?: ConnectionChanges
  readonly b?: ConnectionChanges
  /** Settings of the CHILD_SA on both sides. */
  readonly child?: Partial<PskChild>
  /** Default: `nobleProvider`. For long simulations: `simulationProvider`. */
  readonly crypto?: CryptoProvider
  /** Of all chance and all keys. */
  readonly seed?: string
  /** How many datagrams and events are kept; default all. For long simulations: 0. */
  readonly remember?: number
  /** Where the calls into `a`'s core are written down. */
  readonly recordA?: RecordingOptions
}

/** Two gateways that know each other. */
export interface Pair {
  readonly clock: VirtualClock
  readonly network: VirtualNetwork
  readonly nat: VirtualNat | undefined
  /** Has the connection `to-b` with the CHILD_SA `net`, from 10.1.0.0/16 to 10.2.0.0/16. */
  readonly a: VirtualGateway
  /** Has the connection `to-a` with the CHILD_SA `net`, the other way round. */
  readonly b: VirtualGateway
  /** Lets `a` set the connection up and time pass until it stands on both sides. Throws `UsageError` when it does not. */
  connect(): void
}

const places = { a: '192.0.2.1', b: '198.51.100.2', inside: '192.168.1.2', nat: '203.0.113.7' }
const nets = { a: '10.1.0.0/16', b: '10.2.0.0/16' }

/** How long `connect` waits, in ms of the virtual clock. */
const CONNECT_MS = 60_000

/** Two gateways on a virtual network, with a pre-shared key and one CHILD_SA between them, ready to `connect`. */
export function createPair(options: PairOptions = {}): Pair {
  const { seed = 'pair', remember } = options
  const clock = new VirtualClock()
  const kept = remember === undefined ? {} : { remember }
  const network = new VirtualNetwork(clock, { seed, ...kept, ...options.network })
  const nat = options.nat && new VirtualNat(network, { outside: places.nat, ...options.nat })
  const crypto = options.crypto === undefined ? {} : { crypto: options.crypto }
  const common = { ...kept, ...crypto }
  const addressA = nat === undefined ? places.a : places.inside
  const local = options.roaming === true ? {} : { localAddress: addressA }
  const a = new VirtualGateway(nat ?? network, {
    ...common,
    ...(options.recordA === undefined ? {} : { record: options.recordA }),
    address: addressA,
    seed: `${seed} a`,
    connections: [connection('a', 'b', { ...local, remoteAddress: places.b }, options)],
  })
  const remote = nat === undefined && options.roaming !== true ? { remoteAddress: places.a } : {}
  const b = new VirtualGateway(network, {
    ...common,
    address: places.b,
    seed: `${seed} b`,
    connections: [connection('b', 'a', { localAddress: places.b, ...remote }, options)],
  })
  return { clock, network, nat, a, b, connect: () => connect(a, b) }
}

export interface PeerOptions extends ConnectionChanges {
  /** Default 192.0.2.1. */
  readonly address?: string
  /** A network that is there already; by default a new one is made. */
  readonly on?: VirtualSegment
  readonly crypto?: CryptoProvider
  readonly seed?: string
}

export interface LonePeer {
  readonly clock: VirtualClock
  readonly network: VirtualNetwork
  readonly peer: VirtualGateway
}

/**
 * A gateway to test another implementation against: it waits for anybody who has the pre-shared key (`secret` when none is given), and
 * lets 10.1.0.0/16 be reached from anywhere. The other implementation is attached with `network.bind` and `network.send`.
 */
export function createPeer(options: PeerOptions = {}): LonePeer {
  const { address = places.a, on, crypto, seed = address, ...settings } = options
  const segment = on ?? new VirtualNetwork(new VirtualClock(), { seed })
  const peer = new VirtualGateway(segment, {
    address,
    seed,
    ...(crypto === undefined ? {} : { crypto }),
    connections: [
      pskConnection({
        name: 'peer',
        psk: 'secret',
        localAddress: address,
        remoteId: '%any',
        children: [{ name: 'net', localTs: [nets.a], remoteTs: ['0.0.0.0/0'] }],
        ...settings,
      }),
    ],
  })
  return { clock: segment.network.clock, network: segment.network, peer }
}

type Side = 'a' | 'b'

function connection(us: Side, peer: Side, addresses: ConnectionChanges, options: PairOptions) {
  return pskConnection({
    name: `to-${peer}`,
    psk: 'correct horse battery staple',
    localId: `${us}.example`,
    remoteId: `${peer}.example`,
    encap: options.nat === undefined ? 'force' : 'auto',
    children: [{ name: 'net', localTs: [nets[us]], remoteTs: [nets[peer]], ...options.child }],
    ...addresses,
    ...options.both,
    ...options[us],
  })
}

function connect(a: VirtualGateway, b: VirtualGateway): void {
  const { clock } = a.segment.network
  const end = clock.now + CONNECT_MS
  a.initiate(a.options.connections[0]!.name)
  while (!(stands(a) && stands(b))) {
    if (clock.nextAt > end) throw new UsageError('connect', `failed: ${whyNot(a, b)}`)
    clock.step()
  }
}

const stands = (gateway: VirtualGateway): boolean =>
  gateway.status().some(({ state, children }) => state === 'established' && children.length > 0)

function whyNot(a: VirtualGateway, b: VirtualGateway): string {
  const [refused] = [a, b].flatMap((peer) => peer.eventsOf('refused'))
  return refused === undefined ? `nothing came of it in ${CONNECT_MS} ms` : JSON.stringify(refused.refusal)
}
