import { IpProtocol, isIcmp } from '../../ip/index.ts'
import { Family } from '../netlink/numbers.ts'
import type { KernelSelector } from '../netlink/structs.ts'
import { protocolName } from './protocol-names.ts'
import { type FormatOptions, formatAddress, interfaceName } from './style.ts'

const GRE = 47

/** A selector's line, without its end. `family` is that of a selector that says none. */
export function formatSelector(selector: KernelSelector, family: number, options: FormatOptions): string {
  const of = selector.family === Family.UNSPEC ? family : selector.family
  const words = [
    `src ${formatAddress(selector.saddr, of)}/${selector.prefixlenS} `,
    `dst ${formatAddress(selector.daddr, of)}/${selector.prefixlenD} `,
  ]
  if (selector.proto !== 0) words.push(`proto ${protocolName(selector.proto)} `)
  words.push(formatPorts(selector, options))
  if (selector.ifindex > 0) words.push(`dev ${interfaceName(selector.ifindex, options)} `)
  if (options.stats === true) words.push(`uid ${selector.user}`)
  return words.join('')
}

function formatPorts({ proto, sport, sportMask, dport, dportMask }: KernelSelector, { stats }: FormatOptions): string {
  if (proto === GRE) return sportMask !== 0 || dportMask !== 0 ? `key ${sport * 0x10000 + dport} ` : ''
  if (proto === IpProtocol.MOBILITY) {
    const type = sportMask === 0 ? '' : `type ${sport} `
    // The number stands as the host reads what is in network order.
    const swapped = ((dport & 0xff) << 8) | (dport >>> 8)
    return dportMask !== 0 && stats === true ? `${type}(dport) 0x${swapped.toString(16).padStart(4, '0')} ` : type
  }
  const [first, second] = isIcmp(proto) ? ['type', 'code'] : ['sport', 'dport']
  return `${sportMask === 0 ? '' : `${first} ${sport} `}${dportMask === 0 ? '' : `${second} ${dport} `}`
}

/** True when nothing at all is set: such a selector of a state is not printed. */
export function isZeroSelector(selector: KernelSelector): boolean {
  return Object.values<number | Uint8Array>({ ...selector }).every((field) =>
    typeof field === 'number' ? field === 0 : field.every((octet) => octet === 0),
  )
}
