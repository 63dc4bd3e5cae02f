export type { FdWatch, Ffi, FfiLibrary, FfiResult, FfiType } from './ffi.ts'
export { loadFfi } from './load.ts'
