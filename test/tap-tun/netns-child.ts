/** Runs inside a network namespace: one scenario by name, its findings as one line of JSON on stdout. */
import { execFile } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import type { TypeswanError } from '../../src/errors.ts'
import { applyNetworkSetup, canOpenTun, openTun, type TunDevice } from '../../src/tap-tun/index.ts'

const run = promisify(execFile)
const ip = async (...args: string[]) => (await run('ip', args)).stdout

const scenarios: Record<string, () => Promise<unknown>> = {
  async udpEcho() {
    const tun = await openReflector('t0')
    const replies = await exchange('udp4', '10.77.0.2', 200)
    const replies6 = await exchange('udp6', 'fd77::2', 200)
    const stats = { ...tun.stats }
    await tun.close()
    return { replies, replies6, stats }
  },

  async ping() {
    const tun = await openReflector('t0')
    const output = []
    for (const target of ['10.77.0.2', 'fd77::2']) {
      output.push((await run('ping', ['-c', '3', '-i', '0.02', '-W', '2', target])).stdout)
    }
    await tun.close()
    return output.map((text) => /(\d+) received/.exec(text)?.[1])
  },

  async room() {
    const tun = await openTun({ name: 't0', mtu: 1400, headroom: 100, tailroom: 50 })
    await applyNetworkSetup({ device: 't0', addresses: ['10.77.0.1/24'], mtu: 1400, routes: [] })
    const seen = new Promise((resolve) => {
      tun.onPacket((buffer, offset, length) => {
        if (buffer[offset]! >>> 4 === 4) resolve({ offset, length, behind: buffer.length - offset - length >= 50 })
      })
    })
    await sendTo('10.77.0.2', 1000)
    const found = await seen
    await tun.close()
    return found
  },

  async ticks() {
    const tun = await openTun({ name: 't0' })
    await applyNetworkSetup({ device: 't0', addresses: ['10.77.0.1/24'], mtu: 1400, routes: [] })
    const waited = new Promise<number>((resolve) => {
      tun.onPacket(async () => {
        const before = performance.now()
        await Promise.resolve()
        resolve(performance.now() - before)
      })
    })
    await sendTo('10.77.0.2', 100)
    const ms = await waited
    await tun.close()
    return { ms }
  },

  async kernelQueue() {
    const tun = await openTun({ name: 't0' })
    await applyNetworkSetup({ device: 't0', addresses: ['10.77.0.1/24'], mtu: 1400, routes: [] })
    await sendTo('10.77.0.2', 333)
    await sleep(20)
    const lengths: number[] = []
    const arrived = new Promise<void>((resolve) => {
      tun.onPacket((buffer, offset, length) => {
        if (buffer[offset]! >>> 4 !== 4) return
        lengths.push(length)
        resolve()
      })
    })
    await arrived
    await tun.close()
    return { lengths }
  },

  async removed() {
    const tun = await openReflector('t0')
    let failures = 0
    const failed = new Promise<TypeswanError>((resolve) => {
      tun.onFailure((error) => {
        failures++
        resolve(error)
      })
    })
    await ip('link', 'del', 't0')
    const { code } = await failed
    const cpuBefore = process.cpuUsage()
    await sleep(100)
    const { user, system } = process.cpuUsage(cpuBefore)
    const written = tun.write(new Uint8Array(20).fill(0x45), 0, 20)
    await tun.close()
    return { code, failures, busyMs: (user + system) / 1000, written }
  },

  async closed() {
    const tun = await openReflector('t0')
    await Promise.all([tun.close(), tun.close()])
    const links = await ip('-o', 'link')
    return {
      written: tun.write(new Uint8Array(20).fill(0x45), 0, 20),
      gone: !links.includes('t0'),
      drops: tun.stats.writeDrops,
    }
  },

  async writeOutside() {
    const tun = await openReflector('t0')
    const packet = Uint8Array.of(0x45, 0, 0, 20, ...new Array<number>(16).fill(0))
    const taken = [
      tun.write(packet, 0, 21),
      tun.write(packet, -1, 20),
      tun.write(packet, 0, 0),
      tun.write(packet, 0, 20),
    ]
    await tun.close()
    return taken
  },

  async writeDown() {
    const tun = await openTun({ name: 't0' })
    const taken = tun.write(Uint8Array.of(0x45, ...new Array<number>(19).fill(0)), 0, 20)
    await tun.close()
    return { taken, drops: tun.stats.writeDrops }
  },

  async names() {
    const first = await openTun({ name: 'typeswan%d' })
    const second = await openTun({ name: 'typeswan%d' })
    const busy = await codeOf(openTun({ name: first.name }))
    const loopback = await codeOf(openTun({ name: 'lo' }))
    const bad = await codeOf(openTun({ name: 'a name' }))
    await Promise.all([first.close(), second.close()])
    return { names: [first.name, second.name], busy, loopback, bad }
  },

  async setup() {
    const tun = await openTun({ name: 't0' })
    const applied = await applyNetworkSetup({
      device: 't0',
      addresses: ['10.77.0.1/24', 'fd77::1/64', '10.78.0.1'],
      mtu: 1300,
      routes: [
        { destination: '10.99.0.0/16', source: '10.77.0.1', metric: 50 },
        { destination: '10.100.0.0/16', table: 220 },
        { destination: 'fd99::/32' },
      ],
    })
    const during = {
      link: await ip('-o', 'link', 'show', 't0'),
      addresses: await ip('-o', 'address', 'show', 't0'),
      routes: await ip('route'),
      table: await ip('route', 'show', 'table', '220'),
      routes6: await ip('-6', 'route'),
    }
    const problems = [...(await applied.undo()), ...(await applied.undo())]
    const after = {
      addresses: await ip('-o', 'address', 'show', 't0', 'scope', 'global'),
      routes: await ip('route'),
      table: await ip('route', 'show', 'table', '220'),
      routes6: (await ip('-6', 'route')).includes('fd99'),
    }
    await tun.close()
    return { during, problems, after }
  },

  async routeExists() {
    const tun = await openTun({ name: 't0' })
    const failure = await applyNetworkSetup({
      device: 't0',
      addresses: ['10.77.0.1/24'],
      mtu: 1300,
      routes: [{ destination: '10.99.0.0/16' }, { destination: '10.99.0.0/16' }],
    }).catch((error: TypeswanError) => ({ code: error.code, message: error.message }))
    const left = (await ip('route')) + (await ip('-o', 'address', 'show', 't0', 'scope', 'global'))
    await tun.close()
    return { failure, left }
  },

  async undoAfterClose() {
    const tun = await openTun({ name: 't0' })
    const routes = [{ destination: '10.99.0.0/16' }]
    const applied = await applyNetworkSetup({ device: 't0', addresses: ['10.77.0.1/24'], mtu: 1300, routes })
    await tun.close()
    return { problems: await applied.undo() }
  },

  async noDevice() {
    const setup = { device: 'absent0', addresses: [], mtu: 1300, routes: [] }
    return codeOf(applyNetworkSetup(setup))
  },

  async ordinaryUser() {
    process.setgid!(65534)
    process.setuid!(65534)
    const setup = { device: 'lo', addresses: [], mtu: 65536, routes: [] }
    return {
      can: canOpenTun(),
      open: await codeOf(openTun({ name: 't0' })),
      setup: await codeOf(applyNetworkSetup(setup)),
    }
  },

  /** The device is opened and read in a worker, whose event loop is not the process' default one. */
  async worker() {
    const worker = new Worker(process.argv[1]!, { argv: ['workerSide'] })
    await once(worker, 'message')
    const replies = await exchange('udp4', '10.77.0.2', 50)
    worker.postMessage('end')
    await once(worker, 'exit')
    return { replies }
  },

  async workerSide() {
    const tun = await openReflector('t0')
    parentPort!.postMessage('ready')
    await once(parentPort!, 'message')
    parentPort!.close()
    await tun.close()
    return undefined
  },

  /** A flood into the device must not keep timers and sockets from their turn. */
  async fairness() {
    const tun = await openTun({ name: 't0' })
    await applyNetworkSetup({ device: 't0', addresses: ['10.77.0.1/24'], mtu: 1400, routes: [] })
    const socket = createSocket('udp4')
    let longest = 0
    let inOneTurn = 0
    const timer = setInterval(() => {
      inOneTurn = 0
    }, 0)
    tun.onPacket(() => {
      inOneTurn++
      longest = Math.max(longest, inOneTurn)
      setImmediate(() => {
        inOneTurn = 0
      })
    })
    for (let i = 0; i < 400; i++) socket.send(new Uint8Array(100), 9, '10.77.0.2')
    while (tun.stats.packetsRead < 400) await sleep(1)
    clearInterval(timer)
    socket.close()
    await tun.close()
    return { longest }
  },
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: TypeswanError) => error.code,
  )
}

