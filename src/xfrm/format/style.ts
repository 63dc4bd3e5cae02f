import { formatIp } from '../../ip/index.ts'
import { Family } from '../netlink/numbers.ts'

/** How things are printed. */
export interface FormatOptions {
  /** As under the option `-s`: with limits, counters, masks and numbers in hexadecimal. Default: no. */
  readonly stats?: boolean
  /** Prints keys that the message has. Default: as under `nokeys`. */
  readonly keys?: boolean
  /** Seconds that local time is ahead of UTC at a time in seconds of the calendar. Default: times are printed in UTC. */
  readonly utcOffset?: (time: number) => number
  /** The name of the interface of this index, where there is one. */
  readonly interfaceName?: (index: number) => string | undefined
  /** A line with the direction of states, which iproute2 has from 6.10 on. Default: none, as 6.1 of Debian 12. */
  readonly direction?: boolean
}

/** An address of 16 octets as inet_ntop prints it, `???` for an unknown family. */
export function formatAddress(address: Uint8Array, family: number): string {
  if (family === Family.INET) return formatIp(address.subarray(0, 4))
  if (family !== Family.INET6) return '???'
  // The C library prints IPv4 addresses inside of IPv6 ones with dots.
  const zeros = address.findIndex((octet) => octet !== 0)
  const isMapped = zeros === 10 && address[10] === 0xff && address[11] === 0xff
  const isCompatible = zeros === 12 || zeros === 13
  if (!isMapped && !isCompatible) return formatIp(address)
  return `::${isMapped ? 'ffff:' : ''}${formatIp(address.subarray(12))}`
}

export const hex = (value: number): string => value.toString(16)
export const hex8 = (value: number): string => hex(value).padStart(8, '0')

/** As %#x of C: 0 has no prefix. */
export const alternateHex = (value: number): string => (value === 0 ? '0' : `0x${hex(value)}`)

/** An index as the interface's name. */
export function interfaceName(index: number, { interfaceName }: FormatOptions): string {
  return index === 0 ? '*' : (interfaceName?.(index) ?? `if${index}`)
}

/** The names of the bits that are set, then what has none in hexadecimal; an order of its own for each field. */
export function formatFlags(flags: number, names: readonly (readonly [number, string])[]): string {
  const words: string[] = []
  let left = flags
  for (const [bit, name] of names) {
    if ((left & bit) === 0) continue
    left &= ~bit
    words.push(name)
  }
  if (left !== 0) words.push(hex(left >>> 0))
  return words.join(' ')
}

/** `YYYY-MM-DD hh:mm:ss` of seconds of the calendar, `-` for 0. */
export function formatTime(time: bigint, { utcOffset }: FormatOptions): string {
  if (time === 0n) return '-'
  const seconds = Number(time) + (utcOffset?.(Number(time)) ?? 0)
  const days = Math.floor(seconds / 86_400)
  const ofDay = seconds - days * 86_400
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  return `${formatDay(days)} ${two(ofDay / 3600)}:${two((ofDay / 60) % 60)}:${two(ofDay % 60)}`
}

/** A day of the Gregorian calendar. Years are counted from March, so that the day of leap years comes last; 400 of them have 146097 days. */
function formatDay(daysSince1970: number): string {
  const days = daysSince1970 + 719_468
  const era = Math.floor(days / 146_097)
  const ofEra = days - era * 146_097
  const year = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  )
  const ofYear = ofEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100))
  const fromMarch = Math.floor((5 * ofYear + 2) / 153)
  const day = ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
  const two = (value: number) => String(value).padStart(2, '0')
  return `${year + era * 400 + (month <= 2 ? 1 : 0)}-${two(month)}-${two(day)}`
}
