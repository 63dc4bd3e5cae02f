/**
 * Which way to read a TUN device? Compares, interleaved, each in a process of its own inside a network namespace:
 *
 *   poll        what src/tap-tun does: koffi's poll handle (uv_poll on this thread's loop), read(2) until EAGAIN, 64 at most a turn
 *   uv          the same with uv_poll_* called through koffi, memory and callback registered by hand (main thread only)
 *   worker      a worker thread blocked in poll(2), packets in a SharedArrayBuffer ring, Atomics.waitAsync on this side
 *   threadpool  fs.read on a blocking descriptor: holds one of libuv's four threads for each device
 *
 * For each: the time from send(2) to the handler for single packets, then a flood of 1400-octet packets by another process for a second, then
 * 20,000 packets in a second. Needs root, /dev/net/tun, iproute2 and koffi.
 *
 *   npx esbuild bench/standalone/tun-read.ts --bundle --platform=node --format=esm --external:koffi --outfile=node_modules/.cache/tun-read.mjs
 *   node node_modules/.cache/tun-read.mjs [rounds, default 5]
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, read as readFile } from 'node:fs'
import { createRequire } from 'node:module'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import type Koffi from 'koffi'
import { loadFfi } from '../../src/ffi/index.ts'
import { openTun } from '../../src/tap-tun/index.ts'

type Handler = (buffer: Uint8Array, offset: number, length: number) => void
type Reader = (onPacket: Handler) => Promise<void>

interface Figures {
  wakeMicros: number
  wake95Micros: number
  floodPackets: number
  floodCpuMicros: number
  floodLoopDelay99Micros: number
  pacedPackets: number
  pacedCpuMicros: number
}

const self = process.argv[1]!
const device = 'bench0'
const headroom = 128
const maxBytes = 65535
const maxReadsPerTurn = 64
const slotBytes = 2048
const slots = 512

const ffi = () => {
  const loaded = loadFfi()
  if (!loaded.ok) throw new Error(loaded.reason)
  return loaded.ffi
}
const libc = () => {
  const library = ffi().open(null)
  return {
    ioctl: library.func<(fd: number, request: number, argument: Uint8Array) => number>('ioctl', 'int', [
      'int',
      'ulong',
      'buffer',
    ]),
    read: library.func<(fd: number, buffer: Uint8Array, count: number) => number>('read', 'ssize', [
      'int',
      'buffer',
      'size',
    ]),
    poll: library.func<(fds: Uint8Array, count: number, timeoutMs: number) => number>('poll', 'int', [
      'buffer',
      'ulong',
      'int',
    ]),
    socket: library.func<(domain: number, type: number, protocol: number) => number>('socket', 'int', [
      'int',
      'int',
      'int',
    ]),
    connect: library.func<(fd: number, address: Uint8Array, length: number) => number>('connect', 'int', [
      'int',
      'buffer',
      'uint',
    ]),
    send: library.func<(fd: number, buffer: Uint8Array, count: number, flags: number) => number>('send', 'ssize', [
      'int',
      'buffer',
      'size',
      'int',
    ]),
  }
}

const readers: Record<string, Reader> = {
  async poll(onPacket) {
    const tun = await openTun({ name: device })
    bringUp()
    tun.onPacket(onPacket)
  },

  async uv(onPacket) {
    const koffi = createRequire(self)('koffi') as typeof Koffi
    const fd = attach(constants.O_NONBLOCK)
    bringUp()
    const { read } = libc()
    const node = koffi.load(null)
    const uvPoll = 8
    const callback = koffi.pointer(koffi.proto('void', ['void *', 'int', 'int']))
    const handle = koffi.alloc('uint8_t', node.func('size_t uv_handle_size(int)')(uvPoll))
    const buffer = new Uint8Array(headroom + maxBytes)
    const window = buffer.subarray(headroom)
    const drain = () => {
      for (let reads = 0; reads < maxReadsPerTurn; reads++) {
        const length = read(fd, window, maxBytes)
        if (length <= 0) return
        onPacket(buffer, headroom, length)
      }
    }
    const listener = koffi.register(() => setImmediate(drain), callback)
    const loop = node.func('void *uv_default_loop()')()
    node.func('int uv_poll_init(void *, void *, int)')(loop, handle, fd)
    node.func('uv_poll_start', 'int', ['void *', 'int', callback])(handle, 1, listener)
  },

  async worker(onPacket) {
    const fd = attach(constants.O_NONBLOCK)
    bringUp()
    const counters = new Int32Array(new SharedArrayBuffer(8))
    const lengths = new Int32Array(new SharedArrayBuffer(4 * slots))
    const ring = new Uint8Array(new SharedArrayBuffer(slotBytes * slots))
    new Worker(self, { workerData: { fd, counters, lengths, ring } })
    const follow = async () => {
      let tail = 0
      for (;;) {
        const head = Atomics.load(counters, 0)
        if (head === tail) {
          const wait = waitAsync(counters, 0, head)
          if (wait.async) await wait.value
          continue
        }
        for (let reads = 0; reads < maxReadsPerTurn && tail !== head; reads++) {
          const slot = tail % slots
          onPacket(ring, slot * slotBytes + headroom, lengths[slot]!)
          tail = (tail + 1) | 0
          Atomics.store(counters, 1, tail)
        }
        Atomics.notify(counters, 1)
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    void follow()
  },

  async threadpool(onPacket) {
    const fd = attach(0)
    bringUp()
    const buffer = new Uint8Array(headroom + maxBytes)
    const next = () =>
      readFile(fd, buffer, headroom, maxBytes, null, (error, length) => {
        if (error !== null) throw error
        onPacket(buffer, headroom, length)
        next()
      })
    next()
  },
}

/** Atomics.waitAsync is in every supported Node; the ES2023 library types do not have it. */
function waitAsync(array: Int32Array, index: number, value: number): { async: boolean; value: Promise<string> } {
  const atomics = Atomics as unknown as {
    waitAsync(array: Int32Array, index: number, value: number): { async: boolean; value: Promise<string> }
  }
  return atomics.waitAsync(array, index, value)
}

