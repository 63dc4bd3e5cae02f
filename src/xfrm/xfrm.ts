import { readU32 } from '../bytes/index.ts'
import type { CryptoProvider, RandomSource } from '../crypto/provider.ts'
import { UsageError } from '../errors.ts'
import { type IpAddress, IpProtocol, type PacketFlow, type SocketAddress } from '../ip/index.ts'
import { Asking, type XfrmWaiter } from './asking.ts'
import { Bundle, type OutVerdict, stateOf } from './bundle.ts'
import { checkPath } from './inbound-check.ts'
import { hardLimitReached, nextTimeLimit, softLimitReached } from './lifetime.ts'
import { markValue } from './mark.ts'
import { checkMigrations, migrateStates, migrateTemplates, policyToMigrate } from './migrate.ts'
import { XfrmMonitor } from './monitor.ts'
import { PolicyDirection, type XfrmPolicy } from './policy.ts'
import type {
  LarvalState,
  MigrateRequest,
  XfrmListener,
  XfrmPolicyConfig,
  XfrmPort,
  XfrmStateChange,
  XfrmStateConfig,
  XfrmStateId,
} from './port.ts'
import { duplicate, Sad } from './sad.ts'
import { SharedParts } from './shared-parts.ts'
import { Spd } from './spd.ts'
import { freeSpi } from './spi.ts'
import { StatePhase, XfrmState } from './state.ts'
import { XfrmCounter, XfrmStats } from './stats.ts'
import { NO_WORKER } from './workers.ts'

/** SPIs that name no state. RFC 4303 §2.1. */
const RESERVED_SPIS = 255
const UNKNOWN_SPI_PAUSE_MS = 1_000
/** Who is told of a mapping may look into it for a while, and find that it was forged or has changed once more. */
const MAPPING_PAUSE_MS = 1_000

export interface XfrmOptions {
  readonly crypto: CryptoProvider
  /** For IVs that must be unpredictable. */
  readonly random: RandomSource
  /** Told of acquire, expire and mapping, within the call that brings them about. It may call back at once, and must not throw. */
  readonly listener: XfrmListener
  /** Monotonic ms. The calls of `XfrmPort` carry no time, so installation reads it here; packets bring their own `now`. */
  readonly clock: () => number
  /** The packets of hosts in transport mode find their way into the datapath. Default: they do not. */
  readonly carriesTransport?: boolean
  /** Whoever sends its packets can do without UDP; see `XfrmPort.carriesPlainEsp`. Default: not. */
  readonly carriesPlainEsp?: boolean
}

/**
 * The SA and policy databases of one network namespace, with the verbs of the kernel's XFRM. IKE drives it through
 * `XfrmPort`; a datapath asks it about each packet. A state that meets its hard limit is removed and its keys wiped at
 * once. RFC 4301 §4.4.
 */
export class Xfrm implements XfrmPort {
  readonly stats = new XfrmStats()
  /** Who watches what happens here, beside the listener. */
  readonly monitor = new XfrmMonitor()
  /** What `decide` found: valid until it is called again. */
  readonly bundle = new Bundle()
  readonly clock: () => number
  readonly carriesTransport: boolean
  readonly carriesPlainEsp: boolean
  readonly #crypto: CryptoProvider
  readonly #random: RandomSource
  readonly #listener: XfrmListener
  readonly #sad: Sad
  readonly #parts = new SharedParts()
  readonly #spd = new Spd(this.#parts)
  readonly #asking: Asking
  readonly #path: (XfrmState | undefined)[] = [undefined]
  #nextExpiry = Number.POSITIVE_INFINITY
  #unknownSpiFrom = Number.NEGATIVE_INFINITY

