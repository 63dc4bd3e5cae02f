import { accessSync, closeSync, constants, openSync, readFileSync } from 'node:fs'
import { PlatformError, UsageError } from '../errors.ts'
import { type FdWatch, type Ffi, loadFfi } from '../ffi/index.ts'
import {
  defaultHeadroom,
  defaultTailroom,
  maxIpPacketBytes,
  newTunStats,
  type TunBufferOptions,
  type TunDevice,
  type TunPacketHandler,
  type TunStats,
} from './tun-device.ts'

export interface TunOptions extends TunBufferOptions {
  /** Up to 15 octets; `%d` lets the kernel number it. Default `typeswan%d`. */
  readonly name?: string
  /** Reported as `mtu`; `applyNetworkSetup` sets it on the interface. Default 1400 octets. */
  readonly mtu?: number
}

const tunPath = '/dev/net/tun'
/** linux/if_tun.h, linux/if.h, linux/capability.h, asm-generic/errno.h */
const TUNSETIFF = 0x400454ca
const IFF_TUN = 0x0001
const IFF_NO_PI = 0x1000
const IFNAMSIZ = 16
const ifreqBytes = 40
const CAP_NET_ADMIN = 12n
const EPERM = 1
const EINTR = 4
const EAGAIN = 11
const EBUSY = 16

/** Packets read in one turn of the event loop, so that a busy device leaves sockets and timers their turn. */
const maxReadsPerTurn = 64

/** The libc functions on the packet path. `null` stands for the process, which has libc in it. */
interface Libc {
  ioctl(fd: number, request: number, argument: Uint8Array): number
  read(fd: number, buffer: Uint8Array, count: number): number
  write(fd: number, buffer: Uint8Array, count: number): number
}

/** Whether a TUN device can be opened here, without opening one; the reason says what is missing and what to do. */
export function canOpenTun(): { readonly ok: boolean; readonly reason: string } {
  try {
    requireTun()
    if (!mayAdministerNetwork()) throw attachError(EPERM, '')
    return { ok: true, reason: '' }
  } catch (error) {
    return { ok: false, reason: (error as Error).message }
  }
}

/**
 * Creates a TUN interface (down, without an address: see `applyNetworkSetup`), which lives until `close` or the end of
 * the process. Reads are driven by this thread's event loop, in a worker too, and begin with `onPacket`. Throws
 * `PlatformError` when the system refuses.
 */