/** The thread of `worker`: poll(2), read into the ring until EAGAIN, tell the other side once. */
function readBlocked(data: { fd: number; counters: Int32Array; lengths: Int32Array; ring: Uint8Array }): void {
  const { poll, read } = libc()
  const { fd, counters, lengths, ring } = data
  const pollfd = new Uint8Array(8)
  new Int32Array(pollfd.buffer)[0] = fd
  new Uint16Array(pollfd.buffer)[2] = 1
  const windows = Array.from({ length: slots }, (_, slot) =>
    ring.subarray(slot * slotBytes + headroom, (slot + 1) * slotBytes),
  )
  let head = 0
  for (;;) {
    poll(pollfd, 1, -1)
    for (;;) {
      while (head - Atomics.load(counters, 1) >= slots) Atomics.wait(counters, 1, Atomics.load(counters, 1), 10)
      const slot = head % slots
      const length = read(fd, windows[slot]!, slotBytes - headroom)
      if (length <= 0) break
      lengths[slot] = length
      head = (head + 1) | 0
      Atomics.store(counters, 0, head)
      if (head % maxReadsPerTurn === 0) Atomics.notify(counters, 0)
    }
    Atomics.notify(counters, 0)
  }
}

function attach(flags: number): number {
  const fd = openSync('/dev/net/tun', constants.O_RDWR | flags)
  const ifreq = new Uint8Array(40)
  new TextEncoder().encodeInto(device, ifreq)
  new Uint16Array(ifreq.buffer)[8] = 0x1001
  if (libc().ioctl(fd, 0x400454ca, ifreq) < 0) throw new Error(`TUNSETIFF failed (errno ${ffi().errno()})`)
  return fd
}

function bringUp(): void {
  execFileSync('ip', ['link', 'set', device, 'mtu', '1500', 'up'])
  execFileSync('ip', ['address', 'add', '10.76.0.1/24', 'dev', device])
}

/** A UDP descriptor connected to the far side of the device. */
function connectedSocket(): number {
  const { socket, connect } = libc()
  const fd = socket(2, 2, 0)
  const address = new Uint8Array(16)
  new Uint16Array(address.buffer)[0] = 2
  address.set([0, 9, 10, 76, 0, 2], 2)
  if (connect(fd, address, 16) < 0) throw new Error(`connect failed (errno ${ffi().errno()})`)
  return fd
}

