/**
 * Typeswan: a userspace VPN endpoint (IKEv2 and ESP), to be embedded or run. The parts that it is made of have subpaths of
 * their own: `typeswan/ike`, `/esp`, `/xfrm`, `/nat-t`, `/crypto`, `/testing`, ...
 */
export * from './config/index.ts'
export type {
  EapPeerHandle,
  EapServerHandle,
  Policy,
  SigningHandle,
  VerifyingHandle,
} from './credentials/answers.ts'
export {
  type EapConversation,
  EapMethods,
  type EapMethodsOptions,
  type EapPeerRole,
  type EapServerRole,
} from './credentials/eap.ts'
export { type ExternalKey, OwnKey } from './credentials/own-key.ts'
export {
  AddressPools,
  answerAssign,
  type Lease,
  type LeaseStore,
  leaseIdentity,
  type PoolAttributes,
  type PoolConfig,
  type PoolStatus,
  parsePoolRange,
} from './credentials/pool.ts'
export { poolAttributes } from './credentials/pool-attributes.ts'
export { type RadiusEapServerOptions, radiusEapServer } from './credentials/radius.ts'
export { type RawPeerKey, Trust, type TrustOptions, type TrustWorld } from './credentials/trust.ts'
export type { CryptoProvider, RandomSource } from './crypto/provider.ts'
export * from './endpoint/index.ts'
export {
  ConfigError,
  DecodeError,
  PeerError,
  PlatformError,
  TypeswanError,
  UsageError,
} from './errors.ts'
export type { ChildConfig, ConnectionConfig, Identity, ProposalConfig, TrafficSelectorConfig } from './ike/config.ts'
export type { ChildSaStatus, CloseReason, IkeEvent, IkeSaRef, IkeSaStatus, MessageEvent } from './ike/events.ts'
export type { Refusal } from './ike/explain/refusal.ts'
export { formatIp, formatSocketAddress, type IpAddress, parseIp, type SocketAddress } from './ip/address.ts'
export {
  canOpenTun,
  createMemoryTun,
  type MemoryTun,
  openTun,
  type TunDevice,
  type TunOptions,
} from './tap-tun/index.ts'
