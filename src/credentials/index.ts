export {
  type Answerer,
  type AnswerParts,
  answersOf,
  type EapPeerHandle,
  type EapServerHandle,
  type Policy,
  type SigningHandle,
  type VerifyingHandle,
} from './answers.ts'
export type { Companion, CompanionWorld, SessionTraffic } from './companion.ts'
export { httpFetch } from './http-fetch.ts'
export { type ExternalKey, OwnKey, type OwnKeyOptions } from './own-key.ts'
export type { RadiusAdmission } from './radius-session.ts'
export { type RadiusDisconnect, RadiusSessions, type RadiusSessionsOptions } from './radius-sessions.ts'
export { type RawPeerKey, Trust, type TrustOptions, type TrustWorld } from './trust.ts'
