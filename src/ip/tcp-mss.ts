import { readU16, writeU16 } from '../bytes/index.ts'
import { updateChecksum } from './checksum.ts'
import { Fragment, type PacketFlow } from './flow.ts'
import { IpProtocol } from './protocol.ts'

const TCP_HEADER_BYTES = 20
const SYN = 0x02
const RST = 0x04
const OPTION_END = 0
const OPTION_NOP = 1
const OPTION_MSS = 2
const MSS_OPTION_BYTES = 4

/** True for a TCP packet that may name a maximum segment size: a SYN, whole enough to hold options. */
export function isTcpSyn(buffer: Uint8Array, offset: number, flow: PacketFlow): boolean {
  if (flow.protocol !== IpProtocol.TCP || flow.fragment !== Fragment.NONE) return false
  const at = flow.transportOffset
  if (at + TCP_HEADER_BYTES > offset + flow.totalLength) return false
  return (buffer[at + 13]! & (SYN | RST)) === SYN
}

/**
 * Lowers the maximum segment size of a TCP SYN (`isTcpSyn`) to `mss` octets when it names a larger one, and corrects the
 * checksum. True when it did. A SYN without the option means 536 (1220 over IPv6) and is left alone. RFC 9293 §3.7.1, RFC 1624.
 */
export function clampMss(buffer: Uint8Array, offset: number, flow: PacketFlow, mss: number): boolean {
  const start = flow.transportOffset
  const end = Math.min(start + (buffer[start + 12]! >>> 4) * 4, offset + flow.totalLength)
  let at = start + TCP_HEADER_BYTES
  while (at < end) {
    const kind = buffer[at]!
    if (kind === OPTION_END) return false
    if (kind === OPTION_NOP) {
      at++
      continue
    }
    const bytes = at + 1 < end ? buffer[at + 1]! : 0
    if (bytes < 2 || at + bytes > end) return false
    if (kind === OPTION_MSS && bytes === MSS_OPTION_BYTES) return lower(buffer, start, at + 2, mss)
    at += bytes
  }
  return false
}

function lower(buffer: Uint8Array, start: number, at: number, mss: number): boolean {
  const before = readU16(buffer, at)
  if (before <= mss) return false
  writeU16(buffer, at, mss)
  // An option at an odd place has its octets in the halves of two words; the sum may be done in the other order of octets.
  const isOdd = ((at - start) & 1) === 1
  const field = readU16(buffer, start + 16)
  const sum = isOdd ? updateChecksum(field, swapped(before), swapped(mss)) : updateChecksum(field, before, mss)
  writeU16(buffer, start + 16, sum)
  return true
}

const swapped = (word: number): number => ((word & 0xff) << 8) | (word >>> 8)
