import type { IpAddress, SocketAddress } from '../ip/address.ts'

/**
 * Called for each datagram. `buffer` is borrowed until the handler returns and may be written to (decrypted in place).
 * `remote` is never written to after it was handed out and may be kept; do not write to its address.
 */
export type UdpMessageHandler = (buffer: Uint8Array, offset: number, length: number, remote: SocketAddress) => void

/** A datagram that could not be sent, or (without `remote`) a failure to receive. The socket goes on working. */
export interface UdpFailure {
  /** The system's error code: `EMSGSIZE`, `ENETUNREACH`, `ECONNREFUSED`, `EPERM`, ... */
  readonly code: string
  readonly remote: SocketAddress | undefined
  /** Octets of the datagram that was not sent; 0 for receiving. */
  readonly length: number
  readonly cause: Error
}

/** A bound UDP socket of one address family. */
export interface UdpSocket {
  /** Where it is bound; the port is the real one when 0 was asked for. */
  readonly local: SocketAddress
  readonly stats: Readonly<UdpStats>
  /**
   * Sends `length` octets at `offset` to `remote`, which must be of the socket's family. The octets are copied: `buffer`
   * and `remote` are free again on return. Never throws: failures are counted and reported to `onError`; when
   * `maxQueued` datagrams wait for the kernel, the datagram is dropped and counted in `stats.sendDrops`.
   */
  send(buffer: Uint8Array, offset: number, length: number, remote: SocketAddress): void
  /** Sets the one handler for datagrams (a second call replaces the first). Datagrams before the first call are dropped. */
  onMessage(handler: UdpMessageHandler): void
  /** Sets the one handler for failures. */
  onError(handler: (failure: UdpFailure) => void): void
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
  /** Not handed to the kernel: the queue was full, the socket closed, or the octets were not inside the buffer. */
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
  /** Datagrams that may wait for the kernel; default 1024. */
  readonly maxQueued?: number
}
