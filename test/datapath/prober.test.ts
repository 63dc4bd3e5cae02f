import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nodeProvider } from '../../src/crypto/node.ts'
import {
  Datapath,
  HEADROOM,
  type OuterFields,
  PATH_MTU_AGE_MS,
  type ProbeReport,
  TAILROOM,
  unknownOuter,
} from '../../src/datapath/index.ts'
import { PROBE_BYTES, ProbeKind, writeProbe } from '../../src/datapath/probe-packet.ts'
import { parseIp } from '../../src/ip/index.ts'
import type { XfrmState } from '../../src/xfrm/state.ts'
import { newXfrm, policyConfig, Recorder, selector, stateConfig } from '../xfrm/support.ts'
import { inner, Side, tunnel } from './support.ts'

/** Two datapaths on a path that swallows what is longer than `takes`, and answers on the way back at once. */
class Path {
  readonly clock = { now: 0 }
  takes: number
  /** The right side is of another kind: it throws dummies away. */
  isDeaf = false
  /** Of so many packets one is lost. */
  loses = 0
  readonly reports: ProbeReport[] = []
  readonly sizes: number[] = []
  readonly #sides: Datapath[]
  readonly state: XfrmState
  #count = 0

  constructor(takes: number, mtu?: number) {
    this.takes = takes
    const addresses = ['192.0.2.1', '198.51.100.2'] as const
    const databases = addresses.map(() => newXfrm(new Recorder(), this.clock, nodeProvider))
    this.#sides = databases.map((xfrm, us) => {
      const sendEsp = (
        buffer: Uint8Array,
        offset: number,
        length: number,
        _: XfrmState,
        outer: Readonly<OuterFields>,
      ) => this.#carry(us, buffer.slice(offset, offset + length), outer)
      return new Datapath(xfrm, { sendEsp, deliver: () => {}, probed: (report) => this.reports.push(report) })
    })
    databases.forEach((xfrm, us) => {
      const [own, peer] = [addresses[us]!, addresses[1 - us]!]
      const path = mtu === undefined ? {} : { path: { mtu } }
      xfrm.newSa({ ...stateConfig({ spi: 0x1000 + us, saddr: own, daddr: peer, direction: 'out' }), ...path })
      xfrm.newSa({ ...stateConfig({ spi: 0x1001 - us, saddr: peer, daddr: own, direction: 'in' }), ...path })
      const template = [own, peer, 1] as const
      const anything = selector('10.0.0.0/8', '10.0.0.0/8')
      xfrm.newPolicy(policyConfig({ index: 1, direction: 'out', selector: anything, template }))
    })
    this.state = [...databases[0]!.states()].find(({ direction }) => direction === 'out')!
  }

  get left(): Datapath {
    return this.#sides[0]!
  }

  /** Lets time pass until the left side has nothing to wait for within `ms`. */
  run(ms = 60_000): void {
    const end = this.clock.now + ms
    for (let at = this.left.nextTimeoutAt(); at <= end; at = this.left.nextTimeoutAt()) {
      this.clock.now = at
      this.left.serve(at)
    }
    this.clock.now = end
  }

  #carry(from: number, packet: Uint8Array, outer: Readonly<OuterFields>): void {
    const bytes = packet.length + 28
    if (from === 0) this.sizes.push(bytes)
    if (bytes > this.takes && outer.dontFragment) return
    if (from === 1 && this.isDeaf) return
    if (this.loses > 0 && ++this.#count % this.loses === 0) return
    const socket = (us: number) => ({ address: parseIp(us === 0 ? '192.0.2.1' : '198.51.100.2'), port: 4500 })
    this.#sides[1 - from]!.receiveEsp(
      packet,
      0,
      packet.length,
      socket(from),
      socket(1 - from),
      this.clock.now,
      unknownOuter,
    )
  }
}

