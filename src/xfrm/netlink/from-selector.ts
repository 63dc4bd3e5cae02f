import { type IpAddress, isIcmp, prefixLength } from '../../ip/index.ts'
import type { PortRange, XfrmSelector } from '../port.ts'
import { isAnyPort } from '../selector.ts'
import { Family } from './numbers.ts'
import type { KernelSelector } from './structs.ts'

const ADDRESS_BYTES = 16

/** The kernel's selector that names nothing, not even a family. */
export const zeroSelector: KernelSelector = Object.freeze({
  ...{ daddr: new Uint8Array(ADDRESS_BYTES), saddr: new Uint8Array(ADDRESS_BYTES) },
  ...{ dport: 0, dportMask: 0, sport: 0, sportMask: 0, family: Family.UNSPEC, prefixlenD: 0, prefixlenS: 0 },
  ...{ proto: 0, ifindex: 0, user: 0 },
})

export const familyOf = (address: IpAddress): number => (address.length === 4 ? Family.INET : Family.INET6)

/** An address as the kernel's structures hold it: 16 octets, copied. */
export function kernelAddress(address: IpAddress): Uint8Array {
  const padded = new Uint8Array(ADDRESS_BYTES)
  padded.set(address)
  return padded
}

/** The same in the kernel's terms; undefined for ranges of addresses that are no prefix, and of ports other than one or all. */
export function kernelSelector(selector: XfrmSelector): KernelSelector | undefined {
  const { source, destination, protocol } = selector
  const [prefixlenS, prefixlenD] = [prefixLength(source), prefixLength(destination)]
  const ports = isIcmp(protocol) ? icmpPorts(selector) : portsOf(selector.sourcePort, selector.destinationPort)
  if (prefixlenS < 0 || prefixlenD < 0 || ports === undefined) return undefined
  const [sport, dport] = ports
  return {
    daddr: kernelAddress(destination.start),
    saddr: kernelAddress(source.start),
    ...{ dport: dport.value, dportMask: dport.mask, sport: sport.value, sportMask: sport.mask },
    ...{ family: familyOf(source.start), prefixlenD, prefixlenS, proto: protocol, ifindex: 0, user: 0 },
  }
}

/** The selector of one pair of addresses. */
export function pairSelector(saddr: IpAddress, daddr: IpAddress): KernelSelector {
  const bits = 8 * saddr.length
  return {
    ...zeroSelector,
    ...{ daddr: kernelAddress(daddr), saddr: kernelAddress(saddr), family: familyOf(saddr) },
    ...{ prefixlenD: bits, prefixlenS: bits },
  }
}

interface MaskedPort {
  readonly value: number
  readonly mask: number
}
const anyPort: MaskedPort = { value: 0, mask: 0 }
const onePort = (value: number): MaskedPort => ({ value, mask: 0xffff })

function portsOf(source: PortRange, destination: PortRange): readonly [MaskedPort, MaskedPort] | undefined {
  const [sport, dport] = [maskedPort(source), maskedPort(destination)]
  return sport === undefined || dport === undefined ? undefined : [sport, dport]
}

function maskedPort(range: PortRange): MaskedPort | undefined {
  if (isAnyPort(range)) return anyPort
  return range.first === range.last ? onePort(range.first) : undefined
}

/** Type and code stand together in our source port, and each in a port of the kernel's. */
function icmpPorts({ sourcePort, destinationPort }: XfrmSelector): readonly [MaskedPort, MaskedPort] | undefined {
  if (!isAnyPort(destinationPort)) return undefined
  const { first, last } = sourcePort
  if (isAnyPort(sourcePort)) return [anyPort, anyPort]
  if (first === last) return [onePort(first >>> 8), onePort(first & 0xff)]
  const isOneType = (first & 0xff) === 0 && last === first + 0xff
  return isOneType ? [onePort(first >>> 8), anyPort] : undefined
}
