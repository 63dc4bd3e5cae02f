import { type AsnType, ObjectIdentifier, OctetString } from 'asn1js'
import { GeneralName as LibraryName, RelativeDistinguishedNames } from 'pkijs'
import { equalBytes, toHex } from '../bytes/index.ts'
import { derElement } from '../crypto/der.ts'
import { type DistinguishedName, decodeName, encodeName, equalNames } from '../ike/codec/distinguished-name.ts'
import { formatName } from '../ike/codec/distinguished-name-text.ts'
import { formatIp } from '../ip/address.ts'
import { contentsOfBlock, malformed, readAs, readBlock, type Subject } from './asn1.ts'

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
const REGISTERED_ID = 8

/** A name that the library has read; octets are copied. Throws `DecodeError`. RFC 5280 §4.2.1.6. */
export function generalNameOf({ type, value }: LibraryName, subject: Subject): GeneralName {
  for (const kind of ['dns', 'email', 'uri'] as const) {
    if (numbers[kind] === type) return { kind, text: printableText(value, subject) }
  }
  if (type === DIRECTORY_NAME) {
    const { valueBeforeDecode } = value as RelativeDistinguishedNames
    return { kind: 'dn', name: decodeName(new Uint8Array(valueBeforeDecode), subject.where) }
  }
  if (type === IP_ADDRESS) {
    const octets = (value as OctetString).valueBlock.valueHexView.slice()
    if (![4, 8, 16, 32].includes(octets.length)) throw malformed(subject, `an IP address of ${octets.length} octets`)
    return { kind: 'ip', octets }
  }
  if (type === REGISTERED_ID) {
    const oid = new ObjectIdentifier({ value: value as string })
    return { kind: 'other', tag: 0x80 | type, contents: new Uint8Array(oid.valueBlock.toBER()) }
  }
  // Of an ediPartyName the library keeps nothing.
  const contents = value === undefined ? new Uint8Array(0) : contentsOfBlock(value as AsnType).slice()
  return { kind: 'other', tag: 0xa0 | type, contents }
}

/** The URIs among names. */
export const urisOf = (names: readonly LibraryName[], subject: Subject): string[] =>
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
function printableText(value: unknown, subject: Subject): string {
  if (typeof value !== 'string') throw malformed(subject, 'a name without text')
  const odd = /[^\x20-\x7e]/.exec(value)?.[0]
  if (odd === undefined) return value
  throw malformed(subject, `the octet 0x${odd.charCodeAt(0).toString(16)} in a name of ASCII characters`)
}
