import { readU32 } from '../bytes/index.ts'
import { type IcmpError, type IpAddress, IpProtocol, newIcmpError, parseIcmpError } from '../ip/index.ts'
import type { XfrmState } from '../xfrm/state.ts'
import type { Xfrm } from '../xfrm/xfrm.ts'
import { lowerPathMtu } from './path-mtu.ts'
import { RateLimit } from './rate-limit.ts'

/** What the outer network says of a packet of ours that was too long. Nobody has authenticated it. */
export interface OuterTooBig {
  /** The addresses of the packet that did not get through, in its own direction. */
  readonly source: IpAddress
  readonly destination: IpAddress
  /** Its UDP ports; both 0 for plain ESP. */
  readonly sourcePort: number
  readonly destinationPort: number
  /** Its SPI; 0 when so much is not known, with UDP. */
  readonly spi: number
  /** The lower half of its sequence number; -1 when that is not known. */
  readonly sequence: number
  /** What the link takes, in octets of an IP packet. */
  readonly mtu: number
}

/** Errors about our packets that are believed: a path changes seldom, and each may be forged. RFC 4301 §8.2.1. */
const PER_SECOND = 10
const BURST = 20
/** A quoted sequence number must be one of so many that were used last. */
const RECENT_PACKETS = 4096
/** UDP header and SPI. */
const UDP_HEADER_BYTES = 8
/** RFC 1191 §7.1, for routers that do not say what they take. */
const plateaus = [32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296, 68]

/** Lowers the path MTU of states by ICMP errors of the outer network, within what forged ones may do. RFC 4301 §8.2. */
export class OuterIcmp {
  readonly #xfrm: Xfrm
  readonly #lowered: (state: XfrmState, now: number) => void
  readonly #limit = new RateLimit(PER_SECOND, BURST)
  readonly #error = newIcmpError()

  /** `lowered` is told of each state whose path MTU was lowered. */
  constructor(xfrm: Xfrm, lowered: (state: XfrmState, now: number) => void) {
    this.#xfrm = xfrm
    this.#lowered = lowered
  }

  /** See `Datapath.receiveIcmp`. */
  receive(buffer: Uint8Array, offset: number, length: number, protocol: number, now: number): boolean {
    const error = this.#error
    if (!parseIcmpError(buffer, offset, length, protocol, error) || !error.isTooBig) return false
    const mtu = error.mtu > 0 ? error.mtu : (plateaus.find((size) => size < error.quotedTotal) ?? 0)
    // A link that would have taken the packet has nothing to complain of.
    if (mtu >= error.quotedTotal) return false
    const told = tooBigOf(buffer, error, mtu)
    return told !== undefined && this.tell(told, now)
  }

  /** See `Datapath.tooBigOutside`. */
  tell(told: OuterTooBig, now: number): boolean {
    let lowered = false
    let isBelieved = false
    for (const state of this.#xfrm.statesBetween(told.source, told.destination)) {
      if (!isAbout(told, state)) continue
      // Only here: else whoever knows nothing of our packets could hold back the errors about them.
      isBelieved ||= this.#limit.take(now)
      if (!isBelieved) return false
      if (!lowerPathMtu(state, told.mtu, now)) continue
      lowered = true
      this.#lowered(state, now)
    }
    return lowered
  }
}

/** The packet of ours that the error quotes; undefined when it is neither ESP nor ESP in UDP. */
function tooBigOf(buffer: Uint8Array, { quoted, quotedEnd }: IcmpError, mtu: number): OuterTooBig | undefined {
  const isUdp = quoted.protocol === IpProtocol.UDP
  if ((!isUdp && quoted.protocol !== IpProtocol.ESP) || (isUdp && !quoted.portsKnown)) return undefined
  const at = quoted.transportOffset + (isUdp ? UDP_HEADER_BYTES : 0)
  const hasSpi = at + 4 <= quotedEnd
  const spi = hasSpi ? readU32(buffer, at) : 0
  // Of plain ESP that much is quoted always. With UDP an SPI of zero is the marker in front of IKE.
  if (spi === 0 && (hasSpi || !isUdp)) return undefined
  return {
    source: quoted.source.slice(0, quoted.addressBytes),
    destination: quoted.destination.slice(0, quoted.addressBytes),
    sourcePort: isUdp ? quoted.sourcePort : 0,
    destinationPort: isUdp ? quoted.destinationPort : 0,
    spi,
    sequence: at + 8 <= quotedEnd ? readU32(buffer, at + 4) : -1,
    mtu,
  }
}

function isAbout({ sourcePort, destinationPort, spi, sequence }: OuterTooBig, state: XfrmState): boolean {
  const { encap, encapsulator } = state
  // What goes in TCP is cut by TCP, whose ports may be the same as those of UDP.
  if (encapsulator === undefined || encap?.type === 'tcp' || (spi !== 0 && state.spi !== spi)) return false
  if ((encap?.sport ?? 0) !== sourcePort || (encap?.dport ?? 0) !== destinationPort) return false
  if (spi === 0 || sequence < 0) return true
  const age = (encapsulator.sequenceLow - sequence) >>> 0
  return age < RECENT_PACKETS && (age < encapsulator.sequenceLow || encapsulator.sequenceHigh > 0)
}
