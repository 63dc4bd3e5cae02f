import { concat } from '../../bytes/index.ts'
import { encrInfo, integInfo } from '../../crypto/transforms.ts'
import { UsageError } from '../../errors.ts'
import type { ReplayWindow } from '../../esp/index.ts'
import type {
  UdpEncap,
  XfrmLifetime,
  XfrmMark,
  XfrmMode,
  XfrmSelector,
  XfrmStateConfig,
  XfrmStateFlags,
  XfrmStateId,
} from '../port.ts'
import { StatePhase, type XfrmState } from '../state.ts'
import type { KernelReplayEsn, XfrmAttributes } from './attributes.ts'
import { familyOf, kernelAddress, kernelSelector, pairSelector, zeroSelector } from './from-selector.ts'
import { EncapType, ExtraFlag, KernelMode, NO_LIMIT, SaDirection, StateFlag } from './numbers.ts'
import type { KernelLifetime, KernelSaId, KernelSaInfo, KernelSelector } from './structs.ts'
import { algorithmAttributes, kernelHasTransforms } from './transform-names.ts'

/** A state as the kernel's messages have it. */
export interface KernelState {
  readonly body: KernelSaInfo
  readonly attributes: XfrmAttributes
}

/** One moment on two clocks: our monotonic one, and the calendar's (Unix), both in ms. */
export interface Calendar {
  readonly now: number
  readonly unixMs: number
}

/** Windows up to this many packets stand in the small structure, without ESN. */
const SMALL_WINDOW = 32
/** XFRMA_REPLAY_ESN_MAX in packets. */
export const MAX_KERNEL_WINDOW = 8 * 4096

export const kernelModes: Readonly<Record<XfrmMode, number>> = {
  transport: KernelMode.TRANSPORT,
  tunnel: KernelMode.TUNNEL,
  beet: KernelMode.BEET,
}

/**
 * A state of our tables. Its keys, which it does not have, are zeros of their length. Without `calendar` it was never added nor used.
 * A selector that the kernel cannot have is left out.
 */
export function kernelState(state: XfrmState, calendar?: Calendar): KernelState {
  const isLarval = state.phase === StatePhase.LARVAL
  const encrKey = new Uint8Array(state.encrKeyBytes + (encrInfo(state.encrId)?.saltBytes ?? 0))
  const integKey = new Uint8Array(integInfo(state.integId)?.keyBytes ?? 0)
  const since = (at: number) =>
    calendar === undefined || at < 0 ? 0n : BigInt(Math.floor((calendar.unixMs + at - calendar.now) / 1000))
  const { replayWindowDrops, replayDrops, integrityFailures } = state
  const lastUsed = since(state.usedAt)
  return {
    body: {
      ...saInfo(state, isLarval),
      current: {
        ...{ bytes: BigInt(state.bytes), packets: BigInt(state.packets) },
        ...{ addTime: since(state.addedAt), useTime: since(state.firstUsedAt) },
      },
      stats: { replayWindow: replayWindowDrops, replay: replayDrops, integrityFailed: integrityFailures },
    },
    attributes: {
      ...(isLarval ? {} : algorithmAttributes(state.encrId, encrKey, state.integId, integKey)),
      ...commonAttributes(state),
      ...replayAttributes(state, state.decapsulator?.replay),
      ...(lastUsed === 0n ? {} : { lastUsed }),
      ...(isLarval ? {} : { saDirection: state.direction === 'in' ? SaDirection.IN : SaDirection.OUT }),
    },
  }
}

/**
 * A state that is to be installed, keys included. `direction`: it is told, which the kernel knows from 6.10 on. Throws `UsageError` for
 * what the kernel does not have.
 */
export function kernelStateOfConfig(config: XfrmStateConfig, direction = false): KernelState {
  const { encr, integ, replayWindow, selector } = config
  if (!kernelHasTransforms(encr.id, integ?.id ?? 0)) throw new UsageError('encr', 'the kernel does not have it')
  if (replayWindow > MAX_KERNEL_WINDOW) throw new UsageError('replayWindow', `at most ${MAX_KERNEL_WINDOW} packets`)
  if (selector !== undefined && kernelSelector(selector) === undefined) {
    throw new UsageError('selector', 'the kernel has prefixes and single ports only')
  }
  const original = config.originalAddresses
  const fields = {
    ...{ seq: 0, ifId: 0, tfcPad: 0, flags: {}, encap: undefined, selector: undefined, outputMark: undefined },
    ...{ mark: undefined, originalSource: original?.source, originalDestination: original?.destination },
    ...config,
  }
  const isOut = config.direction === 'out'
  return {
    body: saInfo(fields, false),
    attributes: {
      ...algorithmAttributes(
        ...([encr.id, concat(encr.key, encr.salt)] as const),
        ...([integ?.id ?? 0, integ?.key ?? new Uint8Array(0)] as const),
      ),
      ...commonAttributes(fields),
      ...replayAttributes({ ...fields, ...(direction && isOut ? { replayWindow: 0 } : {}) }, undefined),
      ...(direction ? { saDirection: isOut ? SaDirection.OUT : SaDirection.IN } : {}),
    },
  }
}

