import { ConfigError } from '../errors.ts'
import { decodePem, type PemBlock } from './pem.ts'

/** Where a key, certificate or container is from, for messages, and what opens it. */
export interface KeySource {
  /** The setting that names it, for example `connections.office.local.auth.key`. */
  readonly setting: string
  readonly file?: string | undefined
  /** Borrowed, and in no message. */
  readonly passphrase?: string | undefined
  /** How one is given, for messages. */
  readonly passphraseSetting?: string
}

/** What is wrong with the octets of a source, and what may stand there. Neither holds anything of the key or passphrase. */
export const sourceError = ({ setting, file }: KeySource, problem: string, allowed: string): ConfigError =>
  new ConfigError({ setting, file, problem, allowed })

/** For a source that is encrypted. Throws `ConfigError` when it comes without a passphrase. */
export function requirePassphrase(source: KeySource, what: string): string {
  if (source.passphrase !== undefined) return source.passphrase
  throw sourceError(
    source,
    `${what} is encrypted, and no passphrase is given`,
    source.passphraseSetting ?? 'the same with its passphrase',
  )
}

export const wrongPassphrase = (source: KeySource, what: string): ConfigError =>
  sourceError(
    source,
    `the passphrase is not that of ${what}, or it is damaged`,
    'the passphrase that it was encrypted with',
  )

/** The blocks of a PEM text. Throws `ConfigError`. */
export function pemBlocks(text: string, source: KeySource): readonly PemBlock[] {
  const blocks = decodePem(text)
  if ('problem' in blocks) throw sourceError(source, `the PEM file is damaged: ${blocks.problem}`, 'a PEM file')
  return blocks
}
