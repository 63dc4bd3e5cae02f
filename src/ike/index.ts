export { equalIdentities, formatIdentity, identityMatches, parseIdentity } from './auth/identity.ts'
export type { ChildSaState } from './child/child-sa-states.ts'
export * from './codec/index.ts'
export type {
  ChildConfig,
  ConnectionConfig,
  EapOnlyAuth,
  EapPeerAuth,
  EapServerAuth,
  Handle,
  Identity,
  LocalAuth,
  LocalConfig,
  NullAuth,
  ProposalConfig,
  PskAuth,
  PubkeyAuth,
  PubkeyPeerAuth,
  RemoteAuth,
  RemoteConfig,
  RetransmitConfig,
  TrafficSelectorConfig,
  TransformConfig,
} from './config.ts'
export { type AttributeValue, attributeName, decodeAttribute, encodeAttribute } from './config-payload/attribute.ts'
export {
  type Configuration,
  type EncryptedDns,
  readConfiguration,
  type SplitDomain,
  type TrustAnchor,
} from './config-payload/configuration.ts'
export type {
  AuthStatus,
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
export type {
  AuthenticationRefusal,
  IdentityRefusal,
  PeerRefusal,
  ProposalRefusal,
  Refusal,
  TrafficSelectorRefusal,
} from './explain/refusal.ts'
export { explainRefusal } from './explain/refusal-text.ts'
export { defaultGateLimits, type GateLimits } from './gate/responder-gate.ts'
export { type IkeDatagram, IkeEndpoint, type IkeEndpointOptions, type KnownIds } from './ike-endpoint.ts'
export type { IkeSaState } from './ike-sa-states.ts'
export {
  type ChildKeys,
  deriveChildKeys,
  deriveIkeKeys,
  deriveSkeyseed,
  deriveSkeyseedRekey,
  type IkeKeys,
} from './keys/keymat.ts'
export { MessageProtector } from './message/message-crypto.ts'
export { defaultEspProposals, defaultIkeProposals } from './negotiation/default-proposals.ts'
export { formatProposal, parseProposal, weakAlgorithms, weakKeywords } from './negotiation/proposal-keywords.ts'
export { formatTrafficSelector, parseTrafficSelector } from './negotiation/traffic-selector-text.ts'
export { type WeakAdvice, weakAdvice } from './negotiation/weak-advice.ts'
export type * from './questions.ts'
export {
  type RecordedDraw,
  type RecordedStep,
  type RecordedXfrmCall,
  type RecordingHeader,
  type RecordingOptions,
  recordIke,
} from './recording/recording.ts'
export type { Plain } from './recording/recording-json.ts'
export type { Asks, LocalPorts } from './runtime.ts'
