import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { equalBytes, fromHex, toHex } from '../../bytes/index.ts'
import { nodeSignatures } from '../../crypto/node-signature.ts'
import { DecodeError, UsageError } from '../../errors.ts'
import { equalNames } from '../../ike/codec/distinguished-name.ts'
import { type Certificate, decodeCertificate, nameOfCertificate } from '../../pki/certificate.ts'
import { type Crl, decodeCrl, serialKey } from '../../pki/crl.ts'
import { formatTime } from '../../pki/der-time.ts'
import { type CrlTemplate, extension, issueCrl } from '../../pki/issue.ts'
import { decodePem, pemText } from '../../pki/pem.ts'
import { readCertificates } from '../../pki/public-files.ts'
import { isSignedBy } from '../../pki/signed.ts'
import type { Terminal } from '../terminal.ts'
import { type AuthorityFiles, authorityPaths, loadAuthority, readOctets, writeFiles } from './files.ts'

export interface CrlOptions {
  readonly ca: string
  readonly revoke: readonly string[]
  readonly reason: RevocationReason
  readonly days: number
  readonly out?: string
  readonly json?: boolean
}

/** CRLReason by name. RFC 5280 §5.3.1. */
export const revocationReasons = {
  unspecified: 0,
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
} as const
export type RevocationReason = keyof typeof revocationReasons

/** `typeswan pki crl`: what the list had so far, and the certificates to revoke, signed anew. In DER, as it is published. */
export function makeCrl(options: CrlOptions, terminal: Terminal): void {
  const authority = loadAuthority(options.ca)
  const path = options.out ?? authorityPaths(options.ca).crl
  const before = existsSync(path) ? ownCrl(path, authority) : undefined
  const now = Date.now()
  const revoked = revokedBefore(before)
  for (const file of options.revoke) {
    const { serial } = ownCertificate(file, authority)
    // 0 is what an entry without a reason means. RFC 5280 §5.3.1.
    const reason = revocationReasons[options.reason]
    if (!revoked.has(serialKey(serial)))
      revoked.set(serialKey(serial), { serial, at: now, ...(reason === 0 ? {} : { reason }) })
  }
  const nextUpdate = now + options.days * 86_400_000
  const der = issueCrl(
    {
      thisUpdate: now - 60_000,
      nextUpdate,
      revoked: [...revoked.values()],
      // Seconds since 1970 grow from list to list, and nobody has to remember the last number.
      extensions: [
        ...(authority.certificate.extensions.subjectKeyId === undefined
          ? []
          : [extension.authorityKeyIdentifier(authority.certificate.extensions.subjectKeyId)]),
        extension.crlNumber(Math.floor(now / 1000)),
      ],
    },
    { name: authority.certificate.subject, key: authority.key },
    nodeSignatures,
  )
  writeFiles(join(path, '..'), [{ path, contents: der }], true)
  const serials = [...revoked.keys()]
  if (options.json === true)
    terminal.out(
      JSON.stringify({ file: path, revoked: serials, nextUpdate: new Date(nextUpdate).toISOString() }, null, 2),
    )
  else terminal.out(`${path}: ${serials.length} revoked, next update before ${formatTime(nextUpdate)}`)
}

type Entries = Map<string, CrlTemplate['revoked'][number]>

const revokedBefore = (crl: Crl | undefined): Entries =>
  new Map(
    [...(crl?.revoked ?? [])].map(([key, { at, reason }]) => [
      key,
      { serial: fromHex(key), at, ...(reason === undefined ? {} : { reason }) },
    ]),
  )

/** A file that is not the authority's own list is not written over. */
function ownCrl(path: string, { certificate }: AuthorityFiles): Crl {
  const crl = readCrl(path)
  if (equalNames(crl.issuer, certificate.subject) && isSignedBy(crl, certificate.publicKey, nodeSignatures)) return crl
  throw new UsageError('--out', `${path} is a CRL of "${crl.issuerText}", not of ${nameOfCertificate(certificate)}`)
}

/** A list in DER or PEM. */
export function readCrl(path: string): Crl {
  const contents = readOctets(path, '')
  const text = pemText(contents)
  const blocks = text === undefined ? undefined : decodePem(text)
  const block =
    blocks !== undefined && !('problem' in blocks) ? blocks.find(({ label }) => label === 'X509 CRL') : undefined
  try {
    return decodeCrl(block?.der ?? contents)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new UsageError('file', `${path} is not a CRL that can be read: ${error.message}`)
  }
}

function ownCertificate(file: string, authority: AuthorityFiles): Certificate {
  const [der] = readCertificates(readOctets(file, 'name the file of a certificate'), { setting: '--revoke', file })
  const certificate = decodeCertificate(der!)
  if (
    !equalNames(certificate.issuer, authority.certificate.subject) ||
    !isSignedBy(certificate, authority.certificate.publicKey, nodeSignatures)
  )
    throw new UsageError(
      '--revoke',
      `${file} was issued by "${certificate.issuerText}", not by ${nameOfCertificate(authority.certificate)}`,
    )
  if (equalBytes(certificate.der, authority.certificate.der))
    throw new UsageError(
      '--revoke',
      `${file} is the authority itself (serial ${toHex(certificate.serial)}): only the one above can revoke it`,
    )
  return certificate
}
