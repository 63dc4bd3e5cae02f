import { connect, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes/index.ts'
import { parseIp, type SocketAddress } from '../../src/ip/address.ts'
import { STREAM_PREFIX } from '../../src/nat-t/index.ts'
import { type TcpLimits, TcpPaths } from '../../src/tcp-encap/index.ts'
import { until } from '../endpoint/pair.ts'

const loopback = parseIp('127.0.0.1')
const open: { close(): unknown }[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()))
})

/** Connections whose messages are noted. */
function makePaths(limits: Partial<TcpLimits> = {}) {
  const paths = new TcpPaths(limits)
  const seen: string[] = []
  const lost: string[] = []
  const ends: { local: SocketAddress; remote: SocketAddress }[] = []
  paths.start(
    {
      ike(local, remote, message) {
        ends.push({ local, remote })
        seen.push(`ike ${toHex(message)}`)
      },
      esp: (buffer, offset, length) => {
        seen.push(`esp ${toHex(buffer.subarray(offset, offset + length))}`)
        return 0
      },
      lost: (_local, _remote, why) => lost.push(why),
    },
    () => performance.now(),
    () => ends,
  )
  open.push(paths)
  return { paths, seen, lost, ends }
}

/** Two that are connected. */
async function makePair(limits: Partial<TcpLimits> = {}) {
  const [near, far] = [makePaths(limits), makePaths(limits)]
  await far.paths.listen([loopback], 0)
  const remote = { address: loopback, port: far.paths.port!, tcp: true } as const
  const local = await near.paths.connect(loopback, remote)
  return { near, far, local, remote }
}

/** A peer that takes nothing. */
async function startDeaf(): Promise<SocketAddress> {
  const sockets: Socket[] = []
  const server = createServer((socket) => sockets.push(socket.pause()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push({
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return { address: loopback, port: address.port, tcp: true }
}

describe('TcpPaths', () => {
  it('carries messages both ways, each in order and whole', async () => {
    const { near, far, local, remote } = await makePair()
    const esp = new Uint8Array(40_000).fill(7)
    near.paths.sendIke(local, remote, Uint8Array.of(1, 2, 3))
    for (let i = 0; i < 3; i++) near.paths.sendEsp(esp, i, 20_000, loopback, local.port, loopback, remote.port)
    near.paths.sendIke(local, remote, Uint8Array.of(4))
    await until(() => far.seen.length === 5)
    expect(far.seen.map((text) => text.slice(0, 10))).toEqual(['ike 010203', ...Array(3).fill('esp 070707'), 'ike 04'])
    expect(far.seen[1]).toHaveLength(4 + 40_000)
    const [back] = far.ends
    far.paths.sendEsp(esp, 0, 30, loopback, back!.local.port, loopback, back!.remote.port)
    await until(() => near.seen.length === 1)
  })

  it('begins as the originator with the prefix, and only so', async () => {
    const octets: Buffer[] = []
    const server = createServer((socket) => socket.on('data', (piece) => octets.push(piece)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const { paths } = makePaths()
    await paths.connect(loopback, { address: loopback, port, tcp: true })
    await until(() => octets.length > 0)
    expect(toHex(Buffer.concat(octets))).toBe(toHex(STREAM_PREFIX))
    server.close()
    const { far } = await makePair()
    const bytes: number[] = []
    const socket = connect({ host: '127.0.0.1', port: far.paths.port! }, () => socket.write(STREAM_PREFIX))
    socket.on('data', (piece) => bytes.push(piece.length))
    await new Promise((resolve) => setTimeout(resolve, 50))
    socket.destroy()
    expect(bytes).toEqual([])
  })

  it('drops ESP for a peer that takes nothing, keeps IKE, and gives it up at last', async () => {
    const { paths, lost } = makePaths({ espQueueBytes: 200_000, ikeQueueBytes: 400_000 })
    const remote = await startDeaf()
    const local = await paths.connect(loopback, remote)
    const packet = new Uint8Array(60_000).fill(9)
    // Until the buffers of both systems are full.
    for (let i = 0; i < 400 && paths.stats.espDropped === 0; i++) {
      paths.sendEsp(packet, 0, packet.length, loopback, local.port, loopback, remote.port)
      if (i % 20 === 19) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(paths.stats.espDropped).toBeGreaterThan(0)
    const [connection] = paths.connections()
    expect(connection!.queuedBytes).toBeLessThan(300_000)
    for (let i = 0; i < 10 && lost.length === 0; i++) paths.sendIke(local, remote, packet)
    expect(lost).toEqual(['the peer takes nothing'])
    expect(paths.size).toBe(0)
  })

  it('closes what nobody uses any more', async () => {
    const { near, far, local, remote } = await makePair({ leftMs: 100, strangerMs: 60_000 })
    near.paths.sendIke(local, remote, Uint8Array.of(1))
    await until(() => far.ends.length === 1)
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    expect(far.paths.size).toBe(1)
    far.ends.length = 0
    await until(() => far.paths.size === 0 && near.paths.size === 0)
    expect(near.lost).toEqual(['the peer closed it'])
    near.paths.sendIke(local, remote, Uint8Array.of(1))
    expect(near.paths.stats.noConnection).toBe(1)
  })

  it('says why it cannot listen', async () => {
    const { far } = await makePair()
    const { paths } = makePaths()
    await expect(paths.listen([loopback], far.paths.port!)).rejects.toThrow(/cannot listen at TCP port \d+ of 127/)
    expect(await paths.follow([loopback])).toHaveLength(1)
  })
})
