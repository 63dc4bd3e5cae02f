import type { FdWatch, Ffi, FfiLibrary, FfiResult, FfiType } from './ffi.ts'

/** The part of the koffi package (an optional dependency) that is used. */
export interface Koffi {
  readonly version: string
  load(path: string | null): { func(name: string, result: string, args: readonly string[]): unknown }
  errno(): number
  readonly node: {
    poll(fd: number, options: { readable: boolean }, callback: (status: number) => void): { close(): void }
  }
}

const koffiTypes: Record<FfiType, string> = {
  void: 'void',
  int: 'int',
  uint: 'unsigned int',
  long: 'long',
  ulong: 'unsigned long',
  size: 'size_t',
  ssize: 'intptr_t',
  pointer: 'void *',
  address: 'uint64_t',
  buffer: 'void *',
  string: 'const char *',
}

/** Makes an `Ffi` of what `load` returns. Never throws: a package that is absent, broken or too old becomes a reason. */
export function koffiBackend(load: () => unknown): FfiResult {
  let koffi: Koffi
  try {
    koffi = load() as Koffi
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND'
      ? { ok: false, reason: 'the package koffi is not installed: npm install koffi' }
      : { ok: false, reason: `the package koffi does not work here: ${message}` }
  }
  if (typeof koffi?.node?.poll !== 'function') {
    return { ok: false, reason: `koffi ${koffi?.version ?? '(unknown version)'} is too old: npm install koffi@3` }
  }
  return { ok: true, ffi: interfaceOf(koffi) }
}

function interfaceOf(koffi: Koffi): Ffi {
  let place: ((bytes: Uint8Array, from: Uint8Array, count: number) => number) | undefined
  return {
    backend: 'koffi',
    version: koffi.version,
    open: (path) => libraryOf(koffi, path),
    addressOf: (bytes) => {
      // A copy of nothing: what comes back is the address that went in.
      place ??= libraryOf(koffi, null).func<NonNullable<typeof place>>('memmove', 'address', [
        'buffer',
        'buffer',
        'size',
      ])
      return place(bytes, bytes, 0)
    },
    errno: () => koffi.errno(),
    watchReadable: (fd, onReadable) => watch(koffi, fd, onReadable),
  }
}

function libraryOf(koffi: Koffi, path: string | null): FfiLibrary {
  const library = koffi.load(path)
  return {
    func<F>(name: string, result: FfiType, args: readonly FfiType[]): F {
      const types = args.map((type) => koffiTypes[type])
      // The caller states the type of the C function: nothing here could check it.
      return library.func(name, koffiTypes[result], types) as F
    },
  }
}

function watch(koffi: Koffi, fd: number, onReadable: (status: number) => void): FdWatch {
  let open = true
  let last = 0
  const run = () => {
    if (open) onReadable(last)
  }
  // koffi calls back from inside uv_poll without Node's callback scope: promises and ticks would wait for some other
  // event, and an exception would surface in an unrelated place. The check phase of the same loop turn has a scope.
  const handle = koffi.node.poll(fd, { readable: true }, (status) => {
    last = status
    setImmediate(run)
  })
  return {
    close() {
      if (!open) return
      open = false
      handle.close()
    },
  }
}
