import type { CryptoProvider, RandomSource } from '../crypto/provider.ts'
import { encrInfo } from '../crypto/transforms.ts'
import { UsageError } from '../errors.ts'
import { EspDecapsulator, EspEncapsulator } from '../esp/index.ts'
import type { IpAddress } from '../ip/index.ts'
import type {
  LarvalState,
  UdpEncap,
  XfrmLifetime,
  XfrmMark,
  XfrmMode,
  XfrmPathOptions,
  XfrmSelector,
  XfrmStateChange,
  XfrmStateConfig,
  XfrmStateFlags,
} from './port.ts'
import { unlimited } from './port.ts'
import { SharedParts } from './shared-parts.ts'
import { xfrmCounterNames } from './stats.ts'
import { NO_WORKER } from './workers.ts'

/** LARVAL holds an SPI until the keys are there; DEAD was removed, its keys are wiped. */
export const StatePhase = { LARVAL: 0, VALID: 1, DEAD: 2 } as const
export type StatePhase = (typeof StatePhase)[keyof typeof StatePhase]

const noFlags: XfrmStateFlags = Object.freeze({})
const noPathOptions: XfrmPathOptions = Object.freeze({})

/** The larval state of an acquire. */
export interface AcquiringState
  extends LarvalState,
    Pick<XfrmStateConfig, 'mode' | 'selector' | 'ifId' | 'worker' | 'lifetime'> {}

/**
 * One SA in one direction: addresses, the keyed transform, lifetime and counters. The octets of the keys stay in the
 * transform; nothing here can print them. Fields are written by `xfrm` and `datapath` only.
 */
export class XfrmState {
  // What a look-up reads stands together: one line of the processor's cache.
  readonly spi: number
  readonly proto: number
  readonly direction: 'in' | 'out'
  phase: StatePhase
  readonly mark: XfrmMark | undefined
  daddr: IpAddress
  // Chains of the SAD: those with this SPI, those with this daddr and reqid, those with these addresses.
  nextSameSpi: XfrmState | undefined
  readonly reqid: number
  readonly label: string
  readonly encrId: number
  /** Octets of the cipher's key, its salt not among them; 0 without keys. */
  readonly encrKeyBytes: number
  /** 0 for AEADs. */
  readonly integId: number
  readonly esn: boolean
  readonly replayWindow: number
  /** The key manager's number of the acquire that it answers, 0 for none. */
  readonly seq: number
  readonly mode: XfrmMode
  /** See `XfrmStateConfig`; 0 for none. */
  readonly tfcPad: number
  /** The only worker whose packets it is for, -1 for all. */
  readonly worker: number
  readonly flags: XfrmStateFlags
  readonly path: XfrmPathOptions
  /** The inner addresses in transport and BEET mode, and what else may pass. */
  readonly selector: XfrmSelector | undefined
  /** Before a NAT between the ends changed them; transport mode. */
  readonly originalSource: IpAddress | undefined
  readonly originalDestination: IpAddress | undefined

  saddr: IpAddress
  encap: UdpEncap | undefined
  lifetime: XfrmLifetime
  outputMark: XfrmMark | undefined
  /** 0 for none. */
  ifId: number
  /** Only in a valid outbound state. */
  encapsulator: EspEncapsulator | undefined
  /** Only in a valid inbound state. */
  decapsulator: EspDecapsulator | undefined
  nextSameTarget: XfrmState | undefined
  previousSameTarget: XfrmState | undefined
  nextSamePair: XfrmState | undefined
  previousSamePair: XfrmState | undefined
  /** Counts installations; a newer state has a higher one. Set by the SAD. */
  serial: number

  /** ms; when it was installed. */
  readonly addedAt: number
  /** ms; when a packet last used it, -1 for never. */
  usedAt: number
  /** ms; when a packet first used it, -1 for never. */
  firstUsedAt: number
  /** Octets of inner packets. */
  bytes: number
  packets: number
  /** A soft limit was reached and told: `dying`, in the kernel's words. */
  softExpired: boolean
  /** Octets of the largest outer IP packet, `Infinity` when that is not known; outbound. */
  pathMtu: number
  /** ms; when a `pathMtu` that was learnt is forgotten, `Infinity` when none was. */
  pathMtuUntil: number
  /** From when on a `mapping` may be told (again), in ms of the caller's clock. */
  mappingFrom: number
  /** Packets older than the window. */
  replayWindowDrops: number
  /** Packets that came a second time. */
  replayDrops: number
  integrityFailures: number
  /** RFC 4303 §2.6 dummy packets, authentic and dropped. */
  dummies: number
  /** Packets with a pair of ECN codepoints that must not be. RFC 6040 §4.2. */
  ecnAlarms: number
  /** By `XfrmCounter`; most states never drop a packet, and have none. */
  #drops: Uint32Array | undefined

