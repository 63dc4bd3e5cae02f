import { randomBytes } from 'node:crypto'
import { Trust, type TrustOptions, type TrustWorld } from '../credentials/trust.ts'
import { nodeProvider } from '../crypto/node.ts'
import { nodeSignatures } from '../crypto/node-signature.ts'
import { UsageError } from '../errors.ts'
import type { PubkeyPeerAuth } from '../ike/config.ts'
import { decodePem, pemText } from '../pki/pem.ts'
import { readPublicKey } from '../pki/public-files.ts'
import { readDuration } from './duration.ts'
import { formatSetting, type SettingPath } from './problems.ts'
import { certificatesOf } from './read-key.ts'
import type { ReadContext } from './read-secret.ts'
import type { Section } from './section.ts'

/** Whom we believe, as `remote` says; nobody when something is wrong with it, which is then reported. */
export function readTrust(section: Section, context: ReadContext): Omit<PubkeyPeerAuth, 'method'> {
  const authorities = readFiles(section, 'authorities', context, certificatesOf)
  const options: TrustOptions = {
    description: formatSetting([...section.path, 'authorities']),
    authorities,
    peers: readFiles(section, 'certificates', context, certificatesOf),
    intermediates: readFiles(section, 'intermediates', context, certificatesOf),
    rawKeys: readFiles(section, 'publicKeys', context, (octets, path) => [
      readPublicKey(octets, { setting: formatSetting(path) }).spki,
    ]),
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
    crls: readFiles(section, 'crls', context, (octets) => [crlOf(octets)]),
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

/** What the files of a list hold, and of each folder in it those whose names end as such files do. */
function readFiles<T>(
  section: Section,
  name: string,
  { readSecretFile, listFolder }: ReadContext,
  read: (octets: Uint8Array, path: SettingPath) => T[],
): T[] {
  return (section.texts(name) ?? []).flatMap(({ text, path }) => {
    const found = section.attempt(
      path,
      () => {
        const names = listFolder(text)
        if (names === undefined) return read(readSecretFile(text), path)
        const files = names.filter((one) => /\.(pem|crt|cer|der|crl|pub)$/i.test(one)).sort()
        if (files.length === 0)
          throw new UsageError('file', `the folder ${text} has no .pem, .crt, .cer, .der, .crl or .pub`)
        return files.flatMap((one) => read(readSecretFile(`${text}/${one}`), path))
      },
      'a file that can be read, or a folder with such files',
    )
    return found ?? []
  })
}
