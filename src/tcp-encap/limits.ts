/** What TCP connections may cost. */
export interface TcpLimits {
  /** Connections in all; further ones are closed at once. */
  readonly connections: number
  /** Connections that no IKE_SA uses, in all and of one address (IPv6: one /64). */
  readonly strangers: number
  readonly strangersPerAddress: number
  /** A new connection is closed when no IKE_SA uses it after so long, however much it says. */
  readonly strangerMs: number
  /** One that an IKE_SA has left is closed after so long: there may be messages under way. RFC 9329 §6.1. */
  readonly leftMs: number
  /** Octets that wait for the peer to take them, from which on ESP packets are dropped. */
  readonly espQueueBytes: number
  /** The same for IKE messages; more, and the connection is given up. */
  readonly ikeQueueBytes: number
  /** Messages in a row that are neither IKE nor ESP that can be opened, after which the stream is taken to be damaged. */
  readonly badMessages: number
  readonly connectMs: number
}

export const defaultTcpLimits: TcpLimits = {
  connections: 10_000,
  strangers: 256,
  strangersPerAddress: 32,
  strangerMs: 10_000,
  leftMs: 3_000,
  espQueueBytes: 256 * 1024,
  ikeQueueBytes: 1024 * 1024,
  badMessages: 64,
  connectMs: 10_000,
}

/** Counters of all TCP connections. */
export interface TcpStats {
  accepted: number
  opened: number
  /** Closed at once: too many. */
  refused: number
  /** Streams that broke the framing, were damaged, or that nobody used. */
  faults: number
  messagesReceived: number
  messagesSent: number
  keepalivesReceived: number
  invalidReceived: number
  /** ESP packets that the peer was too slow to take. */
  espDropped: number
  /** What was for a connection that is not there. */
  noConnection: number
}

export const newTcpStats = (): TcpStats => ({
  accepted: 0,
  opened: 0,
  refused: 0,
  faults: 0,
  messagesReceived: 0,
  messagesSent: 0,
  keepalivesReceived: 0,
  invalidReceived: 0,
  espDropped: 0,
  noConnection: 0,
})
