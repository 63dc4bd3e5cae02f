import type { LarvalState, MigrateRequest, XfrmPolicyConfig, XfrmStateConfig, XfrmStateId } from '../port.ts'
import { unlimited } from '../port.ts'
import { migrateMessage } from './from-event.ts'
import { kernelDirections, kernelIndex, kernelPolicyOfConfig } from './from-policy.ts'
import { familyOf, kernelAddress, zeroSelector } from './from-selector.ts'
import { kernelLifetime, kernelModes, kernelSaId, kernelStateOfConfig, markAttribute } from './from-state.ts'
import { type EncodeOptions, encodeXfrmMessage, NetlinkFlag, type XfrmMessage } from './message.ts'

/** What the verbs of `XfrmPort` ask of a kernel: messages for a netlink socket, with an answer wanted. */
export interface RequestOptions extends EncodeOptions {
  /** States tell their direction, which the kernel knows from 6.10 on. Default: they do not. */
  readonly direction?: boolean
}

/** XFRM_MSG_NEWSA, keys included: wipe it after use. Throws `UsageError` for what the kernel does not have. */
export function encodeNewSa(config: XfrmStateConfig, options: RequestOptions = {}): Uint8Array {
  return encodeRequest({ type: 'newsa', ...kernelStateOfConfig(config, options.direction) }, options)
}

/** XFRM_MSG_UPDSA: as `encodeNewSa`, for a state whose SPI was allocated, or that changes. */
export function encodeUpdSa(config: XfrmStateConfig, options: RequestOptions = {}): Uint8Array {
  return encodeRequest({ type: 'updsa', ...kernelStateOfConfig(config, options.direction) }, options)
}

/** XFRM_MSG_ALLOCSPI of one SPI. */
export function encodeAllocSpi(larval: LarvalState, options: RequestOptions = {}): Uint8Array {
  const { saddr, daddr, spi, proto, reqid, seq = 0, mark } = larval
  const info = {
    selector: zeroSelector,
    id: { daddr: kernelAddress(daddr), spi: 0, proto },
    saddr: kernelAddress(saddr),
    lifetime: kernelLifetime(unlimited),
    current: { bytes: 0n, packets: 0n, addTime: 0n, useTime: 0n },
    stats: { replayWindow: 0, replay: 0, integrityFailed: 0 },
    ...{ seq, reqid, family: familyOf(daddr), mode: kernelModes.tunnel, replayWindow: 0, flags: 0 },
  }
  return encodeRequest(
    { type: 'allocspi', body: { info, min: spi, max: spi }, attributes: markAttribute(mark) },
    options,
  )
}

/** XFRM_MSG_DELSA. */
export function encodeDelSa(id: XfrmStateId, options: RequestOptions = {}): Uint8Array {
  return encodeRequest({ type: 'delsa', body: kernelSaId(id), attributes: markAttribute(id.mark) }, options)
}

/** XFRM_MSG_NEWPOLICY. Throws `UsageError` for what the kernel does not have. */
export function encodeNewPolicy(config: XfrmPolicyConfig, options: RequestOptions = {}): Uint8Array {
  return encodeRequest({ type: 'newpolicy', ...kernelPolicyOfConfig(config) }, options)
}

/** XFRM_MSG_UPDPOLICY. Throws `UsageError` for what the kernel does not have. */
export function encodeUpdPolicy(config: XfrmPolicyConfig, options: RequestOptions = {}): Uint8Array {
  return encodeRequest({ type: 'updpolicy', ...kernelPolicyOfConfig(config) }, options)
}

/** XFRM_MSG_DELPOLICY by index. */
export function encodeDelPolicy(
  { index, direction, type, ifId = 0, mark }: Pick<XfrmPolicyConfig, 'index' | 'direction' | 'type' | 'ifId' | 'mark'>,
  options: RequestOptions = {},
): Uint8Array {
  const dir = kernelDirections[direction]
  const attributes = {
    policyType: { type: type === 'sub' ? 1 : 0 },
    ...markAttribute(mark),
    ...(ifId === 0 ? {} : { ifId }),
  }
  const body = { selector: zeroSelector, index: kernelIndex(index, dir), dir }
  return encodeRequest({ type: 'delpolicy', body, attributes }, options)
}

/** XFRM_MSG_MIGRATE. */
export function encodeMigrate(request: MigrateRequest, options: RequestOptions = {}): Uint8Array {
  return encodeRequest(migrateMessage(request), options)
}

/** XFRM_MSG_GETSA or XFRM_MSG_GETPOLICY for all of them. */
export function encodeDump(what: 'states' | 'policies', options: RequestOptions = {}): Uint8Array {
  const type = what === 'states' ? 'dumpsa' : 'dumppolicy'
  return encodeXfrmMessage({ type, body: {}, attributes: {} }, { ...options, flags: NetlinkFlag.REQUEST })
}

function encodeRequest(message: XfrmMessage, options: EncodeOptions): Uint8Array {
  return encodeXfrmMessage(message, { flags: NetlinkFlag.REQUEST | NetlinkFlag.ACK, ...options })
}
