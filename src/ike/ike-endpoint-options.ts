import type { CryptoProvider, RandomSource } from '../crypto/provider.ts'
import { UsageError } from '../errors.ts'
import type { SocketAddress } from '../ip/address.ts'
import type { XfrmPort } from '../xfrm/port.ts'
import type { ConnectionConfig } from './config.ts'
import type { GateLimits } from './gate/responder-gate.ts'
import type { Asks, LocalPorts } from './runtime.ts'

export interface IkeEndpointOptions {
  readonly crypto: CryptoProvider
  /** The only source of randomness: with a seeded one a handshake repeats to the octet. */
  readonly random: RandomSource
  readonly xfrm: XfrmPort
  readonly connections: readonly ConnectionConfig[]
  /** Our own UDP ports, 500 and 4500 when absent. */
  readonly ports?: LocalPorts
  readonly limits?: Partial<GateLimits>
  /**
   * 16 random octets or more that outlive a crash; left out: no tokens are given. With them peers believe at once that an IKE_SA was
   * lost. RFC 6290.
   */
  readonly qcdSecret?: Uint8Array
  /** Our software, in printable ASCII, for peers that ask; left out: we do not say. RFC 7296 §2.20. */
  readonly applicationVersion?: string
  /** Questions that are asked only when somebody answers them; default: none of them. */
  readonly asks?: Asks
}

/** An IKE datagram without its non-ESP marker. `message` is borrowed for the duration of the call. */
export interface IkeDatagram {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly message: Uint8Array
}

/** The message ids of the next request, ours and the peer's. */
export interface KnownIds {
  readonly sent: number
  readonly received: number
}

/** What cannot be carried is refused before anything begins, with `UsageError`. */
export function refuseTransport(connections: readonly ConnectionConfig[], xfrm: XfrmPort): void {
  if (xfrm.carriesTransport === true) return
  for (const { name, children } of connections) {
    const child = children.find(({ mode }) => mode === 'transport')
    if (child === undefined) continue
    throw new UsageError(
      'mode',
      `connections.${name}.children.${child.name} is to use transport mode, which is not carried here`,
    )
  }
}
