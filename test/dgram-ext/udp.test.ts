import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import {
  openNodeUdp,
  openUdp,
  sourceAddressFor,
  type UdpFailure,
  type UdpOptions,
  type UdpSocket,
  whyNodeUdp,
} from '../../src/dgram-ext/index.ts'
import { formatIp, parseIp, type SocketAddress } from '../../src/ip/address.ts'

const open: UdpSocket[] = []

type Open = typeof openUdp

const keeping =
  (opener: Open) =>
  async (address: string, options: Partial<UdpOptions> = {}): Promise<UdpSocket> => {
    const socket = await opener({ address: parseIp(address), port: 0, ...options })
    open.push(socket)
    return socket
  }

const noSendmsg = whyNodeUdp()
const backends = [
  ['node:dgram', openNodeUdp, 'ERR_SOCKET_BAD_PORT'],
  // What `openUdp` takes here: over foreign functions where they are there.
  ...(noSendmsg === undefined ? [['sendmsg', openUdp, 'EINVAL'] as const] : []),
] as readonly (readonly [string, Open, string])[]

it.skipIf(noSendmsg === undefined)(`has no sendmsg here: ${noSendmsg}`, () => {})

afterEach(async () => {
  await Promise.all(open.splice(0).map((socket) => socket.close()))
})

/** Resolves with copies of the next `count` datagrams. */
function receive(socket: UdpSocket, count: number): Promise<{ bytes: Uint8Array; remote: SocketAddress }[]> {
  const datagrams: { bytes: Uint8Array; remote: SocketAddress }[] = []
  return new Promise((resolve) => {
    socket.onMessage((buffer, offset, length, remote) => {
      datagrams.push({ bytes: buffer.slice(offset, offset + length), remote })
      if (datagrams.length === count) resolve(datagrams)
    })
  })
}

const nextFailure = (socket: UdpSocket) => new Promise<UdpFailure>((resolve) => socket.onError(resolve))

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some((entry) => entry.address === '::1'))

const loopbacks = [
  ['127.0.0.1', ''],
  ['::1', hasIpv6 ? '' : 'this host has no ::1'],
] as const

const cases = backends.flatMap(([name, opener]) =>
  loopbacks.map(([loopback, missing]) => [name, loopback, opener, missing] as const),
)

describe.each(cases)('UDP by %s over %s', (_name, loopback, opener, missing) => {
  const openOn = keeping(opener)

  it.skipIf(missing !== '')(`carries datagrams both ways ${missing}`, async () => {
    const [a, b] = [await openOn(loopback), await openOn(loopback)]
    const atB = receive(b, 1)
    a.send(Uint8Array.of(0, 1, 2, 3, 0), 1, 3, b.local)
    const [request] = await atB
    expect(request!.bytes).toEqual(Uint8Array.of(1, 2, 3))
    expect(request!.remote).toEqual(a.local)

    const atA = receive(a, 1)
    b.send(Uint8Array.of(4), 0, 1, request!.remote)
    expect((await atA)[0]).toEqual({ bytes: Uint8Array.of(4), remote: b.local })
    expect(a.stats).toMatchObject({ messagesSent: 1, bytesSent: 3, messagesReceived: 1, bytesReceived: 1 })
  })

  it.skipIf(missing !== '')(`lets the caller reuse buffer and remote straight after send ${missing}`, async () => {
    const count = 300
    const [a, b] = [await openOn(loopback), await openOn(loopback)]
    const received = receive(b, count)
    const buffer = new Uint8Array(400)
    const remote = { address: b.local.address.slice(), port: b.local.port }
    for (let i = 0; i < count; i++) {
      buffer.fill(i & 0xff)
      a.send(buffer, 0, buffer.length, remote)
      buffer.fill(0xee)
      remote.address.fill(0xee)
      remote.port = 1
      Object.assign(remote, { address: b.local.address.slice(), port: b.local.port })
    }
    const datagrams = await received
    expect(datagrams.map((datagram) => datagram.bytes[0])).toEqual(Array.from({ length: count }, (_, i) => i & 0xff))
    expect(datagrams.every(({ bytes }) => bytes.every((octet) => octet === bytes[0]))).toBe(true)
  })

  it.skipIf(missing !== '')(`gives the same remote record for every datagram of one peer ${missing}`, async () => {
    const [a, b] = [await openOn(loopback), await openOn(loopback)]
    const received = receive(b, 2)
    a.send(Uint8Array.of(1), 0, 1, b.local)
    a.send(Uint8Array.of(2), 0, 1, b.local)
    const [first, second] = await received
    expect(first!.remote).toBe(second!.remote)
  })

  it.skipIf(missing !== '')(`reports a datagram that is too large and goes on ${missing}`, async () => {
    const [a, b] = [await openOn(loopback), await openOn(loopback)]
    const failure = nextFailure(a)
    a.send(new Uint8Array(66_000), 0, 66_000, b.local)
    expect(await failure).toMatchObject({ code: 'EMSGSIZE', length: 66_000, remote: b.local })

    const received = receive(b, 1)
    a.send(Uint8Array.of(5), 0, 1, b.local)
    expect((await received)[0]!.bytes).toEqual(Uint8Array.of(5))
    expect(a.stats).toMatchObject({ sendErrors: 1, messagesSent: 1 })
  })

  it.skipIf(missing !== '')(`survives a port where nobody listens ${missing}`, async () => {
    const [a, b, gone] = [await openOn(loopback), await openOn(loopback), await openOn(loopback)]
    await gone.close()
    for (let i = 0; i < 5; i++) a.send(Uint8Array.of(i), 0, 1, gone.local)
    const received = receive(b, 1)
    a.send(Uint8Array.of(9), 0, 1, b.local)
    expect((await received)[0]!.bytes).toEqual(Uint8Array.of(9))
  })
})

