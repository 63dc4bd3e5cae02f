import { createRequire } from 'node:module'
import type { FfiResult } from './ffi.ts'
import { koffiBackend } from './koffi.ts'

let loaded: FfiResult | undefined

/** The foreign function interface of this process; looked for at the first call and remembered. Never throws. */
export function loadFfi(): FfiResult {
  // Required when asked for, so that importing Typeswan neither needs koffi nor loads native code.
  loaded ??= koffiBackend(() => createRequire(import.meta.url)('koffi'))
  return loaded
}
