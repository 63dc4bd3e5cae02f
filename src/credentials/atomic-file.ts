import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Puts `text` in the place of the file, so that after a crash at any moment either the old or the new one is there, whole: a file beside it
 * is written and synchronised, takes the name, and the folder is synchronised. Throws what the system says.
 */
export function writeFileAtomically(path: string, text: string, mode = 0o600): void {
  const temporary = `${path}.${process.pid}.new`
  const file = openSync(temporary, 'w', mode)
  try {
    try {
      // `write` may take a part of it only.
      const bytes = Buffer.from(text, 'utf8')
      for (let offset = 0; offset < bytes.length; ) offset += writeSync(file, bytes, offset)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  synchroniseFolder(dirname(path))
}

/** The text of a file; undefined when there is none. Throws what else the system says. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Without it the rename may be lost with the power, though the file's own octets are not. */
function synchroniseFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