export async function openTun(options: TunOptions = {}): Promise<TunDevice> {
  const wanted = options.name ?? 'typeswan%d'
  if (!/^[A-Za-z0-9_.-]{1,15}$/.test(wanted.replace('%d', '')) || wanted.length >= IFNAMSIZ) {
    throw new UsageError('name', `"${wanted}" is not an interface name of 1 to 15 letters, digits, "_", "." or "-"`)
  }
  const ffi = requireTun()
  const libc = libcOf(ffi)
  const fd = openTunFile()
  try {
    const name = attach(ffi, libc, fd, wanted)
    return new LinuxTun(ffi, libc, fd, name, options)
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

class LinuxTun implements TunDevice {
  readonly name: string
  readonly mtu: number
  readonly stats: TunStats = newTunStats()
  readonly #ffi: Ffi
  readonly #libc: Libc
  readonly #fd: number
  #watch: FdWatch | undefined
  readonly #headroom: number
  readonly #buffer: Uint8Array
  /** The middle of `#buffer`, between headroom and tailroom: where packets are read to. */
  readonly #window: Uint8Array
  #packetHandler: TunPacketHandler | undefined
  #failureHandler: ((error: PlatformError) => void) | undefined
  #closed = false

  constructor(ffi: Ffi, libc: Libc, fd: number, name: string, options: TunOptions) {
    const { mtu = 1400, headroom = defaultHeadroom, tailroom = defaultTailroom } = options
    this.name = name
    this.mtu = mtu
    this.#ffi = ffi
    this.#libc = libc
    this.#fd = fd
    this.#headroom = headroom
    // Room for any packet, because an administrator may raise the interface's MTU later.
    this.#buffer = new Uint8Array(headroom + maxIpPacketBytes + tailroom)
    this.#window = this.#buffer.subarray(headroom, headroom + maxIpPacketBytes)
  }

  onPacket(handler: TunPacketHandler): void {
    this.#packetHandler = handler
    // Not earlier: until somebody listens, packets wait in the kernel's queue.
    if (!this.#closed) this.#watch ??= this.#ffi.watchReadable(this.#fd, (status) => this.#readable(status))
  }

  onFailure(handler: (error: PlatformError) => void): void {
    this.#failureHandler = handler
  }

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    // The bounds too: native code would read past the end of the array.
    const inside = offset >= 0 && length > 0 && offset + length <= buffer.length
    const usable = inside && !this.#closed
    if (!usable || this.#libc.write(this.#fd, buffer.subarray(offset, offset + length), length) !== length) {
      this.stats.writeDrops++
      return false
    }
    this.stats.packetsWritten++
    this.stats.bytesWritten += length
    return true
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#watch?.close()
    closeSync(this.#fd)
  }

  #readable(status: number): void {
    if (status < 0) {
      this.#fail(-status)
      return
    }
    for (let reads = 0; reads < maxReadsPerTurn && !this.#closed; reads++) {
      const length = this.#libc.read(this.#fd, this.#window, maxIpPacketBytes)
      if (length > 0) {
        this.stats.packetsRead++
        this.stats.bytesRead += length
        this.#packetHandler?.(this.#buffer, this.#headroom, length)
        continue
      }
      const errno = length < 0 ? this.#ffi.errno() : EAGAIN
      if (errno !== EAGAIN && errno !== EINTR) this.#fail(errno)
      return
    }
  }

  /** A device that was removed stays "ready" for ever: without the end of the watch, the event loop would spin. */
  #fail(errno: number): void {
    this.stats.readErrors++
    this.#watch?.close()
    const remedy = 'the interface was removed; restart to make a new one'
    this.#failureHandler?.(new PlatformError('TUN_GONE', `cannot read from ${this.name} (errno ${errno})`, remedy))
  }
}

function requireTun(): Ffi {
  if (process.platform !== 'linux') {
    throw new PlatformError('TUN_UNSUPPORTED', `no TUN device on ${process.platform}`, 'Linux is the supported system')
  }
  const loaded = loadFfi()
  if (!loaded.ok) throw new PlatformError('TUN_NO_FFI', 'no TUN device without native calls', loaded.reason)
  try {
    accessSync(tunPath, constants.R_OK | constants.W_OK)
  } catch (error) {
    throw openError(error as NodeJS.ErrnoException)
  }
  return loaded.ffi
}

/** The effective CAP_NET_ADMIN of this process: /dev/net/tun itself can be opened by everybody on most systems. */
function mayAdministerNetwork(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  return ((BigInt(`0x${effective}`) >> CAP_NET_ADMIN) & 1n) === 1n
}

function libcOf(ffi: Ffi): Libc {
  const library = ffi.open(null)
  return {
    ioctl: library.func<Libc['ioctl']>('ioctl', 'int', ['int', 'ulong', 'buffer']),
    read: library.func<Libc['read']>('read', 'ssize', ['int', 'buffer', 'size']),
    write: library.func<Libc['write']>('write', 'ssize', ['int', 'buffer', 'size']),
  }
}

function openTunFile(): number {
  try {
    return openSync(tunPath, constants.O_RDWR | constants.O_NONBLOCK)
  } catch (error) {
    throw openError(error as NodeJS.ErrnoException)
  }
}

function openError(error: NodeJS.ErrnoException): PlatformError {
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return new PlatformError('TUN_PERMISSION', `no permission for ${tunPath}`, 'run as root or with CAP_NET_ADMIN', {
      cause: error,
    })
  }
  const remedy = 'load it with `modprobe tun`; for a container pass --device /dev/net/tun'
  return new PlatformError('TUN_NO_DEVICE', `cannot open ${tunPath} (${error.code})`, remedy, { cause: error })
}

/** Binds the descriptor to an interface (struct ifreq: name, then flags) and returns the name the kernel gave it. */
function attach(ffi: Ffi, libc: Libc, fd: number, wanted: string): string {
  const ifreq = new Uint8Array(ifreqBytes)
  new TextEncoder().encodeInto(wanted, ifreq)
  // The kernel's own byte order.
  new Uint16Array(ifreq.buffer)[IFNAMSIZ / 2] = IFF_TUN | IFF_NO_PI
  if (libc.ioctl(fd, TUNSETIFF, ifreq) < 0) throw attachError(ffi.errno(), wanted)
  return new TextDecoder().decode(ifreq.subarray(0, ifreq.indexOf(0)))
}

function attachError(errno: number, name: string): PlatformError {
  const problem = `cannot create ${name === '' ? 'a TUN interface' : `the TUN interface ${name}`}`
  if (errno === EPERM) return new PlatformError('TUN_PERMISSION', problem, 'run as root or with CAP_NET_ADMIN')
  if (errno === EBUSY) return new PlatformError('TUN_BUSY', problem, 'another process has an interface of this name')
  const remedy = 'choose another name, or look at `ip link` for an interface of another kind that has it'
  return new PlatformError('TUN_CREATE', `${problem} (errno ${errno})`, remedy)
}
