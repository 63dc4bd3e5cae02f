import { OwnKey } from '../credentials/own-key.ts'
import { nodeSignatures } from '../crypto/node-signature.ts'
import type { PrivateKey } from '../crypto/signature.ts'
import type { KeySource } from '../pki/key-source.ts'
import { readPkcs12 } from '../pki/pkcs12.ts'
import { readPrivateKey } from '../pki/private-key.ts'
import { readCertificates } from '../pki/public-files.ts'
import { formatSetting, type SettingPath } from './problems.ts'
import { type ReadContext, readSecret } from './read-secret.ts'
import type { Section } from './section.ts'

/** A key of ours with its certificates, as the settings name them. */
export interface OwnCredential {
  readonly key: OwnKey
  /** Borrowed. */
  readonly privateKey: PrivateKey
  /** In DER, the end entity's first. */
  readonly certificates: readonly Uint8Array[]
}

type Files = Pick<ReadContext, 'readSecretFile'>

/** True when the section says which key is ours. */
export const hasCredential = (section: Section): boolean => section.has('key') || section.has('pkcs12')

/** `key` with `certificates`, or `pkcs12`, and `signatures` of a section; undefined when something is wrong, which is then reported. */
export function readCredential(section: Section, context: Files): OwnCredential | undefined {
  const name = section.has('pkcs12') ? 'pkcs12' : 'key'
  const parts = name === 'pkcs12' ? readContainer(section, context) : readKeyFiles(section, context)
  if (parts === undefined) return undefined
  const { file, privateKey, certificates } = parts
  const key = section.attempt(
    [...section.path, name],
    () => newOwnKey(section, file, privateKey, certificates),
    'a key that fits its certificate and signatures',
  )
  return key === undefined ? undefined : { key, privateKey, certificates }
}

type Parts = Omit<OwnCredential, 'key'> & { readonly file: string }

function readKeyFiles(section: Section, context: Files): Parts | undefined {
  const file = section.text('key') ?? section.section('key').text('file')
  const path = [...section.path, 'key']
  if (file === undefined) {
    if (!section.has('key')) section.problem('key', 'is missing', keyRule)
    return undefined
  }
  const source = sourceOf(section, 'key', context)
  const privateKey = section.attempt(path, () => readPrivateKey(context.readSecretFile(file), source), keyRule)
  const certificates = readCertificateFiles(section, 'certificates', context)
  if (privateKey === undefined || certificates === undefined) return undefined
  return { file, privateKey, certificates }
}

function readContainer(section: Section, context: Files): Parts | undefined {
  const file = section.text('pkcs12') ?? section.section('pkcs12').text('file')
  if (file === undefined) return undefined
  const source = sourceOf(section, 'pkcs12', context)
  const path = [...section.path, 'pkcs12']
  const parts = section.attempt(path, () => readPkcs12(context.readSecretFile(file), source), 'a PKCS #12 file')
  return parts === undefined ? undefined : { file, ...parts }
}

const keyRule = 'the path of a private key in PEM or DER, or {"file": "path", "passphrase": {"file": "path"}}'

/** Certificates of the files that a list names, in order; undefined when one of them cannot be read. */
export function readCertificateFiles(
  section: Section,
  name: string,
  { readSecretFile }: Files,
): readonly Uint8Array[] | undefined {
  const files = section.texts(name) ?? []
  const read = files.map(({ text, path }) =>
    section.attempt(path, () => certificatesOf(readSecretFile(text), path), 'certificates in PEM or DER'),
  )
  return read.every((one) => one !== undefined) ? read.flat() : undefined
}

/** The certificates of a file. Throws `ConfigError`. */
export const certificatesOf = (octets: Uint8Array, path: SettingPath): Uint8Array[] =>
  readCertificates(octets, { setting: formatSetting(path) })

function newOwnKey(
  section: Section,
  description: string,
  key: PrivateKey,
  certificates: readonly Uint8Array[],
): OwnKey {
  const signatures = section.texts('signatures')?.map(({ text }) => text) ?? []
  return new OwnKey({ description, key, certificates, signatures, provider: nodeSignatures })
}

function sourceOf(section: Section, name: string, context: Files): KeySource {
  const setting = formatSetting([...section.path, name])
  const given = section.section(name)
  if (!given.has('passphrase'))
    return { setting, passphraseSetting: '{"file": "path", "passphrase": {"file": "path"}}' }
  return { setting, passphrase: new TextDecoder().decode(readSecret(given, 'passphrase', context)) }
}
