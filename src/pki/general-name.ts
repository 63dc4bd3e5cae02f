import { equalBytes, toHex } from '../bytes/index.ts'
import { derElement } from '../crypto/der.ts'
import type { DerReader } from '../crypto/der-reader.ts'
import { type DistinguishedName, decodeName, encodeName, equalNames } from '../ike/codec/distinguished-name.ts'
import { formatName } from '../ike/codec/distinguished-name-text.ts'
import { formatIp } from '../ip/address.ts'

/** RFC 5280 §4.2.1.6. `ip` has 4 or 16 octets, in name constraints 8 or 32 (address and mask). */
export type GeneralName =
  | { readonly kind: 'dns' | 'email' | 'uri'; readonly text: string }
  | { readonly kind: 'ip'; readonly octets: Uint8Array }
  | { readonly kind: 'dn'; readonly name: DistinguishedName }
  /** Of a kind that IKE has no identity for. */
  | { readonly kind: 'other'; readonly tag: number; readonly contents: Uint8Array }

const textTags = { email: 0x81, dns: 0x82, uri: 0x86 } as const
const DIRECTORY_NAME = 0xa4
const IP_ADDRESS = 0x87

/** Decodes one name; octets are copied. Throws `DecodeError`. RFC 5280 §4.2.1.6. */
export function decodeGeneralName(reader: DerReader, what: string): GeneralName {
  const tag = reader.tag ?? reader.fail(`${what} is missing`)
  const contents = reader.element(tag, what)
  if (tag === DIRECTORY_NAME) return { kind: 'dn', name: decodeName(contents, what) }
  if (tag === IP_ADDRESS) {
    if (![4, 8, 16, 32].includes(contents.length)) reader.fail(`an IP address of ${contents.length} octets in ${what}`)
    return { kind: 'ip', octets: contents.slice() }
  }
  for (const kind of ['dns', 'email', 'uri'] as const) {
    if (textTags[kind] === tag) return { kind, text: printableText(contents, reader, what) }
  }
  return { kind: 'other', tag, contents: contents.slice() }
}

/** Decodes names up to the end of `reader`. */
export function decodeGeneralNames(reader: DerReader, what: string): GeneralName[] {
  const names: GeneralName[] = []
  while (reader.tag !== undefined) names.push(decodeGeneralName(reader, what))
  return names
}

export function encodeGeneralName(name: GeneralName): Uint8Array {
  switch (name.kind) {
    case 'dn':
      return derElement(DIRECTORY_NAME, encodeName(name.name))
    case 'ip':
      return derElement(IP_ADDRESS, name.octets)
    case 'other':
      return derElement(name.tag, name.contents)
    default:
      return derElement(textTags[name.kind], new TextEncoder().encode(name.text))
  }
}

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
function printableText(contents: Uint8Array, reader: DerReader, what: string): string {
  let text = ''
  for (const octet of contents) {
    if (octet < 0x20 || octet > 0x7e)
      reader.fail(`${what} has the octet 0x${octet.toString(16)} in a name of ASCII characters`)
    text += String.fromCharCode(octet)
  }
  return text
}
