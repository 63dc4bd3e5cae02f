import { createHash } from 'node:crypto'
import { generateKey, type KeyName } from '../../src/cli/pki/generate-key.ts'
import { nodeSignatures } from '../../src/crypto/node-signature.ts'
import type { PrivateKey, SignatureScheme } from '../../src/crypto/signature.ts'
import { parseName } from '../../src/ike/codec/distinguished-name-text.ts'
import { parseIp } from '../../src/ip/address.ts'
import { type Certificate, decodeCertificate } from '../../src/pki/certificate.ts'
import type { RawExtension } from '../../src/pki/extensions.ts'
import type { GeneralName } from '../../src/pki/general-name.ts'
import { type CrlTemplate, extension, issueCertificate, issueCrl } from '../../src/pki/issue.ts'

/** The day on which the tests play. */
export const today = Date.UTC(2026, 0, 15, 12)
export const DAY = 86_400_000

export interface Holder {
  readonly certificate: Certificate
  readonly key: PrivateKey
}

export interface Options {
  readonly key?: KeyName
  readonly extensions?: readonly RawExtension[]
  readonly notBefore?: number
  readonly notAfter?: number
  readonly scheme?: SignatureScheme
  readonly serial?: number
}

const keys = new Map<string, PrivateKey>()
let lastSerial = 0x1000

/** A key of this kind; the same for the same `who`, since RSA keys take long to make. */
export function keyOf(kind: KeyName, who: string): PrivateKey {
  const name = `${kind} ${who}`
  const key = keys.get(name) ?? generateKey(kind)
  keys.set(name, key)
  return key
}

export const names = (...texts: readonly string[]): GeneralName[] => texts.map(nameOf)

function nameOf(text: string): GeneralName {
  if (/^[0-9a-f.:]+$/.test(text)) return { kind: 'ip', octets: parseIp(text) }
  if (text.includes('=')) return { kind: 'dn', name: parseName(text) }
  return text.includes('@') ? { kind: 'email', text } : { kind: 'dns', text }
}

/** What every authority of these tests has. */
export const authorityExtensions = (pathLength?: number): RawExtension[] => [
  extension.basicConstraints(true, pathLength),
  extension.keyUsage('keyCertSign', 'cRLSign'),
]

/** Issues `subject` a certificate; without `issuer` it signs itself. */
export function issue(subject: string, issuer: Holder | undefined, options: Options = {}): Holder {
  const key = keyOf(options.key ?? 'ecdsa-p256', subject)
  const serial = options.serial ?? ++lastSerial
  const signer = issuer ?? { key, certificate: { subject: parseName(subject) } }
  const der = issueCertificate(
    {
      subject: subject === '' ? [] : parseName(subject),
      publicKey: key.publicKey,
      serial: Uint8Array.of(serial >>> 16, serial >>> 8, serial),
      notBefore: options.notBefore ?? today - 30 * DAY,
      notAfter: options.notAfter ?? today + 30 * DAY,
      extensions: options.extensions ?? [],
    },
    {
      name: signer.certificate.subject,
      key: signer.key,
      ...(options.scheme === undefined ? {} : { scheme: options.scheme }),
    },
    nodeSignatures,
  )
  return { certificate: decodeCertificate(der), key }
}

export const root = (subject = 'C=CH, O=Typeswan, CN=Root', options: Options = {}): Holder =>
  issue(subject, undefined, { extensions: authorityExtensions(), ...options })

export const intermediate = (subject: string, issuer: Holder, options: Options = {}): Holder =>
  issue(subject, issuer, { extensions: authorityExtensions(), ...options })

/** A gateway with these alternative names. */
export const gateway = (
  issuer: Holder,
  alternative: readonly string[] = ['vpn.example.org'],
  options: Options = {},
): Holder =>
  issue('C=CH, O=Typeswan, CN=gateway', issuer, {
    ...options,
    extensions: [extension.subjectAltName(names(...alternative)), ...(options.extensions ?? [])],
  })

export function crl(
  issuer: Holder,
  revoked: readonly Certificate[] = [],
  changes: Partial<CrlTemplate> = {},
): Uint8Array {
  return issueCrl(
    {
      thisUpdate: today - DAY,
      nextUpdate: today + DAY,
      revoked: revoked.map(({ serial }) => ({ serial, at: today - 2 * DAY, reason: 1 })),
      extensions: [extension.crlNumber(1)],
      ...changes,
    },
    { name: issuer.certificate.subject, key: issuer.key },
    nodeSignatures,
  )
}

export const sha1 = (octets: Uint8Array): Uint8Array => new Uint8Array(createHash('sha1').update(octets).digest())