describe.each(backends)('UDP socket by %s', (name, opener, badPort) => {
  const openOn = keeping(opener)

  it('reports port 0 instead of throwing', async () => {
    const a = await openOn('127.0.0.1')
    const failure = nextFailure(a)
    a.send(Uint8Array.of(1), 0, 1, { address: parseIp('127.0.0.1'), port: 0 })
    expect(await failure).toMatchObject({ code: badPort, length: 1 })
    expect(a.stats.sendErrors).toBe(1)
  })

  it('reports an address of the other family instead of throwing', async () => {
    const a = await openOn('127.0.0.1')
    const failure = nextFailure(a)
    a.send(Uint8Array.of(1), 0, 1, { address: parseIp('2001:db8::1'), port: 500 })
    expect(await failure).toMatchObject({ remote: { address: parseIp('2001:db8::1'), port: 500 }, length: 1 })
    expect(a.stats.sendErrors).toBe(1)
  })

  it('never sends octets from outside the buffer', async () => {
    const [a, b] = [await openOn('127.0.0.1'), await openOn('127.0.0.1')]
    const received = receive(b, 1)
    a.send(new Uint8Array(10), 5, 6, b.local)
    a.send(new Uint8Array(10), -1, 6, b.local)
    a.send(new Uint8Array(10), 10, 0, b.local)
    expect((await received)[0]!.bytes).toEqual(new Uint8Array(0))
    expect(a.stats).toMatchObject({ sendDrops: 2, messagesSent: 1 })
  })

  it('says what it is', async () => {
    expect((await openOn('127.0.0.1')).backend).toBe(name)
  })

  // With sendmsg the kernel's buffer is the only queue.
  const noQueue = name === 'sendmsg' ? ' (skipped: sendmsg has no queue of ours)' : ''
  it.skipIf(noQueue !== '')(`drops and counts what does not fit into the queue${noQueue}`, async () => {
    const [a, b] = [await openOn('127.0.0.1', { maxQueued: 4 }), await openOn('127.0.0.1')]
    const received = receive(b, 4)
    for (let i = 0; i < 10; i++) a.send(Uint8Array.of(i), 0, 1, b.local)
    expect(a.stats.sendDrops).toBe(6)
    expect((await received).map(({ bytes }) => bytes[0])).toEqual([0, 1, 2, 3])
  })

  it('sends what was queued before it closes, and nothing afterwards', async () => {
    const [a, b] = [await openOn('127.0.0.1'), await openOn('127.0.0.1')]
    const received = receive(b, 1)
    a.send(Uint8Array.of(1), 0, 1, b.local)
    await Promise.all([a.close(), a.close()])
    a.send(Uint8Array.of(2), 0, 1, b.local)
    expect((await received)[0]!.bytes).toEqual(Uint8Array.of(1))
    expect(a.stats).toMatchObject({ messagesSent: 1, sendDrops: 1 })
  })

  it('says who is at fault when a port is taken', async () => {
    const a = await openOn('127.0.0.1')
    await expect(opener(a.local)).rejects.toMatchObject({
      code: 'UDP_BIND',
      message: `cannot bind UDP 127.0.0.1:${a.local.port} (EADDRINUSE): another process has this port; stop it or choose another port`,
    })
  })

  it('says so when the address is not of this host', async () => {
    await expect(opener({ address: parseIp('192.0.2.1'), port: 0 })).rejects.toMatchObject({
      code: 'UDP_BIND',
      remedy: 'this host has no such address',
    })
  })

  it('tells the buffer sizes the kernel granted', async () => {
    const small = await openOn('127.0.0.1', { receiveBufferBytes: 8192 })
    const usual = await openOn('127.0.0.1')
    expect(small.stats.receiveBufferBytes).toBeLessThan(usual.stats.receiveBufferBytes)
  })
})

describe('routes', () => {
  it('finds the local address that reaches a peer', async () => {
    expect(formatIp(await sourceAddressFor(parseIp('127.0.0.5')))).toBe('127.0.0.1')
  })

  it('says so when the system refuses an address', async () => {
    // Without the right to broadcast, connecting fails on every machine, with routes or without.
    await expect(sourceAddressFor(parseIp('255.255.255.255'))).rejects.toMatchObject({ code: 'NO_ROUTE' })
  })
})
