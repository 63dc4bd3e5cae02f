import { type AsnType, OctetString } from 'asn1js'
import { GeneralName as LibraryName, RelativeDistinguishedNames } from 'pkijs'
import { equalBytes, toHex } from '../bytes/index.ts'
import { derElement } from '../crypto/der.ts'
import { type DistinguishedName, decodeName, encodeName, equalNames } from '../ike/codec/distinguished-name.ts'
import { formatName } from '../ike/codec/distinguished-name-text.ts'
import { formatIp } from '../ip/address.ts'
import { contentsOfBlock, encodedBlock, malformed, readAs, readBlock, type Subject } from './asn1.ts'

/** RFC 5280 §4.2.1.6. `ip` has 4 or 16 octets, in name constraints 8 or 32 (address and mask). */
export type GeneralName =
  | { readonly kind: 'dns' | 'email' | 'uri'; readonly text: string }
  | { readonly kind: 'ip'; readonly octets: Uint8Array }
  | { readonly kind: 'dn'; readonly name: DistinguishedName }
  /** Of a kind that IKE has no identity for. */
  | { readonly kind: 'other'; readonly tag: number; readonly contents: Uint8Array }

const numbers = { email: 1, dns: 2, uri: 6 } as const
const DIRECTORY_NAME = 4
const IP_ADDRESS = 7

/**
 * A name as it stands in a block of the library; octets are copied. Throws `DecodeError`. RFC 5280 §4.2.1.6.
 *
 * By its tag, because the library compares each name with all nine kinds, which for the names that a stranger may put into a certificate
 * takes too long (`npm run bench -- pki`).
 */
export function generalNameOf(block: AsnType, subject: Subject): GeneralName {
  const { tagClass, tagNumber, isConstructed } = block.idBlock
  if (tagClass !== CONTEXT || tagNumber > 8 || isConstructed !== CONSTRUCTED.has(tagNumber))
    throw malformed(subject, 'a name of no known kind')
  const contents = contentsOfBlock(block)
  if (tagNumber === DIRECTORY_NAME) return { kind: 'dn', name: decodeName(contents, subject.where) }
  if (tagNumber === IP_ADDRESS) {
    if (![4, 8, 16, 32].includes(contents.length))
      throw malformed(subject, `an IP address of ${contents.length} octets`)
    return { kind: 'ip', octets: contents.slice() }
  }
  for (const kind of ['dns', 'email', 'uri'] as const) {
    if (numbers[kind] === tagNumber) return { kind, text: printableText(contents, subject) }
  }
  return { kind: 'other', tag: encodedBlock(block)[0]!, contents: contents.slice() }
}

const CONTEXT = 3
/** otherName, x400Address, directoryName, ediPartyName. */
const CONSTRUCTED: ReadonlySet<number> = new Set([0, 3, 4, 5])

/** The URIs among names. */
export const urisOf = (names: readonly AsnType[], subject: Subject): string[] =>
  names.flatMap((one) => {
    const name = generalNameOf(one, subject)
    return name.kind === 'uri' ? [name.text] : []
  })

/** A name as the library writes it. */
export function libraryName(name: GeneralName): LibraryName {
  switch (name.kind) {
    case 'dn': {
      const schema = readBlock(encodeName(name.name), WRITTEN)
      return new LibraryName({ type: DIRECTORY_NAME, value: new RelativeDistinguishedNames({ schema }) })
    }
    case 'ip':
      return new LibraryName({ type: IP_ADDRESS, value: new OctetString({ valueHex: name.octets }) })
    case 'other':
      return readAs(LibraryName, derElement(name.tag, name.contents), WRITTEN)
    default:
      return new LibraryName({ type: numbers[name.kind], value: name.text })
  }
}

const WRITTEN: Subject = { where: 'name', section: 'RFC 5280 §4.2.1.6' }

/** For people: `DNS:vpn.example.org`, `IP:10.1.2.3`, in name constraints `IP:10.0.0.0/255.0.0.0`. */
export function formatGeneralName(name: GeneralName): string {
  switch (name.kind) {
    case 'dn':
      return `DN:${formatName(name.name)}`
    case 'ip':
      return `IP:${formatOctets(name.octets)}`
    case 'other':
      return `other:${toHex(name.contents).slice(0, 40)}`
    default:
      return `${{ dns: 'DNS', email: 'email', uri: 'URI' }[name.kind]}:${name.text}`
  }
}

/** True for the same name; host names and mail addresses without regard to case. */
export function equalGeneralNames(a: GeneralName, b: GeneralName): boolean {
  if (a.kind === 'dn') return b.kind === 'dn' && equalNames(a.name, b.name)
  if (a.kind === 'ip') return b.kind === 'ip' && equalBytes(a.octets, b.octets)
  if (a.kind === 'other') return b.kind === 'other' && a.tag === b.tag && equalBytes(a.contents, b.contents)
  if (a.kind !== b.kind) return false
  return a.kind === 'uri' ? a.text === b.text : a.text.toLowerCase() === b.text.toLowerCase()
}

function formatOctets(octets: Uint8Array): string {
  const half = octets.length / 2
  return octets.length === 8 || octets.length === 32
    ? `${formatIp(octets.subarray(0, half))}/${formatIp(octets.subarray(half))}`
    : formatIp(octets)
}

/** A NUL or a line feed in a name only serves to make it look like another one. */
function printableText(contents: Uint8Array, subject: Subject): string {
  let text = ''
  for (const octet of contents) {
    if (octet < 0x20 || octet > 0x7e)
      throw malformed(subject, `the octet 0x${octet.toString(16)} in a name of ASCII characters`)
    text += String.fromCharCode(octet)
  }
  return text
}