/** struct xfrm_usersa_id. */
export function kernelSaId({ daddr, spi, proto }: XfrmStateId): KernelSaId {
  return { daddr: kernelAddress(daddr), spi, family: familyOf(daddr), proto }
}

/** XFRMA_MARK, unless it says nothing. */
export const markAttribute = (mark: XfrmMark | undefined): Pick<XfrmAttributes, 'mark'> =>
  mark === undefined || (mark.value === 0 && mark.mask === 0)
    ? {}
    : { mark: { value: mark.value >>> 0, mask: mark.mask >>> 0 } }

/** What states and configurations of states have in common. */
interface StateFields extends XfrmStateId {
  readonly saddr: Uint8Array
  readonly direction: 'in' | 'out'
  readonly reqid: number
  readonly mode: XfrmMode
  readonly esn: boolean
  readonly replayWindow: number
  readonly seq: number
  readonly ifId: number
  readonly tfcPad: number
  readonly flags: XfrmStateFlags
  readonly encap: UdpEncap | undefined
  readonly selector: XfrmSelector | undefined
  readonly outputMark: XfrmMark | undefined
  readonly originalSource: Uint8Array | undefined
  readonly originalDestination: Uint8Array | undefined
  readonly lifetime: XfrmLifetime
}

function saInfo(state: StateFields, isLarval: boolean): KernelSaInfo {
  const { saddr, daddr, spi, proto } = state
  return {
    selector: selectorOf(state, isLarval),
    id: { daddr: kernelAddress(daddr), spi, proto },
    saddr: kernelAddress(saddr),
    lifetime: kernelLifetime(state.lifetime),
    current: { bytes: 0n, packets: 0n, addTime: 0n, useTime: 0n },
    stats: { replayWindow: 0, replay: 0, integrityFailed: 0 },
    seq: state.seq,
    reqid: state.reqid,
    family: familyOf(daddr),
    mode: kernelModes[state.mode],
    replayWindow: needsLargeReplay(state) || state.direction === 'out' ? 0 : state.replayWindow,
    flags: isLarval ? 0 : flagsOf(state),
  }
}

function selectorOf({ selector, saddr, daddr }: StateFields, isLarval: boolean): KernelSelector {
  if (selector === undefined) return isLarval ? pairSelector(saddr, daddr) : zeroSelector
  return kernelSelector(selector) ?? zeroSelector
}

function flagsOf({ flags, selector, esn }: StateFields): number {
  // Without a selector of its own a state carries packets of both families.
  const isAnyFamily = flags.afUnspec === true || selector === undefined
  return (
    (flags.noEcn === true ? StateFlag.NOECN : 0) |
    (flags.decapDscp === true ? StateFlag.DECAP_DSCP : 0) |
    (flags.noPmtuDisc === true ? StateFlag.NOPMTUDISC : 0) |
    (flags.icmp === true ? StateFlag.ICMP : 0) |
    (isAnyFamily ? StateFlag.AF_UNSPEC : 0) |
    (flags.align4 === true ? StateFlag.ALIGN4 : 0) |
    (esn ? StateFlag.ESN : 0)
  )
}

/** Limits in octets and packets as they are, times in whole seconds. */
export function kernelLifetime(lifetime: XfrmLifetime): KernelLifetime {
  const limit = (value: number) => (Number.isFinite(value) ? BigInt(Math.ceil(value)) : NO_LIMIT)
  // 0 is none: what ends within the first second ends after it.
  const seconds = (ms = Number.POSITIVE_INFINITY) =>
    Number.isFinite(ms) ? BigInt(Math.max(1, Math.ceil(ms / 1000))) : 0n
  return {
    softByteLimit: limit(lifetime.softBytes),
    hardByteLimit: limit(lifetime.hardBytes),
    softPacketLimit: limit(lifetime.softPackets),
    hardPacketLimit: limit(lifetime.hardPackets),
    softAddExpiresSeconds: seconds(lifetime.softMs),
    hardAddExpiresSeconds: seconds(lifetime.hardMs),
    softUseExpiresSeconds: seconds(lifetime.softUseMs),
    hardUseExpiresSeconds: seconds(lifetime.hardUseMs),
  }
}

