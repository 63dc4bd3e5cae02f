import { buildPacketTooBig, ipVersion } from '../ip/index.ts'
import type { Deliver } from './inbound.ts'
import type { DatapathOptions } from './options.ts'
import { RateLimit } from './rate-limit.ts'

/** RFC 1812 §4.3.2.8 and RFC 4443 §2.4 (f) ask for a limit: enough for every sender that begins, too few to be of use as a flood. */
const PER_SECOND = 100
const BURST = 50

/** Tells inner senders that their packets are too long. */
export class TooBig {
  readonly #deliver: Deliver
  readonly #source: NonNullable<DatapathOptions['icmpSource']>
  readonly #limit = new RateLimit(PER_SECOND, BURST)

  constructor(deliver: Deliver, source: DatapathOptions['icmpSource'] = {}) {
    this.#deliver = deliver
    this.#source = source
  }

  /** Delivers an ICMP error about the packet at `buffer[offset]`, if one may be sent. `mtu` in octets. It goes to the device that the packet came from. */
  tell(buffer: Uint8Array, offset: number, length: number, mtu: number, now: number, ifId: number): void {
    if (!this.#limit.take(now)) return
    const isIpv4 = ipVersion(buffer, offset) === 4
    const own = isIpv4 ? this.#source.ipv4 : this.#source.ipv6
    // A router behind the tunnel might say so, and no other address is known to be reachable from inside.
    const from = own ?? buffer.slice(offset + (isIpv4 ? 16 : 24), offset + (isIpv4 ? 20 : 40))
    const error = buildPacketTooBig(buffer, offset, length, mtu, from)
    if (error !== undefined) this.#deliver(error, 0, error.length, ifId, 0)
  }
}
