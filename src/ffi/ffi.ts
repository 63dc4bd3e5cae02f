/**
 * C types of arguments and results. `buffer` is a typed array passed by address, without a copy, for the time of the
 * call; `pointer` is an address (bigint, or null), `address` one as a plain number; `string` goes in as NUL-terminated UTF-8.
 * `long` and `size` have the platform's width.
 */
export type FfiType =
  | 'void'
  | 'int'
  | 'uint'
  | 'long'
  | 'ulong'
  | 'size'
  | 'ssize'
  | 'pointer'
  | 'address'
  | 'buffer'
  | 'string'

/** The little of a foreign function interface that is needed: C functions, errno, readiness of a file descriptor. */
export interface Ffi {
  readonly backend: 'koffi'
  readonly version: string
  /** Opens a shared library by path or soname; null is the process itself: libc, libuv, OpenSSL. Throws when it cannot. */
  open(library: string | null): FfiLibrary
  /**
   * Where the first octet of `bytes` lies, for structures that hold addresses. It stays there for as long as the array lives; nothing
   * here keeps it alive.
   */
  addressOf(bytes: Uint8Array): number
  /** The `errno` that the last call left. Only defined when that call failed. */
  errno(): number
  /**
   * Calls `onReadable` from this thread's event loop each time `fd` is ready to read (level-triggered), until closed. The
   * argument is 0, or a negative errno after which nothing more comes. `fd` must be pollable: sockets, pipes, TUN.
   */
  watchReadable(fd: number, onReadable: (status: number) => void): FdWatch
}

export interface FfiLibrary {
  /** A C function. `F` is the caller's claim about its JavaScript type. Throws when the symbol is missing. */
  func<F extends (...args: never[]) => unknown>(name: string, result: FfiType, args: readonly FfiType[]): F
}

export interface FdWatch {
  /** Stops at once; the descriptor may be closed straight after. May be called again. */
  close(): void
}

/** An interface, or one line that says why there is none and what to do. */
export type FfiResult = { readonly ok: true; readonly ffi: Ffi } | { readonly ok: false; readonly reason: string }