  constructor(options: XfrmOptions) {
    this.#crypto = options.crypto
    this.#random = options.random
    this.#listener = options.listener
    this.clock = options.clock
    this.carriesTransport = options.carriesTransport ?? false
    this.carriesPlainEsp = options.carriesPlainEsp ?? false
    this.#sad = new Sad(() => readU32(options.random(4), 0))
    this.#asking = new Asking({
      sad: this.#sad,
      spd: this.#spd,
      parts: this.#parts,
      listener: options.listener,
      monitor: this.monitor,
      wakeBy: (at) => this.#wakeBy(at),
    })
  }

  allocSpi(larval: LarvalState): void {
    checkProto(larval)
    this.#sad.add(XfrmState.larval(larval, this.clock(), this.#parts))
  }

  /**
   * Takes an SPI from `first` to `last`, both included, that no inbound state has, for a larval inbound state, and returns it: as it comes
   * by chance, and as long as there is one. Throws `UsageError` when all are taken.
   */
  allocSpiWithin(larval: Omit<LarvalState, 'spi'>, first: number, last: number): number {
    const spi = freeSpi(this.#random, first, last, (candidate) => {
      return (
        this.#sad.findInbound(candidate, anyAddress)?.direction !== 'in' &&
        this.#sad.find(larval.daddr, candidate, larval.proto, markValue(larval.mark)) === undefined
      )
    })
    this.allocSpi({ ...larval, spi })
    return spi
  }

  newSa(config: XfrmStateConfig): void {
    checkProto(config)
    if (!(config.reqid > 0)) throw new UsageError('reqid', 'must be above 0')
    const larval = this.#find(config)
    if (larval !== undefined && (larval.phase !== StatePhase.LARVAL || config.direction !== 'in')) {
      throw duplicate(config.spi)
    }
    const state = XfrmState.valid(config, this.#crypto, this.#random, this.clock(), this.#parts)
    if (larval !== undefined) this.#sad.remove(larval)
    this.#sad.add(state)
    this.#wakeBy(nextTimeLimit(state))
    if (this.monitor.isWatched) this.monitor.tell({ type: larval === undefined ? 'newsa' : 'updsa', state })
    this.#asking.answer(state)
  }

  updSa(id: XfrmStateId, change: XfrmStateChange): void {
    const state = this.#find(id)
    if (state === undefined) return
    this.#sad.move(state, change)
    this.#wakeBy(nextTimeLimit(state))
    if (this.monitor.isWatched) this.monitor.tell({ type: 'updsa', state })
    this.#asking.answer(state)
  }

  delSa(id: XfrmStateId): void {
    const state = this.#find(id)
    if (state === undefined) return
    this.#remove(state)
    if (this.monitor.isWatched) this.monitor.tell({ type: 'delsa', state })
  }

  lastUsed(id: XfrmStateId): number {
    return this.#find(id)?.usedAt ?? -1
  }

  skipSequence(id: XfrmStateId, count: number): void {
    this.#find(id)?.encapsulator?.skip(count)
  }

  newPolicy(config: XfrmPolicyConfig): void {
    const policy = this.#spd.add(config)
    if (this.monitor.isWatched) this.monitor.tell({ type: 'newpolicy', policy })
  }

  updPolicy(config: XfrmPolicyConfig): void {
    const policy = this.#spd.update(config)
    if (this.monitor.isWatched) this.monitor.tell({ type: 'updpolicy', policy })
    this.#asking.lookAgain(policy)
  }

  delPolicy(index: number): void {
    const policy = this.#spd.remove(index)
    if (policy === undefined) return
    if (this.monitor.isWatched) this.monitor.tell({ type: 'delpolicy', policy })
    this.#asking.abandon(policy, XfrmCounter.XfrmOutPolDead)
  }

  migrate(request: MigrateRequest): void {
    checkMigrations(request.migrations)
    const policy = policyToMigrate(this.#spd, directionNumbers[request.direction], request)
    if (policy === undefined) throw new UsageError('selector', 'no policy is for this')
    const templates = migrateTemplates(policy.templates, request.migrations)
    if (templates === undefined) throw new UsageError('migrations', 'the policy has no such template')
    migrateStates(this.#sad, request)
    this.#spd.retarget(policy, templates)
    if (this.monitor.isWatched) this.monitor.tell({ type: 'migrate', migrate: request })
    this.#asking.lookAgain(policy)
  }

  /** Who holds packets back: the outbound datapath, undefined for nobody. */
  set waiter(waiter: XfrmWaiter | undefined) {
    this.#asking.waiter = waiter
  }

  /** Installed and larval states in order of installation. */
  states(): Iterable<XfrmState> {
    return this.#sad
  }

  /** The larval states of acquires that nobody has answered. */
  acquires(): Iterable<XfrmState> {
    return this.#asking.acquires
  }

  /** The larval state of the acquire of this number, or an installed one that answered it. */
  stateBySeq(seq: number): XfrmState | undefined {
    return this.#asking.acquires.bySeq(seq) ?? [...this.#sad].find((state) => state.seq === seq && seq !== 0)
  }

  /** Policies by direction in, out, fwd, each in the order in which they are tried. */
  policies(): Iterable<XfrmPolicy> {
    return this.#spd
  }

  /** When `expireDue` may next have something to do (it may find nothing), `Infinity` for never. Monotonic ms. */
  nextExpiryAt(): number {
    return this.#nextExpiry
  }

  /** Expires states at their time limits and gives up acquires. Call it at `nextExpiryAt()` or at any time. */
  expireDue(now: number): void {
    if (now < this.#nextExpiry) return
    this.#nextExpiry = Number.POSITIVE_INFINITY
    // Copied, because the listener may install and delete while it is told.
    for (const state of [...this.#sad]) {
      if (state.phase !== StatePhase.VALID || this.expired(state, now)) continue
      this.tellSoftExpire(state, now)
      if (state.phase === StatePhase.VALID) this.#wakeBy(nextTimeLimit(state))
    }
    this.#wakeBy(this.#asking.expireDue(now))
  }

  // What follows is asked for each packet: no allocation, no throw.

  /** The state that a received packet names, of any phase and direction; see `Sad.findInbound`. */
  inboundState(spi: number, local: IpAddress, mark = 0): XfrmState | undefined {
    return this.#sad.findInbound(spi, local, mark)
  }

  /** The newest outbound state of the CHILD_SA that an inbound one belongs to. */
  outboundOf(inbound: XfrmState): XfrmState | undefined {
    return this.#sad.newestOf('out', inbound.daddr, inbound.saddr, inbound.reqid)
  }

  /** All states from one outer address to another, oldest first. Not for each packet: it makes an array. */
  statesBetween(saddr: IpAddress, daddr: IpAddress): readonly XfrmState[] {
    return this.#sad.between(saddr, daddr)
  }

  /**
   * What is to become of an outbound packet that carries `mark` and comes from the interface `ifId` (0 for none). States, and templates that
   * have none, are in `bundle`. `worker`: who carries it.
   */
  decide(flow: PacketFlow, mark = 0, ifId = 0, worker: number = NO_WORKER): OutVerdict {
    const first = this.#spd.lookup(PolicyDirection.OUT, flow, mark, ifId)
    return this.bundle.resolve(this.#sad, first, this.#spd.also, flow, worker)
  }

  /** The policy that decides first about an inner packet, undefined when none matches. */
  policyFor(direction: PolicyDirection, flow: PacketFlow, mark = 0, ifId = 0): XfrmPolicy | undefined {
    return this.#spd.lookup(direction, flow, mark, ifId)
  }

  /** The state that the policy's first template asks for, for this packet or for any. */
  stateFor(policy: XfrmPolicy, flow?: PacketFlow): XfrmState | undefined {
    return stateOf(this.#sad, policy, flow)
  }

  /**
   * Whether an inner packet may have come through `state`: `POLICY_OK`, or the `XfrmCounter` to count it under. The
   * direction is `IN`; a caller that routes packets on may ask about `FWD` too. RFC 4301 §5.2.
   */
  checkInbound(direction: PolicyDirection, flow: PacketFlow, state: XfrmState, mark = 0): number {
    this.#path[0] = state
    return checkPath(this.#spd, direction, flow, this.#path, 1, mark, state.ifId)
  }

  /** The same for one that came through `count` states, the outermost first, to the interface `ifId`; none for what came in the clear. */
  checkInboundPath(
    direction: PolicyDirection,
    flow: PacketFlow,
    path: readonly (XfrmState | undefined)[],
    count: number,
    mark = 0,
    ifId = 0,
  ): number {
    return checkPath(this.#spd, direction, flow, path, count, mark, ifId)
  }

  /** True when a hard limit is used up; then the state is gone and the listener knows. */
  expired(state: XfrmState, now: number): boolean {
    if (!hardLimitReached(state, now)) return false
    this.expireHard(state)
    return true
  }

  /** Removes a state that cannot be used any more, and tells it. */
  expireHard(state: XfrmState): void {
    this.#remove(state)
    this.#tellExpire(state, true)
  }

  /** Counts a packet of `bytes` inner octets. */
  account(state: XfrmState, bytes: number, now: number): void {
    state.packets++
    state.bytes += bytes
    state.usedAt = now
    if (state.firstUsedAt < 0) this.#firstUse(state, now)
  }

  /** Tells, once, that a soft limit is reached. */
  tellSoftExpire(state: XfrmState, now: number): void {
    if (state.softExpired || state.phase !== StatePhase.VALID || !softLimitReached(state, now)) return
    this.#sad.setDying(state)
    this.#tellExpire(state, false)
  }

  /** Tells that an authentic packet came from elsewhere; at most once a second, until `updSa` answers. */
  tellMapping(state: XfrmState, remote: SocketAddress, now: number): void {
    if (now < state.mappingFrom || state.phase !== StatePhase.VALID) return
    state.mappingFrom = now + MAPPING_PAUSE_MS
    const mapping = {
      ...idOf(state),
      reqid: state.reqid,
      oldAddress: state.saddr,
      oldPort: state.encap?.sport ?? 0,
      newAddress: remote.address.slice(),
      newPort: remote.port,
      ...(remote.tcp === true ? { newTcp: true as const } : {}),
    }
    if (this.monitor.isWatched) this.monitor.tell({ type: 'mapping', mapping, state })
    this.#listener.mapping(mapping)
  }

  /** Tells that a packet has an SPI that no state has; at most once a second, because anybody can send such. */
  tellUnknownSpi(spi: number, local: SocketAddress, remote: SocketAddress, now: number): void {
    if (now < this.#unknownSpiFrom || spi <= RESERVED_SPIS) return
    this.#unknownSpiFrom = now + UNKNOWN_SPI_PAUSE_MS
    this.#listener.unknownSpi?.({
      spi,
      local: { ...local, address: local.address.slice() },
      remote: { ...remote, address: remote.address.slice() },
    })
  }

  /** Asks for a state for one of the policy's templates, the first by default: see `Asking`. */
  acquire(policy: XfrmPolicy, flow: PacketFlow, now: number, template = policy.template): void {
    if (template !== undefined) this.#asking.ask(policy, template, flow, now)
  }

  /** Asks for a state of the worker's own, where `decide` found one of all in its place. */
  acquireForWorker(flow: PacketFlow, worker: number, now: number): void {
    const { sharing } = this.bundle
    if (sharing !== undefined) this.#asking.askForWorker(sharing, flow, worker, now)
  }

  /** Asks for all states that `decide` found missing. */
  acquireMissing(flow: PacketFlow, now: number): void {
    const { missing, askers, missingCount } = this.bundle
    for (let i = 0; i < missingCount; i++) this.#asking.ask(askers[i]!, missing[i]!, flow, now)
  }

  #find({ daddr, spi, proto, mark }: XfrmStateId): XfrmState | undefined {
    return this.#sad.find(daddr, spi, proto, markValue(mark))
  }

  #remove(state: XfrmState): void {
    this.#sad.remove(state)
    state.destroy()
  }

  #firstUse(state: XfrmState, now: number): void {
    state.firstUsedAt = now
    if (state.lifetime.softUseMs !== undefined || state.lifetime.hardUseMs !== undefined) {
      this.#wakeBy(nextTimeLimit(state))
    }
  }

  #tellExpire(state: XfrmState, hard: boolean): void {
    const expire = { ...idOf(state), reqid: state.reqid, hard }
    if (this.monitor.isWatched) this.monitor.tell({ type: 'expire', expire, state })
    this.#listener.expire(expire)
  }

  #wakeBy(at: number): void {
    if (at < this.#nextExpiry) this.#nextExpiry = at
  }
}

const anyAddress = new Uint8Array(4)
const directionNumbers = { in: PolicyDirection.IN, out: PolicyDirection.OUT, fwd: PolicyDirection.FWD } as const

const idOf = ({ daddr, spi, proto }: XfrmState): XfrmStateId => ({ daddr, spi, proto })

function checkProto({ proto, spi }: XfrmStateId): void {
  if (proto !== IpProtocol.ESP) throw new UsageError('proto', `must be ${IpProtocol.ESP}, ESP`)
  // RFC 4303 §2.1: 0 is for local use and marks IKE on port 4500.
  if (!Number.isInteger(spi) || spi < 1 || spi > 0xffffffff) throw new UsageError('spi', 'must be 1 to 2^32-1')
}
