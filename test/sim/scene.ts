import { expect } from 'vitest'
import { type PskConnection, pskConnection } from '../../src/config/connection.ts'
import type { ConnectionConfig } from '../../src/ike/config.ts'
import type { IkeSaStatus } from '../../src/ike/events.ts'
import { parseProposal } from '../../src/ike/negotiation/proposal-keywords.ts'
import {
  type HeldMail,
  simulationProvider,
  VirtualClock,
  VirtualGateway,
  VirtualNetwork,
  VirtualTraffic,
} from '../../src/testing/index.ts'
import { left, leftConnection, right, rightConnection } from '../ike/support.ts'

export type Side = 'A' | 'B'

/** Two gateways with traffic both ways, whose IKE messages wait until a scene delivers them. */
export interface Scene {
  readonly clock: VirtualClock
  readonly network: VirtualNetwork
  readonly A: VirtualGateway
  readonly B: VirtualGateway
  readonly traffic: VirtualTraffic
  readonly mail: HeldMail
  /** The connection of each side, for a change that comes after it is established. */
  readonly connections: Readonly<Record<Side, ConnectionConfig>>
}

/** So long is between two steps: a packet each way is sent and arrives. */
const STEP_MS = 20

const second = { name: 'second', espProposals: ['aes128gcm16'] }

/** Nothing happens by itself: no liveness, no keepalive, no lifetime. What is lost is soon sent again. */
const quiet: Partial<PskConnection> = {
  livenessDelayMs: 0,
  keepaliveMs: 0,
  retransmit: { baseMs: 400 },
  lifetime: { rekeyMs: Number.POSITIVE_INFINITY },
}

const ofA: PskConnection = {
  ...leftConnection,
  ...quiet,
  children: [...leftConnection.children, { ...second, localTs: ['10.3.0.0/16'], remoteTs: ['10.4.0.0/16'] }],
}

const ofB: PskConnection = {
  ...rightConnection,
  ...quiet,
  children: [...rightConnection.children, { ...second, localTs: ['10.4.0.0/16'], remoteTs: ['10.3.0.0/16'] }],
}

export interface SceneChanges {
  readonly A?: Partial<PskConnection>
  readonly B?: Partial<PskConnection>
  /** Steps before the mail is held; default: A sets the connection up. */
  readonly before?: (scene: Omit<Scene, 'mail'>) => void
  /** No traffic until the test starts it. */
  readonly silent?: true
}

/** A scene whose first CHILD_SA stands, set up by A. */
export function makeScene(changes: SceneChanges = {}): Scene {
  const clock = new VirtualClock()
  const network = new VirtualNetwork(clock, 1)
  const connections = {
    A: pskConnection({ ...ofA, ...changes.A }),
    B: pskConnection({ ...ofB, ...changes.B }),
  }
  const gateway = (address: string, connection: ConnectionConfig) =>
    new VirtualGateway(network, { address, connections: [connection], crypto: simulationProvider })
  const A = gateway(left, connections.A)
  const B = gateway(right, connections.B)
  const traffic = new VirtualTraffic(A, B, { everyMs: STEP_MS })
  const before = changes.before ?? (() => A.initiate('office'))
  before({ clock, network, A, B, traffic, connections })
  clock.advance(100)
  if (changes.silent !== true) traffic.start()
  return { clock, network, A, B, traffic, connections, mail: network.hold() }
}

/** From here on `side` has these IKE proposals. */
export function propose(scene: Scene, side: Side, proposal: string): void {
  Object.assign(scene.connections[side], { ikeProposals: [parseProposal(proposal, 'IKE')] })
}

