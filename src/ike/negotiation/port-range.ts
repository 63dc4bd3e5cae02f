import type { PortRange } from '../../xfrm/port.ts'

/** Every port, and packets that show none. */
export const anyPort: PortRange = Object.freeze({ first: 0, last: 65535 })

/** The packets whose ports cannot be seen (fragments): RFC 7296 §3.13.1 writes them as a range from 65535 to 0. */
export const opaquePort: PortRange = Object.freeze({ first: 65535, last: 0 })

/** True for every port, seen or not. */
export const isAny = (ports: PortRange) => ports.first === 0 && ports.last === 65535
/** True for the packets whose ports cannot be seen. */
export const isOpaque = (ports: PortRange) => ports.first === 65535 && ports.last === 0

/** The ports that both select, undefined for none. OPAQUE is in any, and in no range of numbers. */
export function intersectPorts(a: PortRange, b: PortRange): PortRange | undefined {
  if (isAny(a)) return isEmpty(b) ? undefined : b
  if (isAny(b)) return isEmpty(a) ? undefined : a
  if (isOpaque(a) || isOpaque(b)) return isOpaque(a) && isOpaque(b) ? opaquePort : undefined
  const common = { first: Math.max(a.first, b.first), last: Math.min(a.last, b.last) }
  return isEmpty(common) ? undefined : common
}

const isEmpty = (ports: PortRange) => ports.first > ports.last && !isOpaque(ports)
