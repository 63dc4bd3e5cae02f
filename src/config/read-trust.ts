import { randomBytes } from 'node:crypto'
import { Trust, type TrustOptions, type TrustWorld } from '../credentials/trust.ts'
import { nodeProvider } from '../crypto/node.ts'
import { nodeSignatures } from '../crypto/node-signature.ts'
import { UsageError } from '../errors.ts'
import type { Identity, PubkeyPeerAuth } from '../ike/config.ts'
import { decodePem, pemText } from '../pki/pem.ts'
import { readDuration } from './duration.ts'
import { formatSetting } from './problems.ts'
import { readFiles } from './read-files.ts'
import { certificatesOf } from './read-key.ts'
import { readRawKeys } from './read-raw-keys.ts'
import type { ReadContext } from './read-secret.ts'
import type { Section } from './section.ts'

/**
 * Whom we believe, as `remote` says; nobody when something is wrong with it, which is then reported. `peerId`: the identity that it takes,
 * undefined for any.
 */
export function readTrust(
  section: Section,
  context: ReadContext,
  peerId: Identity | undefined,
): Omit<PubkeyPeerAuth, 'method'> {
  const authorities = readFiles(section, section.texts('authorities') ?? [], context, certificatesOf)
  const options: TrustOptions = {
    description: formatSetting([...section.path, 'authorities']),
    authorities,
    peers: readFiles(section, section.texts('certificates') ?? [], context, certificatesOf),
    intermediates: readFiles(section, section.texts('intermediates') ?? [], context, certificatesOf),
    rawKeys: readRawKeys(section, context, peerId),
    ...readRevocation(section, context),
    signatures: section.texts('signatures')?.map(({ text }) => text) ?? [],
    allowSha1: context.allowWeak.includes('sha1'),
    hashAndUrl:
      section.flag('hashAndUrl') ?? section.texts('hashAndUrl')?.map(({ text }) => text.toLowerCase()) ?? false,
  }
  const trust = section.attempt(
    [...section.path, 'authorities'],
    () => new Trust(options, trustWorld(context)),
    'files or folders with certificates of authorities, or certificates or publicKeys of the peer',
  )
  return trust === undefined
    ? { trust: { description: 'nobody' }, authorities: [] }
    : {
        trust,
        authorities: trust.authorityHashes,
        accepts: trust.accepts,
        // Who does not mind what nobody says need not ask the peer either.
        wantsOcsp: options.revocation !== 'relaxed',
        hashAndUrl: options.hashAndUrl !== false,
      }
}

/** `crls`, `crlMaxAge` and `revocation` of a section. */
export function readRevocation(
  section: Section,
  context: ReadContext,
): Pick<TrustOptions, 'crls' | 'crlMaxAgeMs' | 'revocation'> {
  const crlMaxAgeMs = readDuration(section, 'crlMaxAge')
  return {
    crls: readFiles(section, section.texts('crls') ?? [], context, (octets) => [crlOf(octets)]),
    ...(crlMaxAgeMs === undefined ? {} : { crlMaxAgeMs }),
    revocation: section.choice('revocation', ['strict', 'ifuri', 'relaxed']) ?? 'relaxed',
  }
}

/** A revocation list in DER, of a file in either form. */
function crlOf(octets: Uint8Array): Uint8Array {
  const text = pemText(octets)
  if (text === undefined) return octets
  const blocks = decodePem(text)
  const crl = 'problem' in blocks ? undefined : blocks.find(({ label }) => label === 'X509 CRL')
  if (crl === undefined) throw new UsageError('crls', 'holds no revocation list')
  return crl.der
}

/** This machine's clock and cryptography, and what the configuration lets be fetched. */
export const trustWorld = ({ fetch }: Pick<ReadContext, 'fetch'>): TrustWorld => ({
  ...world,
  ...(fetch === undefined ? {} : { fetch }),
})

const world = {
  now: () => Date.now(),
  signatures: nodeSignatures,
  hash: nodeProvider.hash,
  random: (length: number) => new Uint8Array(randomBytes(length)),
}
