export type { Algorithm, AlgorithmWithIcv } from './algorithm.ts'
export type { KernelReplayEsn, UnknownAttribute, XfrmAttributes } from './attributes.ts'
export { kernelEvent } from './from-event.ts'
export { type KernelPolicy, kernelIndex, kernelPolicy, kernelPolicyOfConfig } from './from-policy.ts'
export { kernelSelector } from './from-selector.ts'
export { type Calendar, type KernelState, kernelState, kernelStateOfConfig } from './from-state.ts'
export type { ByteOrder } from './layout.ts'
export {
  type DecodedXfrmMessage,
  decodeXfrmMessage,
  decodeXfrmMessages,
  type EncodeOptions,
  encodeXfrmMessage,
  NetlinkFlag,
  type NetlinkHeader,
  type XfrmMessage,
  type XfrmMessageBody,
  type XfrmMessageType,
} from './message.ts'
export {
  AeventFlag,
  EncapType,
  ExtraFlag,
  Family,
  KernelMode,
  NO_LIMIT,
  PolicyFlag,
  SaDirection,
  StateFlag,
} from './numbers.ts'
export {
  encodeAllocSpi,
  encodeDelPolicy,
  encodeDelSa,
  encodeDump,
  encodeMigrate,
  encodeNewPolicy,
  encodeNewSa,
  encodeUpdPolicy,
  encodeUpdSa,
  type RequestOptions,
} from './requests.ts'
export type {
  KernelAcquire,
  KernelLifetime,
  KernelLifetimeCurrent,
  KernelMigration,
  KernelPolicyId,
  KernelPolicyInfo,
  KernelSaId,
  KernelSaInfo,
  KernelSelector,
  KernelTemplate,
} from './structs.ts'
