import type { IpAddress, SocketAddress } from '../ip/address.ts'

/** What the IP header of a datagram says apart from addresses. */
export interface IpFields {
  /** IPv4's type of service, IPv6's traffic class: DSCP and ECN. -1 for not known. */
  trafficClass: number
  /** TTL or hop limit; 0 for the system's default, or not known. */
  hopLimit: number
  /** IPv4's DF; with IPv6, that we do not fragment. Of datagrams received true where nobody can tell. */
  dontFragment: boolean
  /** For sending: a mark for routing rules, in place of the socket's; 0 or absent for that. */
  mark?: number
}

/**
 * Called for each datagram. `buffer` is borrowed until the handler returns and may be written to (decrypted in place).
 * `remote` is never written to after it was handed out and may be kept; do not write to its address. `fields` is borrowed too.
 */
export type UdpMessageHandler = (
  buffer: Uint8Array,
  offset: number,
  length: number,
  remote: SocketAddress,
  fields: Readonly<IpFields>,
) => void

/** How datagrams get to the kernel: libc's `sendmsg`, or Node's own sockets, which neither set nor know what an IP header says. */
export type UdpBackend = 'sendmsg' | 'node:dgram'

/** An ICMP error about a datagram of ours, or the system's own word that it is too long for the link. Nobody has authenticated it. */
export interface UdpPathError {
  /** `EMSGSIZE`, `ECONNREFUSED`, `EHOSTUNREACH`, ... */
  readonly code: string
  /** With `EMSGSIZE`: what the link takes, in octets of an IP packet. Else 0. */
  readonly mtu: number
  /** Where the datagram was to go. */
  readonly remote: SocketAddress
  /** The beginning of its payload, as far as it was quoted; borrowed. */
  readonly quoted: Uint8Array
}

/** A datagram that could not be sent, or (without `remote`) a failure to receive. The socket goes on working. */
export interface UdpFailure {
  /** The system's error code: `EMSGSIZE`, `ENETUNREACH`, `ECONNREFUSED`, `EPERM`, ... */
  readonly code: string
  readonly remote: SocketAddress | undefined
  /** Octets of the datagram that was not sent; 0 for receiving. */
  readonly length: number
  readonly cause: Error
}

/** A bound socket of one address family, of UDP or of plain ESP (whose ports are 0). */
export interface UdpSocket {
  readonly backend: UdpBackend
  /** Where it is bound; the port is the real one when 0 was asked for. */
  readonly local: SocketAddress
  readonly stats: Readonly<UdpStats>
  /**
   * Sends `length` octets at `offset` to `remote`, which must be of the socket's family. The octets are copied: `buffer`
   * and `remote` are free again on return. Never throws: failures are counted and reported to `onError`; when
   * `maxQueued` datagrams wait for the kernel, the datagram is dropped and counted in `stats.sendDrops`. `fields` says what the
   * IP header is to carry, where the backend can: without it, what the system puts there.
   */
  send(buffer: Uint8Array, offset: number, length: number, remote: SocketAddress, fields?: Readonly<IpFields>): void
  /** Sets the one handler for datagrams (a second call replaces the first). Datagrams before the first call are dropped. */
  onMessage(handler: UdpMessageHandler): void
  /** Sets the one handler for failures. */
  onError(handler: (failure: UdpFailure) => void): void
  /** Sets the one handler for ICMP errors, which `node:dgram` never hears of. */
  onPathError(handler: (error: UdpPathError) => void): void
  /** Closes after the queued datagrams have gone out, or after a quarter of a second. May be called again. */
  close(): Promise<void>
}

export interface UdpStats {
  messagesReceived: number
  bytesReceived: number
  messagesSent: number
  bytesSent: number
  /** The kernel refused to send; each was also reported to `onError`. */
  sendErrors: number
  /** Not taken by the kernel: a queue was full, the socket closed, or the octets were not inside the buffer. */
  sendDrops: number
  receiveErrors: number
  /** What the kernel granted, in octets; on Linux this is the double of what `net.core.rmem_max` allowed. */
  receiveBufferBytes: number
  sendBufferBytes: number
}

export interface UdpOptions {
  /** An address of this host, or all zeros for every address of that family (IPv6 then leaves IPv4 alone). */
  readonly address: IpAddress
  /** 0 lets the kernel choose. */
  readonly port: number
  /**
   * Receive buffer to ask the kernel for, in octets; default 4 MiB: about a quarter of a second at 100 Mbit/s while the
   * process is busy. Linux silently grants at most `net.core.rmem_max` (212992 on most systems: raise it with
   * `sysctl -w net.core.rmem_max=4194304`).
   */
  readonly receiveBufferBytes?: number
  /** Send buffer to ask for; default 4 MiB; limited by `net.core.wmem_max`. */
  readonly sendBufferBytes?: number
  /** Datagrams that may wait for the kernel; default 1024. `sendmsg` keeps none: the socket's buffer is the queue. */
  readonly maxQueued?: number
  /** SO_MARK: put on all that is sent, for routing rules. Needs `sendmsg`; 0 or absent for none. */
  readonly mark?: number
}

/** New counters, all 0 but the sizes. */
export function newUdpStats(receiveBufferBytes: number, sendBufferBytes: number): UdpStats {
  return {
    messagesReceived: 0,
    bytesReceived: 0,
    messagesSent: 0,
    bytesSent: 0,
    sendErrors: 0,
    sendDrops: 0,
    receiveErrors: 0,
    receiveBufferBytes,
    sendBufferBytes,
  }
}
