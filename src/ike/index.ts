export type { ChildSaState } from './child-sa-states.ts'
export * from './codec/index.ts'
export type {
  ChildConfig,
  ConnectionConfig,
  Identity,
  LocalConfig,
  ProposalConfig,
  PskAuth,
  RemoteConfig,
  RetransmitConfig,
  TrafficSelectorConfig,
  TransformConfig,
} from './config.ts'
export { defaultEspProposals, defaultIkeProposals } from './default-proposals.ts'
export type {
  ChildSaStatus,
  CloseReason,
  DropReason,
  EventAction,
  IkeAction,
  IkeEvent,
  IkeSaRef,
  IkeSaStatus,
  KeepaliveAction,
  MessageEvent,
  SendAction,
} from './events.ts'
export { equalIdentities, formatIdentity, identityMatches, parseIdentity } from './identity.ts'
export { type IkeDatagram, IkeEndpoint, type IkeEndpointOptions, type KnownIds } from './ike-endpoint.ts'
export type { IkeSaState } from './ike-sa-states.ts'
export {
  type ChildKeys,
  deriveChildKeys,
  deriveIkeKeys,
  deriveSkeyseed,
  deriveSkeyseedRekey,
  type IkeKeys,
} from './keymat.ts'
export { MessageProtector } from './message-crypto.ts'
export { formatProposal, parseProposal, weakAlgorithms, weakKeywords } from './proposal-keywords.ts'
export {
  type RecordedDraw,
  type RecordedStep,
  type RecordedXfrmCall,
  type RecordingHeader,
  type RecordingOptions,
  recordIke,
} from './recording.ts'
export type { Plain } from './recording-json.ts'
export type {
  AuthenticationRefusal,
  IdentityRefusal,
  PeerRefusal,
  ProposalRefusal,
  Refusal,
  TrafficSelectorRefusal,
} from './refusal.ts'
export { explainRefusal } from './refusal-text.ts'
export { defaultGateLimits, type GateLimits } from './responder-gate.ts'
export type { LocalPorts } from './runtime.ts'
export { formatTrafficSelector, parseTrafficSelector } from './traffic-selector-text.ts'