const verbs: Readonly<Record<string, (peer: VirtualGateway, scene: Scene) => void>> = {
  'rekeys IKE': (peer) => peer.perform(peer.ike.rekeyIke(peer.ikeSa.sa.id, peer.now)),
  reauthenticates: (peer) => peer.perform(peer.ike.reauthenticate(peer.ikeSa.sa.id, peer.now)),
  'deletes IKE': (peer) => peer.perform(peer.ike.deleteIke(peer.ikeSa.sa.id, peer.now)),
  'deletes child': (peer) =>
    peer.perform(peer.ike.deleteChild(peer.ikeSa.sa.id, peer.ikeSa.children[0]!.spiIn, peer.now)),
  'rekeys child': (peer) =>
    peer.perform(peer.ike.rekeyChild(peer.ikeSa.sa.id, peer.ikeSa.children[0]!.spiIn, peer.now)),
  'makes second': (peer) => peer.perform(peer.ike.createChild(peer.ikeSa.sa.id, 'second', peer.now)),
  initiates: (peer, { A }) => peer.initiate(peer === A ? 'office' : 'branch'),
}

/**
 * Plays steps, with some time for traffic after each: `A rekeys IKE`, `B gets request` (the oldest that waits for it, with a payload
 * when one is named: `B gets request D`), `A loses response`, `wait 5000`.
 */
export function play(scene: Scene, steps: readonly string[]): void {
  for (const step of steps) {
    perform(scene, step)
    scene.clock.advance(STEP_MS)
  }
}

function perform(scene: Scene, step: string): void {
  const wait = /^wait (\d+)$/.exec(step)
  if (wait !== null) return scene.clock.advance(Number(wait[1]))
  const moved = /^([AB]) (gets|loses) (request|response)(?: (\S+))?$/.exec(step)
  if (moved !== null) {
    const [, side, verb, kind, payload] = moved
    const which = {
      from: scene[side === 'A' ? 'B' : 'A'],
      response: kind === 'response',
      ...(payload === undefined ? {} : { payload }),
    }
    return verb === 'gets' ? scene.mail.deliver(which) : scene.mail.drop(which)
  }
  const verb = verbs[step.slice(2)]
  if (verb === undefined) throw new Error(`unknown step "${step}"`)
  verb(scene[step[0] as Side], scene)
}

/** Lets everything that waits, and what follows from it, take its course. */
export function settle(scene: Scene): void {
  scene.mail.release()
  scene.clock.advance(2_000)
  scene.traffic.stop()
  // Superseded IKE_SAs that nobody deletes, and requests that nobody answers, are given up after some minutes.
  scene.clock.advance(600_000)
}

const keysOf = ({ SPIi, SPIr, state, children }: IkeSaStatus, mirror: boolean) => ({
  SPIi,
  SPIr,
  state,
  children: children
    .map(({ name, spiIn, spiOut }) => (mirror ? [name, spiOut, spiIn] : [name, spiIn, spiOut]).join('/'))
    .sort(),
})

/** Both sides have the same SAs, the databases hold exactly those, and nothing is left to happen. */
export function expectAgreement(scene: Scene, expected: { ikeSas?: number; children?: readonly string[] } = {}): void {
  const { ikeSas = 1, children = ikeSas === 0 ? [] : ['net'] } = expected
  const { A, B } = scene
  const [a, b] = [A.status(), B.status()]
  const ordered = (sas: IkeSaStatus[], mirror: boolean) =>
    sas.map((sa) => keysOf(sa, mirror)).sort((x, y) => (x.SPIi < y.SPIi ? -1 : 1))
  expect(ordered(b, true)).toEqual(ordered(a, false))
  expect(a.map(({ state }) => state)).toEqual(Array(ikeSas).fill('established'))
  expect(a.flatMap((sa) => sa.children.map(({ name }) => name)).sort()).toEqual([...children].sort())
  for (const peer of [A, B]) {
    const spis = peer.status().flatMap((sa) => sa.children.flatMap(({ spiIn, spiOut }) => [spiIn, spiOut]))
    expect([...peer.databases.states()].map(({ spi }) => spi >>> 0).sort()).toEqual(spis.sort())
    expect(peer.ike.nextTimeoutAt()).toBe(Number.POSITIVE_INFINITY)
  }
}

/** Every packet arrived, and once. */
export function expectNoLoss({ traffic }: Scene): void {
  for (const flow of Object.values(traffic.report())) {
    expect(flow).toMatchObject({ lostByVpn: 0, lostByNetwork: 0, waiting: 0, underWay: 0, duplicated: 0 })
    expect(flow.delivered).toBe(flow.sent)
    expect(flow.sent).toBeGreaterThan(5)
  }
}
