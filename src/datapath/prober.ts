import { IpProtocol } from '../ip/index.ts'
import type { XfrmState } from '../xfrm/state.ts'
import type { Xfrm } from '../xfrm/xfrm.ts'
import type { SendEsp } from './outbound.ts'
import { newOuterFields } from './outer.ts'
import { agePathMtu, keepPathMtu, leastMtuOf, mostEspBytesOf, PATH_MTU_AGE_MS } from './path-mtu.ts'
import { PROBE_BYTES, ProbeKind, probeIdentifier, probeKind, writeProbe } from './probe-packet.ts'
import { RateLimit } from './rate-limit.ts'
import { HEADROOM, TAILROOM } from './room.ts'

/** What came of probing a path. Sizes are octets of an outer IP packet. */
export interface ProbeReport {
  readonly state: XfrmState
  /** `clear`: the longest arrives. `black-hole`: it does not, and nobody says so. `unanswered`: the peer answers no probes at all. */
  readonly outcome: 'clear' | 'black-hole' | 'unanswered'
  /** The longest that arrived, and the shortest that did not; 0 when there was none. */
  readonly arrives: number
  readonly lost: number
}

interface Probe {
  readonly state: XfrmState
  /** The longest that is looked for. */
  readonly most: number
  arrives: number
  lost: number
  /** What is on its way; 0 when it only waits to begin again. */
  size: number
  identifier: number
  tries: number
  dueAt: number
}

const ANSWER_MS = 1_000
const TRIES = 3
/** Paths that are looked into at a time. */
const MOST_PROBES = 256
/** What a search ends with: the alignment of ESP makes no use of less. */
const LEAST_STEP = 8
/** Nothing is known of the path: what an Ethernet takes. */
const USUAL_MTU = 1_500
/** It begins again before what it found out is forgotten. */
const AGAIN_MS = PATH_MTU_AGE_MS - 60_000
const REPLIES_PER_SECOND = 50

/**
 * Finds out how long a packet may be on paths where those that are too long vanish: sends dummies of known size, which a peer of our kind
 * answers, and halves the interval. Driven by `serve`, it has no timer. As RFC 8899 §5 does for datagrams.
 */
export class Prober {
  readonly #xfrm: Xfrm
  readonly #sendEsp: SendEsp
  readonly #report: (report: ProbeReport) => void
  readonly #probes = new Map<XfrmState, Probe>()
  /** By inbound state: a peer that asks too much must not make the answers to others rare, which they would take for a black hole. */
  readonly #replies = new WeakMap<XfrmState, RateLimit>()
  readonly #outer = newOuterFields()
  #buffer: Uint8Array | undefined
  #identifier = 0

  constructor(xfrm: Xfrm, sendEsp: SendEsp, report: (report: ProbeReport) => void) {
    this.#xfrm = xfrm
    this.#sendEsp = sendEsp
    this.#report = report
  }

