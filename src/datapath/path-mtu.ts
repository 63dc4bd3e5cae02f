import { IPV4_HEADER_BYTES, IPV6_HEADER_BYTES } from '../ip/index.ts'
import type { XfrmMode } from '../xfrm/port.ts'
import type { XfrmState } from '../xfrm/state.ts'

const UDP_HEADER_BYTES = 8
const TCP_HEADER_BYTES = 20
/** No stack does well with less. */
const LEAST_MSS = 88
/** A path that takes less is not believed: whoever forges ICMP could stop the traffic. RFC 1191 §3 allows 68, which none has. */
const LEAST_IPV4_MTU = 576
/** RFC 8200 §5. */
export const LEAST_IPV6_MTU = 1280
/** How long what was learnt of a path is believed. RFC 1191 §6.3. */
export const PATH_MTU_AGE_MS = 600_000
/** The most that an ESP packet may be: 65,535 less the headers in front of it. */
const MOST_IP = 65_535
/** A length field of 16 bits that counts itself. RFC 9329 §3. */
const MOST_TCP_RECORD = 65_533

/** The sizes that an inner MTU follows from. `maxInnerLength` is that of `EspEncapsulator`. */
export interface MtuTerms {
  /** Octets of the largest outer IP packet. */
  readonly pathMtu: number
  readonly outerFamily: 4 | 6
  readonly encap: 'none' | 'udp' | 'tcp'
  readonly mode: XfrmMode
  readonly innerFamily: 4 | 6
  readonly maxInnerLength: (espLength: number) => number
}

/**
 * Octets of the largest inner IP packet (without options or extension headers) that goes through as one outer packet. In TCP there is
 * no such packet, and the path does not matter.
 */
export function innerMtu({ pathMtu, outerFamily, encap, mode, innerFamily, maxInnerLength }: MtuTerms): number {
  const payload = maxInnerLength(mostEspBytes(pathMtu, outerFamily, encap))
  return Math.min(MOST_IP, mode === 'tunnel' ? payload : payload + headerBytes(innerFamily))
}

/** The same for an outbound state, with what is known of its path; `Infinity` paths give what the length fields allow. */
export function innerMtuOf(state: XfrmState, innerFamily: 4 | 6): number {
  const esp = state.encapsulator
  if (esp === undefined) return 0
  const payload = esp.maxInnerLength(mostEspBytes(state.pathMtu, outerFamilyOf(state), encapOf(state)))
  return Math.min(MOST_IP, state.mode === 'tunnel' ? payload : payload + headerBytes(innerFamily))
}

/** Octets of the largest ESP packet of an outbound state, on its path or another. No allocation. */
export const mostEspBytesOf = (state: XfrmState, pathMtu: number = state.pathMtu): number =>
  mostEspBytes(pathMtu, outerFamilyOf(state), encapOf(state))

/** The largest TCP segment that `path.mss` of an outbound state allows: what is set there, and no more than fits the path. */
export function mssOf(state: XfrmState, innerFamily: 4 | 6): number {
  const fits = innerMtuOf(state, innerFamily) - headerBytes(innerFamily) - TCP_HEADER_BYTES
  const { mss } = state.path
  return Math.max(LEAST_MSS, typeof mss === 'number' ? Math.min(mss, fits) : fits)
}

/** The least that is believed of the path of a state. */
export const leastMtuOf = (state: XfrmState): number => (outerFamilyOf(state) === 4 ? LEAST_IPV4_MTU : LEAST_IPV6_MTU)

/** Forgets what was learnt too long ago. Called for each packet. RFC 1191 §6.3. */
export function agePathMtu(state: XfrmState, now: number): void {
  if (now < state.pathMtuUntil) return
  state.pathMtu = state.path.mtu ?? Number.POSITIVE_INFINITY
  state.pathMtuUntil = Number.POSITIVE_INFINITY
}

/** Takes in that the path takes no more than `mtu` octets: never raised by it, and never below the least. True when it was lowered. */
export function lowerPathMtu(state: XfrmState, mtu: number, now: number): boolean {
  agePathMtu(state, now)
  const believed = Math.max(mtu, leastMtuOf(state))
  if (!(believed < state.pathMtu)) return false
  state.pathMtu = believed
  state.pathMtuUntil = now + PATH_MTU_AGE_MS
  return true
}

/** Takes in what a peer has confirmed, instead of all that was learnt; `Infinity`: that the path takes what is set. */
export function keepPathMtu(state: XfrmState, mtu: number, now: number): void {
  state.pathMtu = Math.min(mtu, state.path.mtu ?? Number.POSITIVE_INFINITY)
  state.pathMtuUntil = mtu === Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : now + PATH_MTU_AGE_MS
}

function mostEspBytes(pathMtu: number, outerFamily: 4 | 6, encap: MtuTerms['encap']): number {
  if (encap === 'tcp') return MOST_TCP_RECORD
  const header = headerBytes(outerFamily)
  // An IPv6 length field does not count the header.
  const most = outerFamily === 4 ? MOST_IP : MOST_IP + header
  return Math.min(pathMtu, most) - header - (encap === 'udp' ? UDP_HEADER_BYTES : 0)
}

const outerFamilyOf = (state: XfrmState): 4 | 6 => (state.daddr.length === 4 ? 4 : 6)

const encapOf = ({ encap }: XfrmState): MtuTerms['encap'] =>
  encap === undefined ? 'none' : encap.type === 'tcp' ? 'tcp' : 'udp'

const headerBytes = (family: 4 | 6): number => (family === 4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES)