/** A device whose far side answers: ICMP echo requests with replies, UDP with the same datagram sent back. */
async function openReflector(name: string): Promise<TunDevice> {
  const tun = await openTun({ name, mtu: 1400 })
  await applyNetworkSetup({ device: name, addresses: ['10.77.0.1/24', 'fd77::1/64'], mtu: 1400, routes: [] })
  tun.onPacket((buffer, offset, length) => {
    const version6 = buffer[offset]! >>> 4 === 6
    const protocol = buffer[offset + (version6 ? 6 : 9)]!
    const upper = offset + (version6 ? 40 : 20)
    // Swapping halves of the same fields leaves every checksum over them right.
    swap(buffer, offset + (version6 ? 8 : 12), version6 ? 16 : 4)
    if (protocol === 17) swap(buffer, upper, 2)
    else if (protocol === 1) answerEcho(buffer, upper, 8, 0)
    else if (protocol === 58 && buffer[upper] === 128) answerEcho(buffer, upper, 128, 129)
    else return
    tun.write(buffer, offset, length)
  })
  return tun
}

function swap(buffer: Uint8Array, at: number, size: number): void {
  for (let i = at; i < at + size; i++) [buffer[i], buffer[i + size]] = [buffer[i + size]!, buffer[i]!]
}

function answerEcho(buffer: Uint8Array, at: number, request: number, reply: number): void {
  buffer[at] = reply
  const sum = ((buffer[at + 2]! << 8) | buffer[at + 3]!) + ((request - reply) << 8)
  const folded = sum < 0 ? sum + 0xffff : sum > 0xffff ? sum - 0xffff : sum
  buffer[at + 2] = folded >>> 8
  buffer[at + 3] = folded & 0xff
}

async function exchange(type: 'udp4' | 'udp6', address: string, count: number): Promise<number> {
  const socket: Socket = createSocket(type)
  let right = 0
  for (let i = 0; i < count; i++) {
    const payload = new Uint8Array(1 + ((i * 7) % 1300)).fill(i)
    const reply = once(socket, 'message', { signal: AbortSignal.timeout(15_000) }) as Promise<[Uint8Array]>
    socket.send(payload, 4000, address)
    if (Buffer.compare((await reply)[0], payload) === 0) right++
  }
  socket.close()
  return right
}

function sendTo(address: string, length: number): Promise<void> {
  const socket = createSocket('udp4')
  return new Promise((resolve) => {
    socket.send(new Uint8Array(length), 9, address, () => socket.close(resolve))
  })
}

const result = await scenarios[process.argv[2]!]!()
if (isMainThread) process.stdout.write(`${JSON.stringify(result)}\n`)
