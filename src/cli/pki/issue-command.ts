import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { toHex } from '../../bytes/index.ts'
import { DerReader } from '../../crypto/der-reader.ts'
import { nodeHash } from '../../crypto/node-hash.ts'
import { nodeSignatures } from '../../crypto/node-signature.ts'
import { describeKey } from '../../crypto/public-key.ts'
import type { PrivateKey } from '../../crypto/signature.ts'
import { UsageError } from '../../errors.ts'
import { type DistinguishedName, textAttribute } from '../../ike/codec/distinguished-name.ts'
import { looksLikeName, parseName } from '../../ike/codec/distinguished-name-text.ts'
import { parseIp } from '../../ip/address.ts'
import { type Certificate, decodeCertificate } from '../../pki/certificate.ts'
import { formatTime } from '../../pki/der-time.ts'
import type { RawExtension } from '../../pki/extensions.ts'
import { formatGeneralName, type GeneralName } from '../../pki/general-name.ts'
import { extension, issueCertificate } from '../../pki/issue.ts'
import { Purpose } from '../../pki/oids.ts'
import { encodePem } from '../../pki/pem.ts'
import { encodePkcs12 } from '../../pki/pkcs12-file.ts'
import { encodePrivateKey } from '../../pki/private-key.ts'
import type { Terminal } from '../terminal.ts'
import { type AuthorityFiles, authorityPaths, loadAuthority, type OutputFile, readOctets, writeFiles } from './files.ts'
import { generateKey, type KeyName } from './generate-key.ts'

export interface IssueOptions {
  readonly name: string
  readonly key: KeyName
  readonly days: number
  readonly out?: string
  readonly force?: boolean
  readonly json?: boolean
}

export interface AuthorityOptions extends IssueOptions {
  /** The authority above; without it the new one is a root. */
  readonly ca?: string
}

export interface PeerOptions extends IssueOptions {
  readonly ca: string
  readonly san: readonly string[]
  readonly crlUrl: readonly string[]
  readonly ocspUrl: readonly string[]
  readonly p12?: boolean
  readonly passwordFile?: string
}

/** `typeswan pki ca`: an authority of its own, or below another. */
export function makeAuthority(options: AuthorityOptions, terminal: Terminal): void {
  const subject = looksLikeName(options.name)
    ? parseName(options.name, '--name')
    : [[textAttribute(COMMON_NAME, options.name)]]
  const issuer = options.ca === undefined ? undefined : loadAuthority(options.ca)
  const key = generateKey(options.key)
  const extensions = [extension.basicConstraints(true), extension.keyUsage('keyCertSign', 'cRLSign')]
  const certificate = issue({ subject, key, days: options.days, extensions }, issuer)
  const folder = options.out ?? '.'
  const paths = authorityPaths(folder)
  const files: OutputFile[] = [
    { path: paths.certificate, contents: pemOf([certificate, ...belowRoot(issuer)]) },
    { path: paths.key, contents: encodePrivateKey(key), secret: true },
  ]
  writeFiles(folder, files, options.force === true)
  report(certificate, files, options, terminal)
}

/** `typeswan pki server` and `client`: a key and a certificate with the names that IKE compares. */
export function makePeer(kind: 'server' | 'client', options: PeerOptions, terminal: Terminal): void {
  if (options.p12 === true && options.passwordFile === undefined)
    throw new UsageError('--p12', 'needs --password-file: a PKCS #12 file without a password protects nothing')
  const issuer = loadAuthority(options.ca)
  const isDn = looksLikeName(options.name)
  const subject = isDn ? parseName(options.name, '--name') : besideAuthority(issuer.certificate, options.name)
  const names = [
    ...(isDn ? [] : [alternativeName(options.name, '--name')]),
    ...options.san.map((name) => alternativeName(name, '--san')),
  ]
  const key = generateKey(options.key)
  const extensions = [
    extension.basicConstraints(false),
    extension.keyUsage('digitalSignature'),
    extension.extendedKeyUsage(kind === 'server' ? Purpose.serverAuth : Purpose.clientAuth, Purpose.ipsecIke),
    ...(names.length === 0 ? [] : [extension.subjectAltName(names)]),
    ...(options.crlUrl.length === 0 ? [] : [extension.crlDistributionPoints(...options.crlUrl)]),
    ...(options.ocspUrl.length === 0 ? [] : [extension.ocspUrls(...options.ocspUrl)]),
  ]
  const certificate = issue({ subject, key, days: options.days, extensions }, issuer)
  const folder = options.out ?? options.ca
  const files = peerFiles(join(folder, fileName(options.name)), certificate, key, issuer, options)
  writeFiles(folder, files, options.force === true)
  report(certificate, files, options, terminal)
}

function peerFiles(
  base: string,
  certificate: Certificate,
  key: PrivateKey,
  issuer: AuthorityFiles,
  { p12, passwordFile, name }: PeerOptions,
): OutputFile[] {
  const path = belowRoot(issuer)
  const files: OutputFile[] = [
    { path: `${base}.crt`, contents: pemOf([certificate, ...path]) },
    { path: `${base}.key`, contents: encodePrivateKey(key), secret: true },
  ]
  if (p12 !== true) return files
  const contents = {
    privateKey: key,
    // Phones and desktops take the authority from the file too, so that it is trusted with one import.
    certificates: [certificate, ...issuer.chain].map(({ der }) => der),
    friendlyName: name,
  }
  files.push({ path: `${base}.p12`, contents: encodePkcs12(contents, readPassword(passwordFile!)), secret: true })
  return files
}