  /** Looks into the path of an outbound state, unless it does so already. */
  start(state: XfrmState, now: number): void {
    if (state.encapsulator === undefined || state.encap?.type === 'tcp') return
    if (this.#probes.has(state) || this.#probes.size >= MOST_PROBES) return
    agePathMtu(state, now)
    const known = state.path.mtu ?? Number.POSITIVE_INFINITY
    const most = known === Number.POSITIVE_INFINITY ? USUAL_MTU : known
    const probe = { state, most, arrives: 0, lost: 0, size: 0, identifier: 0, tries: 0, dueAt: now }
    this.#probes.set(state, probe)
    this.#begin(probe, now)
  }

  /** When `serve` may next have something to do, `Infinity` for never. */
  nextTimeoutAt(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { dueAt } of this.#probes.values()) next = Math.min(next, dueAt)
    return next
  }

  /** Sends again what was not answered in time, and takes it as lost in the end. */
  serve(now: number): void {
    for (const probe of [...this.#probes.values()]) {
      if (probe.state.encapsulator === undefined) this.#probes.delete(probe.state)
      else if (probe.dueAt > now) continue
      else if (probe.size === 0) this.#begin(probe, now)
      else if (probe.tries < TRIES) this.#send(probe, now)
      else this.#lost(probe, now)
    }
  }

  /** Takes the filling of a dummy that came through `inbound`: answers a request, or hears an answer. */
  takeDummy(inbound: XfrmState, buffer: Uint8Array, at: number, length: number, now: number): void {
    const kind = probeKind(buffer, at, length)
    if (kind === 0) return
    const identifier = probeIdentifier(buffer, at)
    const outbound = this.#xfrm.outboundOf(inbound)
    if (outbound === undefined) return
    if (kind === ProbeKind.REPLY) this.#arrived(outbound, identifier, now)
    else if (this.#mayReply(inbound, now)) this.#seal(outbound, PROBE_BYTES, ProbeKind.REPLY, identifier, now)
  }

  #mayReply(inbound: XfrmState, now: number): boolean {
    let limit = this.#replies.get(inbound)
    if (limit === undefined) {
      limit = new RateLimit(REPLIES_PER_SECOND, REPLIES_PER_SECOND)
      this.#replies.set(inbound, limit)
    }
    return limit.take(now)
  }

  #begin(probe: Probe, now: number): void {
    probe.arrives = 0
    probe.lost = 0
    this.#try(probe, Math.min(leastMtuOf(probe.state), probe.most), now)
  }

  #try(probe: Probe, size: number, now: number): void {
    probe.size = size
    probe.tries = 0
    probe.identifier = this.#identifier = (this.#identifier + 1) >>> 0
    this.#send(probe, now)
  }

  #send(probe: Probe, now: number): void {
    probe.tries++
    probe.dueAt = now + ANSWER_MS
    const { state, size } = probe
    const length = Math.max(PROBE_BYTES, state.encapsulator!.maxInnerLength(mostEspBytesOf(state, size)))
    this.#seal(state, length, ProbeKind.REQUEST, probe.identifier, now)
  }

  #arrived(outbound: XfrmState, identifier: number, now: number): void {
    for (const probe of this.#probes.values()) {
      if (probe.identifier !== identifier || probe.size === 0 || probe.state.reqid !== outbound.reqid) continue
      probe.arrives = probe.size
      this.#goOn(probe, now)
      return
    }
  }

  #lost(probe: Probe, now: number): void {
    probe.lost = probe.size
    if (probe.arrives === 0) this.#end(probe, 'unanswered', now)
    else this.#goOn(probe, now)
  }

  #goOn(probe: Probe, now: number): void {
    const { arrives, lost, most } = probe
    if (arrives >= most) this.#end(probe, 'clear', now)
    else if (lost === 0) this.#try(probe, most, now)
    else if (lost - arrives > LEAST_STEP) this.#try(probe, (arrives + lost) >>> 1, now)
    else this.#end(probe, 'black-hole', now)
  }

  #end(probe: Probe, outcome: ProbeReport['outcome'], now: number): void {
    const { state, arrives, lost } = probe
    probe.size = 0
    if (outcome === 'unanswered') this.#probes.delete(state)
    else keepPathMtu(state, outcome === 'clear' ? Number.POSITIVE_INFINITY : arrives, now)
    probe.dueAt = outcome === 'black-hole' ? now + AGAIN_MS : Number.POSITIVE_INFINITY
    if (outcome === 'clear') this.#probes.delete(state)
    this.#report({ state, outcome, arrives, lost })
  }

  #seal(state: XfrmState, length: number, kind: number, identifier: number, now: number): void {
    const esp = state.encapsulator
    if (esp === undefined || this.#xfrm.expired(state, now)) return
    this.#buffer ??= new Uint8Array(HEADROOM + 65_535 + TAILROOM)
    const buffer = this.#buffer
    writeProbe(buffer, HEADROOM, length, kind, identifier)
    const bytes = esp.encapsulate(buffer, HEADROOM, length, IpProtocol.NO_NEXT_HEADER)
    if (bytes < 0) return
    this.#outer.dontFragment = kind === ProbeKind.REQUEST
    this.#xfrm.account(state, 0, now)
    this.#sendEsp(buffer, HEADROOM - esp.headerBytes, bytes, state, this.#outer)
  }
}
