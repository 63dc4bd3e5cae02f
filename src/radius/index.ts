export {
  type AccountedSession,
  type AccountedTraffic,
  RadiusAccounting,
  TerminateCause,
} from './accounting.ts'
export { RadiusType } from './attributes.ts'
export {
  RadiusClient,
  type RadiusClientOptions,
  type RadiusDrop,
  type RadiusOutcome,
  type RadiusRequest,
  type RadiusServer,
} from './client.ts'
export {
  DisconnectServer,
  type DisconnectServerOptions,
  type DisconnectTarget,
  type SessionChange,
} from './disconnect-server.ts'
export {
  type RadiusAsk,
  RadiusEapConversation,
  type RadiusEapOptions,
  type RadiusEapResult,
} from './eap-conversation.ts'
export type { RadiusNas, RadiusPort } from './nas.ts'
export { type RadiusAttribute, RadiusCode } from './packet.ts'
export { type RadiusSession, radiusSession } from './session-data.ts'
export { type DisconnectListener, listenForDisconnect, listenForDisconnects, UdpRadiusClient } from './udp.ts'
