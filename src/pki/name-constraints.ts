import { attributeText, isUnderName } from '../ike/codec/distinguished-name.ts'
import type { Certificate } from './certificate.ts'
import type { NameConstraints } from './extensions.ts'
import { formatGeneralName, type GeneralName } from './general-name.ts'

/**
 * Why the names of a certificate are not those that an authority above it may vouch for, undefined when they are. A name of a kind
 * that the constraints do not mention is not constrained. RFC 5280 §§4.2.1.10, 6.1.4 (g).
 */
export function nameConstraintProblem(
  certificate: Certificate,
  { permitted, excluded }: NameConstraints,
): string | undefined {
  for (const name of constrainedNames(certificate)) {
    const shown = formatGeneralName(name)
    const against = excluded.find((base) => isWithin(name, base, true))
    if (against !== undefined) return `${shown} stands under the excluded ${formatGeneralName(against)}`
    const allowed = permitted.filter((base) => isSameKind(base, name))
    if (allowed.length > 0 && !allowed.some((base) => isWithin(name, base, false)))
      return `${shown} does not stand under the permitted ${allowed.map(formatGeneralName).join(', ')}`
  }
  return undefined
}

/** EmailAddress in the subject of old certificates. RFC 5280 §4.1.2.6. */
const EMAIL_ADDRESS = '2a864886f70d010901'

/** Subject and alternative names; the mail address in the subject where no alternative name has one. */
function constrainedNames({ subject, extensions }: Certificate): GeneralName[] {
  const names: GeneralName[] = [...extensions.names]
  if (subject.length > 0) names.push({ kind: 'dn', name: subject })
  if (names.some(({ kind }) => kind === 'email')) return names
  for (const attribute of subject.flat()) {
    if (attribute.type === EMAIL_ADDRESS) names.push({ kind: 'email', text: attributeText(attribute) ?? '' })
  }
  return names
}

const isSameKind = (a: GeneralName, b: GeneralName): boolean =>
  a.kind === 'other' ? b.kind === 'other' && a.tag === b.tag : a.kind === b.kind

/** `cautious`: what cannot be told for sure counts as within, for excluded names. */
function isWithin(name: GeneralName, base: GeneralName, cautious: boolean): boolean {
  if (name.kind === 'dn') return base.kind === 'dn' && isUnderName(name.name, base.name, cautious)
  if (name.kind === 'ip') return base.kind === 'ip' && isInNetwork(name.octets, base.octets)
  if (name.kind === 'dns') return base.kind === 'dns' && isHostWithin(name.text, base.text, cautious)
  if (name.kind === 'email') return base.kind === 'email' && isMailWithin(name.text, base.text, cautious)
  if (name.kind === 'uri') return base.kind === 'uri' && isUriWithin(name.text, base.text, cautious)
  return cautious && isSameKind(name, base)
}

/** `base` is an address and a mask of the same length. */
function isInNetwork(address: Uint8Array, base: Uint8Array): boolean {
  if (base.length !== 2 * address.length) return false
  return address.every((octet, at) => ((octet ^ base[at]!) & base[address.length + at]!) === 0)
}

/** `example.org` and all below it; with a dot in front only what is below it. */
function isHostWithin(host: string, base: string, cautious: boolean): boolean {
  const [name, within] = [host.toLowerCase().replace(/\.$/, ''), base.toLowerCase()]
  if (within === '') return true
  if (name === within || name.endsWith(within.startsWith('.') ? within : `.${within}`)) return true
  // A name with a wildcard may be the excluded one.
  return cautious && name.startsWith('*.') && within.replace(/^\./, '').endsWith(name.slice(1))
}

/** A mailbox, all mailboxes of a host, or with a dot in front of all hosts below it. */
function isMailWithin(address: string, base: string, cautious: boolean): boolean {
  // No mailbox at all, or one whose text cannot be told.
  if (!address.includes('@')) return cautious
  const host = address.slice(address.lastIndexOf('@') + 1).toLowerCase()
  const within = base.toLowerCase()
  if (within.includes('@')) return address.toLowerCase() === within
  return within.startsWith('.') ? host.endsWith(within) : host === within
}

/** The host of a URI. RFC 5280 §4.2.1.10: with a dot in front what is below it, without it that host. */
function isUriWithin(uri: string, base: string, cautious: boolean): boolean {
  const host = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)/i.exec(uri)?.[1]?.toLowerCase()
  if (host === undefined || host === '') return cautious
  const within = base.toLowerCase()
  return within.startsWith('.') ? host.endsWith(within) : host === within
}