describe('probing a path', () => {
  it('finds out where packets vanish, to eight octets, and lowers the path MTU to it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 590, max: 1499 }), (takes) => {
        const path = new Path(takes)
        path.left.probe(path.state, 0)
        path.run()
        const [report] = path.reports
        expect(path.reports).toHaveLength(1)
        // 1,500 less what is lost to the alignment of ESP.
        if (takes >= Math.max(...path.sizes)) {
          expect(report!.outcome).toBe('clear')
          expect(path.state.pathMtu).toBe(Number.POSITIVE_INFINITY)
          return
        }
        expect(report).toMatchObject({ outcome: 'black-hole', state: path.state })
        expect(report!.arrives).toBeGreaterThan(takes - 16)
        expect(report!.arrives).toBeLessThan(takes + 8)
        expect(report!.lost - report!.arrives).toBeLessThanOrEqual(8)
        expect(path.state.pathMtu).toBe(report!.arrives)
        expect(Math.max(...path.sizes)).toBeLessThanOrEqual(1500)
      }),
      { numRuns: 40 },
    )
  })

  it('lets the longest packet through that it believes in, and tells the sender of longer ones', () => {
    const path = new Path(1300)
    path.left.probe(path.state, 0)
    path.run()
    path.sizes.length = 0
    for (let bytes = 1100; bytes < 1300; bytes++) {
      const packet = inner('10.1.0.1', '10.2.0.1', bytes)
      const buffer = new Uint8Array(HEADROOM + packet.length + TAILROOM)
      buffer.set(packet, HEADROOM)
      path.left.sendInner(buffer, HEADROOM, packet.length, path.clock.now)
    }
    expect(Math.max(...path.sizes)).toBeLessThanOrEqual(1300)
    expect(Math.max(...path.sizes)).toBeGreaterThan(1270)
  })

  it('is not misled by loss', () => {
    const path = new Path(9000)
    path.loses = 3
    path.left.probe(path.state, 0)
    path.run()
    expect(path.reports).toMatchObject([{ outcome: 'clear' }])
  })

  it('goes up to the MTU that is set', () => {
    const path = new Path(9000, 4000)
    path.left.probe(path.state, 0)
    path.run()
    expect(Math.max(...path.sizes)).toBeGreaterThan(3980)
    expect(Math.max(...path.sizes)).toBeLessThanOrEqual(4000)
    expect(path.state.pathMtu).toBe(4000)
  })

  it('changes nothing for a peer that answers no probes', () => {
    const path = new Path(1300)
    path.isDeaf = true
    path.left.probe(path.state, 0)
    path.run()
    expect(path.reports).toMatchObject([{ outcome: 'unanswered', arrives: 0 }])
    expect(path.sizes).toHaveLength(3)
    expect(path.state.pathMtu).toBe(Number.POSITIVE_INFINITY)
    expect(path.left.nextTimeoutAt()).toBe(Number.POSITIVE_INFINITY)
  })

  it('looks again before it forgets, and sees that the path is clear', () => {
    const path = new Path(1300)
    path.left.probe(path.state, 0)
    path.run()
    path.takes = 9000
    path.run(PATH_MTU_AGE_MS)
    expect(path.reports.map(({ outcome }) => outcome)).toEqual(['black-hole', 'clear'])
    expect(path.state.pathMtu).toBe(Number.POSITIVE_INFINITY)
  })

  it('is not starved by another peer that asks too much', () => {
    const [greedy, right] = [new Side('192.0.2.1'), new Side('198.51.100.2')]
    const modest = new Side('192.0.2.3')
    tunnel(greedy, right, { reqid: 1 })
    tunnel(modest, right, { reqid: 2, left: '10.3.0.0/16' })
    const ask = (side: Side) => {
      const state = [...side.xfrm.states()].find(({ direction }) => direction === 'out')!
      const buffer = new Uint8Array(HEADROOM + PROBE_BYTES + TAILROOM)
      writeProbe(buffer, HEADROOM, PROBE_BYTES, ProbeKind.REQUEST, 1)
      const length = state.encapsulator!.encapsulate(buffer, HEADROOM, PROBE_BYTES, 59)
      const at = HEADROOM - state.encapsulator!.headerBytes
      right.receive(buffer.slice(at, at + length), side.socket)
    }
    for (let i = 0; i < 200; i++) ask(greedy)
    expect(right.sent).toHaveLength(50)
    ask(modest)
    expect(right.sent).toHaveLength(51)
    expect(right.sent.at(-1)!.state.reqid).toBe(2)
  })

  it('ends with the state', () => {
    const path = new Path(1300)
    path.left.probe(path.state, 0)
    path.state.destroy()
    path.run()
    expect(path.reports).toEqual([])
    expect(path.left.nextTimeoutAt()).toBe(Number.POSITIVE_INFINITY)
  })
})
