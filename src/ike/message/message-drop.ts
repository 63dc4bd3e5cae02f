import { DecodeError } from '../../errors.ts'
import type { DropReason } from '../events.ts'
import { copyEndpoint, type IkeRuntime, type Path } from '../runtime.ts'

/** A datagram that is not processed further. */
export function drop(runtime: IkeRuntime, path: Path, reason: DropReason, detail: string): void {
  runtime.emit({ kind: 'dropped', remote: copyEndpoint(path.remote), reason, detail })
}

/** Runs a decoder over octets that nobody has authenticated: malformed ones are dropped and counted. */
export function decodeOr<T>(decode: () => T, runtime: IkeRuntime, path: Path): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    drop(runtime, path, 'malformed', error.message)
    return undefined
  }
}