/** The first line of the file. */
export function readPassword(path: string): string {
  const password = new TextDecoder()
    .decode(readOctets(path, 'write the password into its first line'))
    .split(/\r?\n/)[0]!
  if (password === '') throw new UsageError('--password-file', `${path} is empty`)
  return password
}

interface Wanted {
  readonly subject: DistinguishedName
  readonly key: PrivateKey
  readonly days: number
  readonly extensions: readonly RawExtension[]
}

const DAY_MS = 86_400_000
/** Clocks that go slow by less take the certificate at once. */
const BACK_DATED_MS = 300_000
const COMMON_NAME = '550403'

function issue({ subject, key, days, extensions }: Wanted, issuer: AuthorityFiles | undefined): Certificate {
  const now = Date.now()
  const subjectKeyId = keyIdOf(key)
  const authorityKeyId =
    issuer === undefined ? subjectKeyId : (issuer.certificate.extensions.subjectKeyId ?? keyIdOf(issuer.key))
  const serial = Uint8Array.from(randomBytes(16))
  // Positive, and with a first octet that nobody leaves out.
  serial[0] = (serial[0]! & 0x3f) | 0x40
  const der = issueCertificate(
    {
      subject,
      publicKey: key.publicKey,
      serial,
      notBefore: now - BACK_DATED_MS,
      notAfter: now + days * DAY_MS,
      extensions: [
        ...extensions,
        extension.subjectKeyIdentifier(subjectKeyId),
        extension.authorityKeyIdentifier(authorityKeyId),
      ],
    },
    { name: issuer?.certificate.subject ?? subject, key: issuer?.key ?? key },
    nodeSignatures,
  )
  return decodeCertificate(der)
}

/** SHA-1 over the key's octets. RFC 5280 §4.2.1.2 (1). */
function keyIdOf({ publicKey }: PrivateKey): Uint8Array {
  return nodeHash('sha1', decodeKeyOctets(publicKey.spki))
}

/** SubjectPublicKeyInfo ends in the BIT STRING: RSA keys are DER, all others have the sizes of their kind. */
function decodeKeyOctets(spki: Uint8Array): Uint8Array {
  const reader = new DerReader(spki, 'SubjectPublicKeyInfo', 'RFC 5280 §4.1.2.7').sequence('SubjectPublicKeyInfo')
  reader.any('algorithm')
  return reader.bitString('subjectPublicKey')
}

/** The authority and those above it, without the root. */
const belowRoot = (issuer: AuthorityFiles | undefined): Certificate[] =>
  (issuer?.chain ?? []).filter(({ subjectText, issuerText }) => subjectText !== issuerText)

/** Country and organisation of the authority, with this CN. */
const besideAuthority = ({ subject }: Certificate, name: string): DistinguishedName => [
  ...subject.filter((rdn) => rdn.every(({ type }) => type !== COMMON_NAME)),
  [textAttribute(COMMON_NAME, name)],
]

/**
 * `10.1.2.3`, `2001:db8::1`, `alice@example.org`, `vpn.example.org`, `https://...`, or with `DNS:`, `IP:`, `email:`, `URI:`, `DN:` in front. Throws
 * `UsageError` for `setting`.
 */
export function alternativeName(text: string, setting: string): GeneralName {
  const [, prefix, rest = text] = /^(DNS|IP|email|URI|DN):(.*)$/i.exec(text) ?? []
  switch (prefix?.toLowerCase() ?? guessedKind(text)) {
    case 'ip':
      return { kind: 'ip', octets: parseIp(rest) }
    case 'email':
      return { kind: 'email', text: checkedAscii(rest, setting) }
    case 'uri':
      return { kind: 'uri', text: checkedAscii(rest, setting) }
    case 'dn':
      return { kind: 'dn', name: parseName(rest, setting) }
    default:
      return { kind: 'dns', text: checkedAscii(rest, setting) }
  }
}

function guessedKind(text: string): string {
  if (/^[0-9.]+$/.test(text) || /^[0-9a-f:]*:[0-9a-f:.]*$/i.test(text)) return 'ip'
  if (/^[a-z]+:\/\//i.test(text)) return 'uri'
  return text.includes('@') ? 'email' : 'dns'
}

function checkedAscii(text: string, setting: string): string {
  if (text === '') throw new UsageError(setting, 'is empty')
  if (!/^[\x21-\x7e]+$/.test(text))
    throw new UsageError(
      setting,
      `"${text}" may only hold printable ASCII characters without spaces (write host names in Punycode)`,
    )
  return text
}

const fileName = (name: string): string => name.replaceAll(/[^A-Za-z0-9@._-]+/g, '_').replace(/^\.+/, '_')

const pemOf = (certificates: readonly Certificate[]): string =>
  certificates.map(({ der }) => encodePem('CERTIFICATE', der)).join('')

function report(
  certificate: Certificate,
  files: readonly OutputFile[],
  { json }: { readonly json?: boolean },
  terminal: Terminal,
): void {
  const { subjectText, issuerText, serial, notAfter, extensions, publicKey } = certificate
  const paths = files.map(({ path }) => path)
  const names = extensions.names.map(formatGeneralName)
  if (json === true) {
    const value = {
      subject: subjectText,
      issuer: issuerText,
      names,
      serial: toHex(serial),
      notAfter: new Date(notAfter).toISOString(),
      key: describeKey(publicKey!),
      files: paths,
    }
    return terminal.out(JSON.stringify(value, null, 2))
  }
  const alternative = names.length === 0 ? '' : `, ${names.join(', ')}`
  terminal.out(`${subjectText}${alternative} (${describeKey(publicKey!)}), valid until ${formatTime(notAfter)}`)
  for (const { path, secret } of files) terminal.out(`  ${path}${secret === true ? ' (secret)' : ''}`)
}
