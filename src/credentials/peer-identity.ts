import { equalBytes } from '../bytes/index.ts'
import { DecodeError } from '../errors.ts'
import { formatIdentity } from '../ike/auth/identity.ts'
import { decodeName, equalNames } from '../ike/codec/distinguished-name.ts'
import { IdType } from '../ike/codec/numbers.ts'
import type { Identity } from '../ike/config.ts'
import { formatIp } from '../ip/address.ts'
import { type Certificate, nameOfCertificate } from '../pki/certificate.ts'
import type { GeneralName } from '../pki/general-name.ts'

/**
 * Why the certificate does not vouch for the identity that its holder sent; undefined when it does. An address, host name or mail
 * address must be one of the subjectAltName (never of the CN, and a `*` there is no wildcard), a distinguished name the subject. RFC 4945
 * §3.1.
 */
export function identityProblem(id: Identity, certificate: Certificate): string | undefined {
  if (vouchesFor(certificate, id)) return undefined
  return `peer sent ID ${formatIdentity(id)}, certificate ${nameOfCertificate(certificate)} has ${namesInstead(certificate, id)}`
}

/** True when the identity is one of the certificate's. */
export function vouchesFor({ subject, extensions: { names } }: Certificate, { type, data }: Identity): boolean {
  switch (type) {
    case IdType.ID_FQDN:
      return names.some((name) => name.kind === 'dns' && isSameText(name.text, data))
    case IdType.ID_RFC822_ADDR:
      return names.some((name) => name.kind === 'email' && isSameText(name.text, data))
    case IdType.ID_IPV4_ADDR:
    case IdType.ID_IPV6_ADDR:
      return names.some((name) => name.kind === 'ip' && equalBytes(name.octets, data))
    case IdType.ID_DER_ASN1_DN:
      return isSubject(subject, data)
    default:
      return false
  }
}

function isSubject(subject: Certificate['subject'], data: Uint8Array): boolean {
  if (subject.length === 0) return false
  try {
    return equalNames(subject, decodeName(data))
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return false
  }
}

function isSameText(text: string, data: Uint8Array): boolean {
  const sent = String.fromCharCode(...data.subarray(0, text.length + 1))
  return data.length === text.length && sent.toLowerCase() === text.toLowerCase()
}

/** What it has in the place of an identity, of the kinds that IKE has identities for: `only FQDN vpn.example.org`. */
export function namesInstead({ extensions, subjectText }: Certificate, { type }: Identity): string {
  if (type === IdType.ID_KEY_ID) return 'no names of this kind: a key id is of no certificate (RFC 4945 §3.1.6)'
  const names = extensions.names.map(nameText).filter((text) => text !== undefined)
  if (type === IdType.ID_DER_ASN1_DN) return subjectText === '' ? 'no subject' : `only the subject ${subjectText}`
  if (names.length === 0) return 'no subjectAltName with such a name (the CN is not compared, RFC 4945 §3.1)'
  const shown = names.slice(0, 8).join(', ')
  return `only ${shown}${names.length > 8 ? ` and ${names.length - 8} more` : ''}`
}

function nameText(name: GeneralName): string | undefined {
  if (name.kind === 'dns') return `FQDN ${name.text}`
  if (name.kind === 'email') return `mail address ${name.text}`
  return name.kind === 'ip' ? `address ${formatIp(name.octets)}` : undefined
}
