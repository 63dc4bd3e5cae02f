export { ACQUIRE_TIMEOUT_MS, type XfrmWaiter } from './asking.ts'
export { Bundle, OutVerdict } from './bundle.ts'
export {
  type FormatOptions,
  formatEvent,
  formatPolicy,
  formatState,
  formatXfrmMessage,
  type TableFormatOptions,
} from './format/index.ts'
export { POLICY_OK } from './inbound-check.ts'
export { putMark } from './mark.ts'
export { MAX_WAITING_EVENTS, type XfrmEvent, type XfrmEventListener, XfrmEventStream, XfrmMonitor } from './monitor.ts'
export * from './netlink/index.ts'
export { MAX_TEMPLATES, PolicyDirection, XfrmPolicy } from './policy.ts'
export {
  type AddressRange,
  type LarvalState,
  type MigrateRequest,
  type Migration,
  type PortRange,
  type UdpEncap,
  unlimited,
  type XfrmAcquire,
  type XfrmExpire,
  type XfrmLifetime,
  type XfrmListener,
  type XfrmMapping,
  type XfrmMark,
  type XfrmMode,
  type XfrmPathOptions,
  type XfrmPolicyConfig,
  type XfrmPort,
  type XfrmSelector,
  type XfrmStateChange,
  type XfrmStateConfig,
  type XfrmStateFlags,
  type XfrmStateId,
  type XfrmTemplate,
} from './port.ts'
export { Sad } from './sad.ts'
export { matchesSelector, selectorOfFlow } from './selector.ts'
export { Spd } from './spd.ts'
export { StatePhase, XfrmState } from './state.ts'
export { XfrmCounter, type XfrmCounterName, XfrmStats, xfrmCounterNames } from './stats.ts'
export { Xfrm, type XfrmOptions } from './xfrm.ts'
