import type { Reader } from '../../bytes/index.ts'
import { UsageError } from '../../errors.ts'

/** Letters, digits, hyphens and underscores: IDNA A-labels and the names of services. RFC 8598 §4.1, RFC 5890. */
const label = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/

/** Octets of a name without the dot of the root. RFC 1035 §2.3.4. */
const MOST_OCTETS = 253

/**
 * A domain name in presentation format, without a NUL; one dot at its end is left away. Names go into resolvers and scripts, so nothing
 * that is not a host's or a service's name passes. Fails by `reader`. RFC 8598 §4.1.
 */
export function decodeDomainName(octets: Uint8Array, reader: Reader): string {
  const name = String.fromCharCode(...octets)
  if (!isDomainName(name)) reader.fail('is not a domain name')
  return name.replace(/\.$/, '')
}

/** ASCII octets, without a NUL. */
export const encodeDomainName = (name: string): Uint8Array => Uint8Array.from(name, (char) => char.charCodeAt(0))

/** `UsageError` for what is not a domain name in ASCII (an internationalized one as A-labels). */
export function checkDomainName(name: string): void {
  if (!isDomainName(name)) throw new UsageError('domain', `"${name}" is not a domain name in ASCII`)
}

/** True for a name of letters, digits, hyphens and underscores, 253 octets at most, with or without a dot at its end. */
export function isDomainName(name: string): boolean {
  const text = name.replace(/\.$/, '')
  return text.length > 0 && text.length <= MOST_OCTETS && text.split('.').every((part) => label.test(part))
}
