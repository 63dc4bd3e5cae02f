export { explainRefusal } from '../ike/explain/refusal-text.ts'
export { type Clock, monotonicClock, systemRandom } from './clock.ts'
export { Endpoint, type EndpointEvents } from './endpoint.ts'
export type { HostSettings } from './host/settings.ts'
export { formatLogEntry, Log, type LogEntry, type LogLevel, type LogSink, logLevels, silentLog } from './log.ts'
export { NegotiationError } from './negotiation-error.ts'
export type { Established } from './negotiations.ts'
export type { EndpointOptions, ListenOptions, TunSettings } from './options.ts'
export { optionsOfConfig } from './options-of-config.ts'
export type { RenewalRequest, Renewed } from './renewals.ts'
export type {
  ChildSaReport,
  EndpointStatus,
  IkeSaReport,
  ListenReport,
  PolicyReport,
  StateReport,
  TunReport,
  UdpReport,
} from './status.ts'
export { formatIkeSas, formatPolicies, formatStates, formatStatus } from './status-text.ts'
export { UdpPaths, type WireObserver } from './udp-paths.ts'
