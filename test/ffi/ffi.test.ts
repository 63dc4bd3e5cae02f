import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { loadFfi } from '../../src/ffi/index.ts'
import { koffiBackend } from '../../src/ffi/koffi.ts'

describe('koffi backend', () => {
  it('says how to get a package that is absent', () => {
    const load = () => {
      throw Object.assign(new Error("Cannot find module 'koffi'"), { code: 'MODULE_NOT_FOUND' })
    }
    expect(koffiBackend(load)).toEqual({
      ok: false,
      reason: 'the package koffi is not installed: npm install koffi',
    })
  })

  it('passes on why native code does not load', () => {
    const load = () => {
      throw new Error('cannot find the native Koffi module')
    }
    expect(koffiBackend(load)).toEqual({
      ok: false,
      reason: 'the package koffi does not work here: cannot find the native Koffi module',
    })
  })

  it('refuses a version without readiness events', () => {
    expect(koffiBackend(() => ({ version: '2.8.0' }))).toEqual({
      ok: false,
      reason: 'koffi 2.8.0 is too old: npm install koffi@3',
    })
  })
})

const loaded = loadFfi()
const missing = loaded.ok ? '' : ` (skipped: ${loaded.reason})`

describe.skipIf(!loaded.ok || process.platform !== 'linux')(`foreign functions on Linux${missing}`, () => {
  const ffi = () => {
    if (!loaded.ok) throw new Error(loaded.reason)
    return loaded.ffi
  }

  it('calls functions of the process itself and reads errno', () => {
    const libc = ffi().open(null)
    const getpid = libc.func<() => number>('getpid', 'int', [])
    const close = libc.func<(fd: number) => number>('close', 'int', ['int'])
    expect(getpid()).toBe(process.pid)
    expect(close(-1)).toBe(-1)
    expect(ffi().errno()).toBe(9) // EBADF
  })

  it('passes typed arrays by address, at their offset', () => {
    const memset = ffi()
      .open(null)
      .func<(buffer: Uint8Array, octet: number, length: number) => unknown>('memset', 'pointer', [
        'buffer',
        'int',
        'size',
      ])
    const buffer = new Uint8Array(6)
    memset(buffer.subarray(2, 4), 7, 2)
    expect(buffer).toEqual(Uint8Array.of(0, 0, 7, 7, 0, 0))
  })

  it('throws when a symbol is missing', () => {
    expect(() => ffi().open(null).func('typeswan_no_such_symbol', 'int', [])).toThrow()
  })

  it('tells when a descriptor is readable, level-triggered, until the watch is closed', async () => {
    const libc = ffi().open(null)
    const pipe = libc.func<(ends: Int32Array) => number>('pipe', 'int', ['buffer'])
    const read = libc.func<(fd: number, buffer: Uint8Array, count: number) => number>('read', 'ssize', [
      'int',
      'buffer',
      'size',
    ])
    const close = libc.func<(fd: number) => number>('close', 'int', ['int'])
    const ends = new Int32Array(2)
    expect(pipe(ends)).toBe(0)
    const octets: number[] = []
    const done = new Promise<void>((resolve) => {
      const watch = ffi().watchReadable(ends[0]!, (status) => {
        expect(status).toBe(0)
        const buffer = new Uint8Array(1)
        read(ends[0]!, buffer, 1)
        octets.push(buffer[0]!)
        // One octet stays unread: a closed watch must not report it.
        if (octets.length === 2) {
          watch.close()
          watch.close()
          resolve()
        }
      })
    })
    const writer = spawn('sh', ['-c', 'printf abc >&3'], { stdio: ['ignore', 'ignore', 'ignore', ends[1]!] })
    await Promise.all([done, once(writer, 'close')])
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(octets).toEqual([97, 98])
    close(ends[0]!)
    close(ends[1]!)
  })
})
