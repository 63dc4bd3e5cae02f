import { expect } from 'vitest'
import type { IkeSaStatus } from '../../src/ike/events.ts'
import { type HeldMail, simulationProvider, type VirtualGateway, VirtualTraffic } from '../../src/testing/index.ts'
import { leftConnection, rightConnection } from '../ike/support.ts'
import { makeGateways } from '../testing/gateways.ts'

export type Side = 'a' | 'b'

/** The same scenario with the sides exchanged. */
export const mirrored = (text: string): string => text.replace(/\b[ab]\b/g, (side) => (side === 'a' ? 'b' : 'a'))

/** A row of a table for either side. */
export const orientations = (name: string, script: string): [name: string, script: string][] => [
  [`${name}, a first`, script],
  [`${name}, b first`, mirrored(script)],
]

export interface DuelOptions {
  /** ESP proposals; with a group there is PFS. */
  readonly esp?: Partial<Record<Side, readonly string[]>>
  readonly lifetime?: Partial<Record<Side, { softMs?: number; hardMs?: number; softPackets?: number }>>
}

/** Longer than anything waits that nobody follows up. */
const REST_MS = 240_000
const REST_STEP_MS = 8_000

/** A retransmission or a second try comes within this time. */
const LATER_MS = 12_000

/**
 * Two gateways with one CHILD_SA, whose IKE messages wait to be delivered one by one, while packets go both ways before and after
 * every step. A scenario is written as steps, separated by commas:
 *
 * - `a rekeys`, `a deletes`, `a creates` (another one of the same kind), `a rekeys ike`, `a deletes ike`
 * - `a expires`, `a expires softly`: what the databases tell about the CHILD_SA that carries the traffic
 * - `a asks`, `a answers`: the oldest request or response of a that waits is delivered
 * - `a asks is lost`, `a answers is lost`, `a asks again`: it is lost; a copy that was delivered or lost comes once more
 * - `a asks?`, `a answers?`: the same where it depends on the nonces whether something waits
 * - `later`: time for retransmissions and second tries; `rest`: all that waits is delivered, and what follows from it
 */
export class Duel {
  readonly a: VirtualGateway
  readonly b: VirtualGateway
  readonly clock: ReturnType<typeof makeGateways>['clock']
  readonly traffic: VirtualTraffic
  readonly #mail: HeldMail

  constructor({ esp = {}, lifetime = {} }: DuelOptions = {}) {
    const standing = {
      livenessDelayMs: 0,
      keepaliveMs: 0,
      lifetime: { rekeyMs: Infinity, reauthMs: Infinity, overMs: Infinity },
    }
    const { clock, network, a, b } = makeGateways({
      crypto: simulationProvider,
      a: { ...standing, children: leftConnection.children.map((child) => ({ ...child, ...settings('a') })) },
      b: { ...standing, children: rightConnection.children.map((child) => ({ ...child, ...settings('b') })) },
    })
    function settings(side: Side) {
      return {
        ...(esp[side] === undefined ? {} : { espProposals: esp[side] }),
        lifetime: { softMs: Infinity, hardMs: Infinity, ...lifetime[side] },
        jitter: { ms: 0 },
      }
    }
    this.a = a
    this.b = b
    this.clock = clock
    a.initiate('office')
    clock.advance(1000)
    this.#mail = network.hold()
    this.traffic = new VirtualTraffic(a, b)
  }

  /** The first octets of the nonces that a side draws next: of the four of two exchanges the lowest decides. */
  nonces(side: Side, ...firstOctets: readonly number[]): void {
    for (const octet of firstOctets) this[side].entropy.nextNonceFirstByte(octet)
  }

  /** Carries out a scenario, then brings it to rest: all is delivered, what lingers is gone. */
  play(scenario: string): void {
    for (const step of scenario.split(/,\s*/)) this.step(step)
    this.rest()
    for (let left = REST_MS; left > 0; left -= REST_STEP_MS) {
      this.clock.advance(REST_STEP_MS)
      this.traffic.send()
      this.rest()
    }
  }

  step(step: string): void {
    this.traffic.send()
    if (step === 'later') this.#pass(LATER_MS)
    else if (step === 'rest') this.rest()
    else this.#act(step)
    this.traffic.send()
    this.clock.advance(10)
  }

  rest(): void {
    for (let rounds = 0; rounds < 20 && this.#mail.waiting.length > 0; rounds++) {
      this.#mail.deliverAll()
      this.traffic.send()
      this.clock.advance(10)
    }
  }

