import { UsageError } from '../errors.ts'
import type { SettingPath } from './problems.ts'
import type { ReadContext } from './read-secret.ts'
import type { Section } from './section.ts'

/** What the files of a list hold, and of each folder in it those whose names end as such files do. What cannot be read is a problem of `section`. */
export function readFiles<T>(
  section: Section,
  files: readonly { readonly text: string; readonly path: SettingPath }[],
  { readSecretFile, listFolder }: ReadContext,
  read: (octets: Uint8Array, path: SettingPath) => T[],
): T[] {
  return files.flatMap(({ text, path }) => {
    const found = section.attempt(
      path,
      () => {
        const names = listFolder(text)
        if (names === undefined) return read(readSecretFile(text), path)
        const inFolder = names.filter((one) => /\.(pem|crt|cer|der|crl|pub)$/i.test(one)).sort()
        if (inFolder.length === 0)
          throw new UsageError('file', `the folder ${text} has no .pem, .crt, .cer, .der, .crl or .pub`)
        return inFolder.flatMap((one) => read(readSecretFile(`${text}/${one}`), path))
      },
      'a file that can be read, or a folder with such files',
    )
    return found ?? []
  })
}