  private constructor(config: LarvalState & Partial<XfrmStateConfig>, now: number, parts: SharedParts) {
    this.spi = config.spi
    this.proto = config.proto
    this.direction = config.direction ?? 'in'
    this.reqid = config.reqid
    this.label = parts.label(config.label ?? '')
    this.encrId = config.encr?.id ?? 0
    this.encrKeyBytes = config.encr?.key.length ?? 0
    this.integId = config.integ?.id ?? 0
    this.esn = config.esn ?? false
    this.replayWindow = config.replayWindow ?? 0
    this.lifetime = parts.lifetime(config.lifetime ?? unlimited)
    this.seq = config.seq ?? 0
    this.mark = config.mark && { ...config.mark }
    this.outputMark = config.outputMark && { ...config.outputMark }
    this.ifId = config.ifId ?? 0
    this.mode = config.mode ?? 'tunnel'
    this.tfcPad = config.tfcPad ?? 0
    this.worker = config.worker ?? NO_WORKER
    this.flags = config.flags === undefined ? noFlags : { ...config.flags }
    this.path = config.path === undefined ? noPathOptions : { ...config.path }
    this.selector = config.selector && parts.selector(config.selector)
    const original = config.originalAddresses
    this.originalSource = original && parts.address(original.source)
    this.originalDestination = original && parts.address(original.destination)
    this.saddr = parts.address(config.saddr)
    this.daddr = parts.address(config.daddr)
    this.encap = config.encap && parts.encap(config.encap)
    this.phase = config.encr === undefined ? StatePhase.LARVAL : StatePhase.VALID
    this.encapsulator = undefined
    this.decapsulator = undefined
    this.nextSameSpi = undefined
    this.nextSameTarget = undefined
    this.previousSameTarget = undefined
    this.nextSamePair = undefined
    this.previousSamePair = undefined
    this.serial = 0
    this.addedAt = now
    this.usedAt = -1
    this.firstUsedAt = -1
    this.bytes = 0
    this.packets = 0
    this.softExpired = false
    this.pathMtu = this.path.mtu ?? Number.POSITIVE_INFINITY
    this.pathMtuUntil = Number.POSITIVE_INFINITY
    this.mappingFrom = Number.NEGATIVE_INFINITY
    this.replayWindowDrops = 0
    this.replayDrops = 0
    this.integrityFailures = 0
    this.dummies = 0
    this.ecnAlarms = 0
    this.#drops = undefined
  }

  /** Takes an SPI without keys. Addresses are copied. */
  static larval(config: LarvalState, now: number, parts = new SharedParts()): XfrmState {
    return new XfrmState(config, now, parts)
  }

  /** What an unanswered acquire leaves: a larval outbound state without SPI. Addresses are copied. */
  static acquiring(config: AcquiringState, now: number, parts: SharedParts): XfrmState {
    return new XfrmState({ ...config, direction: 'out' }, now, parts)
  }

  /** A state ready for packets; everything is copied. Throws `UsageError` for an unknown transform or a wrong key length. */
  static valid(
    config: XfrmStateConfig,
    crypto: CryptoProvider,
    random: RandomSource,
    now: number,
    parts = new SharedParts(),
  ): XfrmState {
    const hasImplicitIv = config.encr.salt.length > 0 && encrInfo(config.encr.id)?.ivBytes === 0
    // Of several senders each would begin with the same numbers, and so with the same nonces. RFC 8750 §4.
    if (hasImplicitIv && isMulticast(config.daddr)) throw new UsageError('encr', 'an implicit IV is for unicast alone')
    const state = new XfrmState(config, now, parts)
    if (config.direction === 'out') state.encapsulator = new EspEncapsulator(crypto, config, random)
    else state.decapsulator = new EspDecapsulator(crypto, config)
    return state
  }

  /** Counts a packet that was dropped at this state. `counter` is an `XfrmCounter`. */
  countDrop(counter: number): void {
    this.#drops ??= new Uint32Array(xfrmCounterNames.length)
    this.#drops[counter]!++
  }

  /** How many packets were dropped at this state, by the names of /proc/net/xfrm_stat; only what is not 0. Copied. */
  drops(): Record<string, number> {
    const counted = [...(this.#drops ?? [])].entries()
    return Object.fromEntries(
      [...counted].filter(([, n]) => n > 0).map(([counter, n]) => [xfrmCounterNames[counter]!, n]),
    )
  }

  /** Takes what changes. Only the SAD calls this, because it indexes by address. */
  move(change: XfrmStateChange): void {
    if (change.saddr !== undefined) this.saddr = change.saddr.slice()
    if (change.daddr !== undefined) this.daddr = change.daddr.slice()
    if (change.encap !== undefined) this.encap = { ...change.encap }
    if (change.outputMark !== undefined) this.outputMark = { ...change.outputMark }
    if (change.ifId !== undefined) this.ifId = change.ifId
    if (change.lifetime !== undefined) {
      this.lifetime = { ...change.lifetime }
      this.softExpired = false
    }
    // Another path: what was learnt is of the old one.
    this.pathMtu = this.path.mtu ?? Number.POSITIVE_INFINITY
    this.pathMtuUntil = Number.POSITIVE_INFINITY
    this.mappingFrom = Number.NEGATIVE_INFINITY
  }

  /** Wipes the keys. The state takes no packet any more. */
  destroy(): void {
    this.phase = StatePhase.DEAD
    this.encapsulator?.destroy()
    this.decapsulator?.destroy()
    this.encapsulator = undefined
    this.decapsulator = undefined
  }
}

/** 224.0.0.0/4 and ff00::/8. */
const isMulticast = (address: IpAddress): boolean =>
  address.length === 4 ? address[0]! >>> 4 === 0xe : address[0] === 0xff