  /** The messages that wait, as `a asks CREATE_CHILD_SA`. */
  get waiting(): string[] {
    return this.#mail.messages.map(
      ({ sender, response, exchange }) =>
        `${sender === this.a ? 'a' : 'b'} ${response ? 'answers' : 'asks'} ${exchange}`,
    )
  }

  /** The payloads of the last response of a side. */
  answerOf(side: Side): readonly string[] {
    return this[side].lastResponse.payloads
  }

  #act(step: string): void {
    if (step.endsWith('?')) {
      const [from, verb] = step.slice(0, -1).split(' ') as [Side, string]
      if (this.#mail.has({ from: this[from], response: verb === 'answers' })) this.#act(step.slice(0, -1))
      return
    }
    const [side, verb, ...rest] = step.split(' ') as [Side, string, ...string[]]
    const peer = this[side]
    const object = rest.join(' ')
    if (verb === 'asks' || verb === 'answers') return this.#mailStep(peer, verb === 'answers', object)
    const [sa] = peer.status().filter(({ state }) => state === 'established') as [IkeSaStatus]
    const { ike, now } = peer
    const child = sa.children.find(({ state }) => state === 'installed' || state === 'rekeyed')
    if (verb === 'rekeys' && object === 'ike') peer.perform(ike.rekeyIke(sa.sa.id, now))
    else if (verb === 'rekeys') peer.perform(ike.rekeyChild(sa.sa.id, child!.spiIn, now))
    else if (verb === 'deletes' && object === 'ike') peer.perform(ike.deleteIke(sa.sa.id, now))
    else if (verb === 'deletes') peer.perform(ike.deleteChild(sa.sa.id, child!.spiIn, now))
    else if (verb === 'creates') peer.perform(ike.createChild(sa.sa.id, 'net', now))
    else if (verb === 'expires') {
      const { spiIn: spi, reqid } = child!
      peer.perform(ike.expire({ daddr: peer.address, spi, proto: 50, reqid, hard: object !== 'softly' }, now))
    } else throw new Error(`unknown step: ${step}`)
  }

  #mailStep(sender: VirtualGateway, response: boolean, object: string): void {
    const which = { from: sender, response }
    if (object === '') this.#mail.deliver(which)
    else if (object === 'is lost') this.#mail.drop(which)
    else if (object === 'again') this.#mail.replay(which)
    else throw new Error(`unknown step: ${object}`)
  }

  /** Time passes in small steps, with packets. What is sent meanwhile waits. */
  #pass(ms: number): void {
    for (let left = ms; left > 0; left -= 500) {
      this.traffic.send()
      this.clock.advance(500)
    }
  }

  /** The CHILD_SAs of a side as `in/out` of side a, sorted, so that both sides can be compared. */
  spisOf(side: Side): string[] {
    const children = this[side].status().flatMap((sa) => sa.children)
    return children.map(({ spiIn, spiOut }) => (side === 'a' ? `${spiIn}/${spiOut}` : `${spiOut}/${spiIn}`)).sort()
  }

  /** At rest: equal on both ends, `children` of them, in the databases exactly those, and no timer. */
  expectAtRest(children: number): void {
    expect(this.waiting).toEqual([])
    expect(this.spisOf('a')).toEqual(this.spisOf('b'))
    expect(this.spisOf('a')).toHaveLength(children)
    for (const side of ['a', 'b'] as const) {
      const { databases, ike } = this[side]
      const mine = this[side].status().flatMap((sa) => sa.children)
      expect(mine.map(({ state }) => state)).toEqual(mine.map(() => 'installed'))
      expect([...databases.states()].map(({ spi }) => spi).sort()).toEqual(
        mine.flatMap(({ spiIn, spiOut }) => [spiIn, spiOut]).sort(),
      )
      // Those of one kind share them.
      expect([...databases.policies()]).toHaveLength(children > 0 ? 3 : 0)
      expect(ike.nextTimeoutAt()).toBe(Infinity)
    }
  }

  /** Every packet arrived, once. */
  expectNoLoss(): void {
    this.traffic.send()
    this.clock.advance(100)
    const { aToB, bToA } = this.traffic.report()
    for (const flow of [aToB, bToA]) {
      expect(flow.vpnLosses).toEqual([])
      expect(flow).toMatchObject({ delivered: flow.sent, duplicated: 0, lostByVpn: 0, waiting: 0, underWay: 0 })
    }
  }

  /** What users were told of CHILD_SAs since the first was established. */
  toldOf(side: Side): string[] {
    return this[side].events
      .filter(({ kind }) => kind.startsWith('child-') || kind === 'refused')
      .map(({ kind }) => kind)
      .slice(1)
  }
}