function commonAttributes(state: StateFields): XfrmAttributes {
  const { outputMark, ifId, tfcPad, flags } = state
  const extraFlags =
    (flags.dontEncapDscp === true ? ExtraFlag.DONT_ENCAP_DSCP : 0) |
    (flags.oseqMayWrap === true ? ExtraFlag.OSEQ_MAY_WRAP : 0)
  const setsMark = outputMark !== undefined && (outputMark.value !== 0 || outputMark.mask !== 0)
  return {
    ...markAttribute(state.mark),
    ...(setsMark ? { setMark: outputMark.value >>> 0, setMarkMask: outputMark.mask >>> 0 } : {}),
    ...(ifId === 0 ? {} : { ifId }),
    ...(tfcPad === 0 ? {} : { tfcPad }),
    ...(extraFlags === 0 ? {} : { extraFlags }),
    ...encapAttribute(state),
  }
}

function encapAttribute(state: StateFields): Pick<XfrmAttributes, 'encap'> {
  const { encap, direction, originalSource, originalDestination } = state
  if (encap === undefined) return {}
  const original = direction === 'in' ? originalSource : originalDestination
  return {
    encap: {
      type: encap.type === 'tcp' ? EncapType.TCP : EncapType.UDP,
      ...{ sport: encap.sport, dport: encap.dport },
      originalAddress: kernelAddress(original ?? new Uint8Array(0)),
    },
  }
}

interface ReplayFields extends Pick<StateFields, 'direction' | 'esn' | 'replayWindow'> {
  readonly encapsulator?: { readonly sequenceHigh: number; readonly sequenceLow: number } | undefined
}

const needsLargeReplay = ({ direction, esn, replayWindow }: ReplayFields): boolean =>
  esn || (direction === 'in' && replayWindow > SMALL_WINDOW)

function replayAttributes(
  state: ReplayFields,
  window: ReplayWindow | undefined,
): Pick<XfrmAttributes, 'replay' | 'replayEsn'> {
  const oseq = state.encapsulator?.sequenceLow ?? 0
  const seq = window?.low ?? 0
  if (!needsLargeReplay(state)) {
    const bitmap = window === undefined ? 0 : (smallBitmap(window) & (2 ** Math.min(32, state.replayWindow) - 1)) >>> 0
    return { replay: { oseq, seq, bitmap } }
  }
  const oseqHi = state.encapsulator?.sequenceHigh ?? 0
  return { replayEsn: { oseq, seq, oseqHi, seqHi: window?.high ?? 0, ...largeBitmap(state, window) } }
}

/** Bit i for the number i below the highest. */
function smallBitmap(window: ReplayWindow): number {
  let bitmap = 0
  for (let behind = 0; behind < SMALL_WINDOW; behind++) if (isSeen(window, behind)) bitmap |= 1 << behind
  return bitmap >>> 0
}

/** The highest number n stands at bit (n - 1) % size, those below it before that, around the end. */
function largeBitmap(
  { direction, replayWindow }: ReplayFields,
  window: ReplayWindow | undefined,
): Pick<KernelReplayEsn, 'replayWindow' | 'bitmap'> {
  // The kernel wants a window of whoever has ESN, even of states that receive nothing.
  const size = window?.size ?? (direction === 'out' ? Math.min(replayWindow, SMALL_WINDOW) : replayWindow)
  const bitmap = new Uint32Array(Math.ceil(size / 32))
  if (window === undefined || (window.low === 0 && window.high === 0))
    return { replayWindow: size, bitmap: [...bitmap] }
  const top = ((window.low - 1) >>> 0) % size
  for (let behind = 0; behind < size; behind++) {
    if (!isSeen(window, behind)) continue
    const bit = (top - behind + size) % size
    bitmap[bit >>> 5] = bitmap[bit >>> 5]! | (1 << (bit & 31))
  }
  return { replayWindow: size, bitmap: [...bitmap] }
}

function isSeen({ low, bitmap }: ReplayWindow, behind: number): boolean {
  const number = (low - behind) >>> 0
  return (bitmap[(number >>> 5) % bitmap.length]! & (1 << (number & 31))) !== 0
}
