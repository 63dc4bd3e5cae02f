import { type PskConnection, pskConnection } from '../../src/config/connection.ts'
import type { ConnectionConfig } from '../../src/ike/config.ts'
import { RecordingXfrm } from '../../src/testing/recording-xfrm.ts'
import { VirtualClock, VirtualNetwork } from '../../src/testing/virtual-network.ts'
import { VirtualPeer, type VirtualPeerOptions } from '../../src/testing/virtual-peer.ts'

export const left = '192.0.2.1'
export const right = '198.51.100.2'

export const leftConnection: PskConnection = {
  name: 'office',
  psk: 'correct horse battery staple',
  localAddress: left,
  remoteAddress: right,
  localId: 'left.example.org',
  remoteId: 'right.example.org',
  proposals: ['aes128gcm16-prfsha256-x25519'],
  children: [{ name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'], espProposals: ['aes128gcm16'] }],
}

export const rightConnection: PskConnection = {
  ...leftConnection,
  name: 'branch',
  localAddress: right,
  remoteAddress: left,
  localId: 'right.example.org',
  remoteId: 'left.example.org',
  children: [{ name: 'net', localTs: ['10.2.0.0/16'], remoteTs: ['10.1.0.0/16'], espProposals: ['aes128gcm16'] }],
}

export interface Pair {
  readonly clock: VirtualClock
  readonly network: VirtualNetwork
  readonly a: VirtualPeer
  readonly b: VirtualPeer
  readonly xfrmA: RecordingXfrm
  readonly xfrmB: RecordingXfrm
}

/** Two peers on one virtual network; what is not given is as above. */
export function makePair(
  changes: {
    a?: Partial<PskConnection>
    b?: Partial<PskConnection>
    bConnections?: readonly PskConnection[]
    limits?: VirtualPeerOptions['limits']
    /** Of b. */
    qcdSecret?: Uint8Array
    crypto?: VirtualPeerOptions['crypto']
    /** Settings that the builder has no words for. */
    adjustB?: (connection: ConnectionConfig) => ConnectionConfig
  } = {},
): Pair {
  const clock = new VirtualClock()
  const network = new VirtualNetwork(clock)
  const xfrmA = new RecordingXfrm()
  const xfrmB = new RecordingXfrm()
  const ofB = changes.bConnections ?? [{ ...rightConnection, ...changes.b }]
  const crypto = changes.crypto === undefined ? {} : { crypto: changes.crypto }
  const a = new VirtualPeer(network, {
    address: changes.a?.localAddress ?? left,
    connections: [pskConnection({ ...leftConnection, ...changes.a })],
    xfrm: xfrmA,
    ...crypto,
  })
  const b = new VirtualPeer(network, {
    address: ofB[0]?.localAddress ?? right,
    connections: ofB.map((settings) => (changes.adjustB ?? ((connection) => connection))(pskConnection(settings))),
    xfrm: xfrmB,
    ...crypto,
    ...(changes.limits === undefined ? {} : { limits: changes.limits }),
    ...(changes.qcdSecret === undefined ? {} : { qcdSecret: changes.qcdSecret }),
  })
  return { clock, network, a, b, xfrmA, xfrmB }
}

/** A pair whose first CHILD_SA stands. */
export function establishedPair(changes: Parameters<typeof makePair>[0] = {}): Pair {
  const pair = makePair(changes)
  pair.a.initiate('office')
  pair.clock.advance(1000)
  if (pair.a.eventsOf('child-established').length !== 1)
    throw new Error(`not established: ${JSON.stringify(pair.a.events)}`)
  return pair
}