/** The sending process: `perMs` packets a millisecond for a second, or as many as it can. */
function sendFor(perMs: number): void {
  const { send } = libc()
  const fd = connectedSocket()
  const payload = new Uint8Array(1372)
  const start = performance.now()
  for (let sent = 0, at = start; at < start + 1000; at = performance.now()) {
    const due = perMs === 0 ? sent + 100 : Math.floor((at - start) * perMs)
    for (; sent < due; sent++) send(fd, payload, payload.length, 0)
  }
  closeSync(fd)
}

async function measure(variant: string): Promise<Figures> {
  let packets = 0
  let arrived: (() => void) | undefined
  await readers[variant]!((buffer, offset, length) => {
    if (buffer[offset] !== 0x45 || length < 500) return
    packets++
    arrived?.()
  })
  await sleep(100)
  const wakes = await wakeTimes(400, (resolve) => {
    arrived = resolve
  })
  arrived = undefined
  const load = async (perMs: number) => {
    packets = 0
    const child: ChildProcess = spawn(process.execPath, [self, 'send', String(perMs)], { stdio: 'inherit' })
    while (packets === 0) await sleep(1)
    const cpu = process.cpuUsage()
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    await once(child, 'exit')
    await sleep(20)
    delay.disable()
    const { user, system } = process.cpuUsage(cpu)
    return { packets, cpuMicros: (user + system) / packets, delay99Micros: delay.percentile(99) / 1000 - 1000 }
  }
  const flood = await load(0)
  const paced = await load(20)
  return {
    wakeMicros: wakes[Math.floor(wakes.length / 2)]!,
    wake95Micros: wakes[Math.floor(wakes.length * 0.95)]!,
    floodPackets: flood.packets,
    floodCpuMicros: flood.cpuMicros,
    floodLoopDelay99Micros: flood.delay99Micros,
    pacedPackets: paced.packets,
    pacedCpuMicros: paced.cpuMicros,
  }
}

/** Sorted microseconds from send(2) to the handler, one packet at a time on an idle loop. */
async function wakeTimes(count: number, onArrival: (resolve: () => void) => void): Promise<number[]> {
  const { send } = libc()
  const fd = connectedSocket()
  const payload = new Uint8Array(1000)
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    await sleep(1)
    const before = performance.now()
    await new Promise<void>((resolve) => {
      onArrival(() => {
        times.push(1000 * (performance.now() - before))
        resolve()
      })
      send(fd, payload, payload.length, 0)
    })
  }
  closeSync(fd)
  return times.sort((a, b) => a - b)
}

async function compare(rounds: number): Promise<void> {
  const namespace = `typeswan-bench-${process.pid}`
  const figures: Record<string, Figures[]> = {}
  execFileSync('ip', ['netns', 'add', namespace])
  try {
    for (let round = 0; round < rounds; round++) {
      for (const variant of Object.keys(readers)) {
        const args = ['netns', 'exec', namespace, process.execPath, self, 'measure', variant]
        const { stdout } = spawnSync('ip', args, {
          encoding: 'utf8',
          timeout: 60_000,
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        figures[variant] = [...(figures[variant] ?? []), JSON.parse(stdout) as Figures]
      }
    }
  } finally {
    execFileSync('ip', ['netns', 'del', namespace])
  }
  console.log(`Node ${process.version}, medians of ${rounds} rounds`)
  console.table(Object.fromEntries(Object.entries(figures).map(([variant, found]) => [variant, medians(found)])))
}

function medians(found: Figures[]): Record<string, number> {
  const names = Object.keys(found[0]!) as (keyof Figures)[]
  return Object.fromEntries(
    names.map((name) => {
      const sorted = found.map((figures) => figures[name]).sort((a, b) => a - b)
      return [name, Math.round(10 * sorted[Math.floor(sorted.length / 2)]!) / 10]
    }),
  )
}

const [mode, argument] = process.argv.slice(2)
if (!isMainThread) readBlocked(workerData)
else if (mode === 'send') sendFor(Number(argument))
else if (mode === 'measure') {
  const figures = await measure(argument!)
  // Threads that are blocked in read(2) or poll(2) would hold up an orderly exit.
  process.stdout.write(JSON.stringify(figures), () => process.kill(process.pid, 'SIGKILL'))
} else await compare(Number(mode ?? 5))
