import { closeSync, fchmodSync, openSync, writeSync } from 'node:fs'
import { PlatformError } from '../errors.ts'
import type { RecordingOptions } from '../ike/recording/recording.ts'
import { systemCode } from './system-code.ts'

/** A file that a recording goes to, line by line, so that it is whole up to the moment of a crash. */
export interface RecordingFile extends RecordingOptions {
  close(): void
}

/** Opens the file (anew, and readable by its owner alone: it holds private values). Throws `PlatformError`. */
export function openRecordingFile(path: string, secrets = false): RecordingFile {
  let file: number
  try {
    file = openSync(path, 'w', 0o600)
    // The mode above is only for a file that was not there.
    fchmodSync(file, 0o600)
  } catch (error) {
    const problem = `the recording ${path} cannot be written (${systemCode(error)})`
    throw new PlatformError('RECORDING_FILE', problem, 'name a file that this user may write', { cause: error })
  }
  return { secrets, write: (line) => void writeSync(file, `${line}\n`), close: () => closeSync(file) }
}
