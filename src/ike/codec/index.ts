export type { AuthPayload } from './auth.ts'
export type { CertPayload } from './cert.ts'
export type { CertReqPayload } from './certreq.ts'
export type { ConfigurationAttribute, CpPayload } from './cp.ts'
export type { DeletePayload } from './delete.ts'
export type { EapPayload } from './eap.ts'
export {
  type DecodedHeader,
  decodeHeader,
  encodeHeader,
  type IkeFlags,
  type IkeHeader,
  ikeHeaderBytes,
  type OutgoingHeader,
  patchHeader,
} from './header.ts'
export { encodeIdBody, type IdPayload } from './id.ts'
export type { KePayload } from './ke.ts'
export {
  maxCfgAttributes,
  maxPayloads,
  maxProposals,
  maxTransformAttributes,
  nonceBytes,
  payloadLimits,
} from './limits.ts'
export { decodeMessage, encodeMessage, type IkeMessage } from './message.ts'
export { describePayload, exchangeName, notifyName, payloadName } from './names.ts'
export type { NoncePayload } from './nonce.ts'
export type { NotifyPayload } from './notify.ts'
export { isErrorNotify, NotifyType } from './notify-types.ts'
export {
  AuthMethod,
  CertEncoding,
  CfgAttribute,
  CfgType,
  EapCode,
  ExchangeType,
  IdType,
  isInitial,
  PayloadType,
  ProtocolId,
  TransformAttributeType,
  TsType,
} from './numbers.ts'
export {
  decodePayloads,
  encodePayloads,
  genericHeaderBytes,
  type Payload,
  type PayloadKind,
  payloadTypes,
} from './payload.ts'
export type { PsPayload } from './ps.ts'
export {
  keyLengthAttribute,
  keyLengthOf,
  type Proposal,
  type SaPayload,
  type Transform,
  type TransformAttribute,
} from './sa.ts'
export type { SkPayload } from './sk.ts'
export type { SkfPayload } from './skf.ts'
export type { AddressRangeSelector, TrafficSelector, TsPayload, UnknownSelector } from './ts.ts'
export type { UnknownPayload } from './unknown.ts'
export type { VendorPayload } from './vendor.ts'
