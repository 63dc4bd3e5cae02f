import { toHex } from '../../bytes/index.ts'
import { nodeHash } from '../../crypto/node-hash.ts'
import { describeKey } from '../../crypto/public-key.ts'
import { DecodeError, UsageError } from '../../errors.ts'
import { type Certificate, decodeCertificate } from '../../pki/certificate.ts'
import { type Crl, decodeCrl, reasonName } from '../../pki/crl.ts'
import { formatTime } from '../../pki/der-time.ts'
import { formatGeneralName } from '../../pki/general-name.ts'
import { purposeName } from '../../pki/oids.ts'
import { decodePem, type PemBlock, pemText } from '../../pki/pem.ts'
import { readPkcs12 } from '../../pki/pkcs12.ts'
import { readPrivateKey } from '../../pki/private-key.ts'
import type { Terminal } from '../terminal.ts'
import { readOctets } from './files.ts'
import { readPassword } from './issue-command.ts'

export interface ShowOptions {
  readonly passwordFile?: string
  readonly json?: boolean
}

type Shown = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>

/** `typeswan pki show`: what is in a file of certificates, lists or keys. Of a private key it shows no more than its kind. */
export function showFile(path: string, options: ShowOptions, terminal: Terminal): void {
  const password = options.passwordFile === undefined ? undefined : readPassword(options.passwordFile)
  const shown = contentsOf(path, readOctets(path, 'name a file in PEM or DER'), password)
  if (options.json === true) return terminal.out(JSON.stringify(shown, null, 2))
  terminal.out(shown.map(format).join('\n\n'))
}

function contentsOf(path: string, contents: Uint8Array, passphrase: string | undefined): Shown[] {
  const source = {
    setting: 'file',
    file: path,
    passphraseSetting: '--password-file with what opens it',
    ...(passphrase === undefined ? {} : { passphrase }),
  }
  const text = pemText(contents)
  if (text !== undefined) {
    const blocks = decodePem(text)
    if ('problem' in blocks) throw new UsageError('file', `${path}: ${blocks.problem}`)
    return blocks.map((block) => showBlock(block, () => showKey(readPrivateKey(contents, source))))
  }
  // All that is DER begins with a SEQUENCE.
  if (contents[0] !== 0x30) throw new UsageError('file', `${path} holds ${nothingToShow}`)
  const readers: readonly (() => Shown[])[] = [
    () => [showCertificate(decodeCertificate(contents))],
    () => [showCrl(decodeCrl(contents))],
    () => {
      const { privateKey, certificates } = readPkcs12(contents, source)
      return [...certificates.map((der) => showCertificate(decodeCertificate(der))), showKey(privateKey)]
    },
  ]
  for (const read of readers.slice(0, 2)) {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
  // A key in DER and a PKCS #12 file begin alike: the one that is no key tells what is wrong.
  return firstThatReads([() => [showKey(readPrivateKey(contents, source))], readers[2]!])
}

const nothingToShow = 'no certificate, revocation list or key, neither in PEM nor in DER nor as PKCS #12'

function firstThatReads(readers: readonly (() => Shown[])[]): Shown[] {
  let last: unknown
  for (const read of readers) {
    try {
      return read()
    } catch (error) {
      last = error
    }
  }
  throw last
}

function showBlock({ label, der }: PemBlock, key: () => Shown): Shown {
  try {
    if (label === 'CERTIFICATE') return showCertificate(decodeCertificate(der))
    if (label === 'X509 CRL') return showCrl(decodeCrl(der))
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new UsageError('file', error.message)
  }
  return label.endsWith('PRIVATE KEY') ? key() : { type: label }
}

const showKey = (key: { publicKey: Parameters<typeof describeKey>[0] & { spki: Uint8Array } }): Shown => ({
  type: 'private key',
  key: describeKey(key.publicKey),
  'public key SHA-256': toHex(nodeHash('sha256', key.publicKey.spki)),
})

function showCertificate(certificate: Certificate): Shown {
  const { basicConstraints, keyUsage, extendedKeyUsage, names, crlUrls, ocspUrls, subjectKeyId, unknownCritical } =
    certificate.extensions
  return {
    type: 'certificate',
    subject: certificate.subjectText,
    issuer: certificate.issuerText,
    serial: toHex(certificate.serial),
    'not before': formatTime(certificate.notBefore),
    'not after': formatTime(certificate.notAfter),
    names: names.map(formatGeneralName),
    key: certificate.publicKey === undefined ? certificate.keyProblem : describeKey(certificate.publicKey),
    signature: certificate.algorithm.name,
    authority: basicConstraints?.isAuthority === true,
    'path length': basicConstraints?.pathLength,
    'key usage': keyUsage === undefined ? undefined : [...keyUsage],
    'extended key usage': extendedKeyUsage?.map(purposeName),
    'CRL at': crlUrls,
    'OCSP at': ocspUrls,
    'key id': subjectKeyId === undefined ? undefined : toHex(subjectKeyId),
    'not understood': unknownCritical,
    'public key SHA-256': toHex(nodeHash('sha256', certificate.spki)),
    SHA256: toHex(nodeHash('sha256', certificate.der)),
  }
}

const showCrl = (crl: Crl): Shown => ({
  type: 'CRL',
  issuer: crl.issuerText,
  signature: crl.algorithm.name,
  'this update': formatTime(crl.thisUpdate),
  'next update': crl.nextUpdate === undefined ? undefined : formatTime(crl.nextUpdate),
  'settles nothing because': crl.unusable,
  revoked: [...crl.revoked].map(([serial, { at, reason }]) => `${serial} at ${formatTime(at)}, ${reasonName(reason)}`),
})

/** One field a line; those that are absent or empty are left out. */
function format({ type, ...fields }: Shown): string {
  const lines = Object.entries(fields).flatMap(([name, value]) => {
    if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0)) return []
    return [`  ${`${name}:`.padEnd(20)} ${Array.isArray(value) ? value.join(`\n${' '.repeat(23)}`) : String(value)}`]
  })
  return [String(type), ...lines].join('\n')
}
