import type { PoolConfig } from '../credentials/pool.ts'
import type { Fetch } from '../pki/fetching.ts'
import type { AkaSubscribers, SqnFiles } from './read-aka.ts'
import type { RadiusSettings } from './read-radius.ts'
import { parseSecret, secretOfFile } from './secret.ts'
import type { Section } from './section.ts'

/** What a connection's settings are read against. */
export interface ReadContext {
  readonly allowWeak: readonly string[]
  readonly pools: readonly PoolConfig[]
  /** The names in a folder, undefined when it is none. */
  readonly listFolder: (path: string) => readonly string[] | undefined
  /** Brings what certificates name over HTTP; undefined: nothing is fetched. */
  readonly fetch: Fetch | undefined
  /** Transport mode is carried by what the configuration is for. */
  readonly carriesTransport: boolean
  /** Passwords by name. */
  readonly eapUsers: ReadonlyMap<string, string>
  readonly akaSubscribers: AkaSubscribers
  readonly sqnFiles: SqnFiles
  /** What sections `radius` share. */
  readonly radius: RadiusSettings
  /** The octets of a secret's file, by its path as written. Throws `UsageError`. */
  readonly readSecretFile: (path: string) => Uint8Array
}

/** A secret of the settings, as text or as the name of a file; empty when something is wrong with it, which is then reported. */
export function readSecret(
  section: Section,
  name: string,
  { readSecretFile }: Pick<ReadContext, 'readSecretFile'>,
): Uint8Array {
  const file = section.section(name).text('file')
  const rule = 'a key as text, 0x and hexadecimal, 0s and base64, or {"file": "path"}'
  const secret =
    file === undefined
      ? section.parsed(name, parseSecret, rule)
      : section.attempt(
          [...section.path, name, 'file'],
          () => secretOfFile(readSecretFile(file)),
          'a file that holds the key',
        )
  return secret ?? new Uint8Array(0)
}
