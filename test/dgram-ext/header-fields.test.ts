import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type IpFields,
  openEsp,
  openNodeUdp,
  openUdp,
  type UdpPathError,
  type UdpSocket,
  whyNodeUdp,
  whyNoPlainEsp,
} from '../../src/dgram-ext/index.ts'
import { parseIp } from '../../src/ip/address.ts'

const open: UdpSocket[] = []
const kept = async (opening: Promise<UdpSocket>): Promise<UdpSocket> => {
  const socket = await opening
  open.push(socket)
  return socket
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((socket) => socket.close()))
})

const next = (socket: UdpSocket) =>
  new Promise<{ bytes: number[]; port: number; fields: IpFields }>((resolve) =>
    socket.onMessage((buffer, offset, length, { port }, fields) =>
      resolve({ bytes: [...buffer.subarray(offset, offset + length)], port, fields: { ...fields } }),
    ),
  )

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some((entry) => entry.address === '::1'))
const loopbacks = ['127.0.0.1', ...(hasIpv6 ? ['::1'] : [])]
const noSendmsg = whyNodeUdp()

describe.skipIf(noSendmsg !== undefined).each(loopbacks)(`IP headers of UDP over %s ${noSendmsg ?? ''}`, (loopback) => {
  const openHere = () => kept(openUdp({ address: parseIp(loopback), port: 0 }))

  it('carries traffic class and hop limit of each datagram, and tells them of each', async () => {
    const [a, b] = [await openHere(), await openHere()]
    for (const fields of [
      { trafficClass: 0xb9, hopLimit: 7, dontFragment: true },
      { trafficClass: 0x02, hopLimit: 200, dontFragment: false },
      { trafficClass: 0x03, hopLimit: 0, dontFragment: true },
    ]) {
      const received = next(b)
      a.send(Uint8Array.of(0, 1, 2), 1, 2, b.local, fields)
      const { bytes, fields: seen } = await received
      expect(bytes).toEqual([1, 2])
      expect(seen.trafficClass).toBe(fields.trafficClass)
      expect(seen.hopLimit).toBe(fields.hopLimit === 0 ? 64 : fields.hopLimit)
    }
  })

  it('leaves them to the system when nothing is asked for', async () => {
    const [a, b] = [await openHere(), await openHere()]
    a.send(Uint8Array.of(1), 0, 1, b.local, { trafficClass: 0xff, hopLimit: 9, dontFragment: true })
    await next(b)
    const received = next(b)
    a.send(Uint8Array.of(2), 0, 1, b.local)
    expect((await received).fields).toMatchObject({ trafficClass: 0, hopLimit: 64 })
  })

  it('tells of a port where nobody listens, with the beginning of what was sent, and goes on', async () => {
    const [a, b, gone] = [await openHere(), await openHere(), await openHere()]
    await gone.close()
    const told = new Promise<UdpPathError>((resolve) =>
      a.onPathError((error) => resolve({ ...error, quoted: error.quoted.slice() })),
    )
    a.send(Uint8Array.of(0xaa, 0xbb, 0xcc, 0xdd, 1, 2, 3, 4), 0, 8, gone.local)
    expect(await told).toEqual({
      code: 'ECONNREFUSED',
      mtu: 0,
      remote: gone.local,
      quoted: Uint8Array.of(0xaa, 0xbb, 0xcc, 0xdd, 1, 2, 3, 4),
    })
    for (let round = 0; round < 3; round++) {
      const received = next(b)
      a.send(Uint8Array.of(round), 0, 1, gone.local)
      a.send(Uint8Array.of(round), 0, 1, b.local)
      expect((await received).bytes).toEqual([round])
      const back = next(a)
      b.send(Uint8Array.of(9), 0, 1, a.local)
      expect((await back).bytes).toEqual([9])
    }
    expect(a.stats.receiveErrors).toBe(0)
  })
})

describe('UDP by node:dgram', () => {
  it('says that it does not know what headers said', async () => {
    const [a, b] = [
      await kept(openNodeUdp({ address: parseIp('127.0.0.1'), port: 0 })),
      await kept(openNodeUdp({ address: parseIp('127.0.0.1'), port: 0 })),
    ]
    const received = next(b)
    a.send(Uint8Array.of(1), 0, 1, b.local, { trafficClass: 0xff, hopLimit: 9, dontFragment: true })
    expect((await received).fields).toEqual({ trafficClass: -1, hopLimit: 0, dontFragment: true })
  })

  it('refuses to mark what it sends', async () => {
    await expect(openNodeUdp({ address: parseIp('127.0.0.1'), port: 0, mark: 1 })).rejects.toMatchObject({
      code: 'UDP_MARK',
    })
  })
})

const noEsp = await whyNoPlainEsp(parseIp('127.0.0.1'))

describe.skipIf(noEsp !== undefined).each(loopbacks)(`plain ESP over %s ${noEsp ?? ''}`, (loopback) => {
  it('carries packets without ports, with their headers', async () => {
    const socket = await kept(openEsp({ address: parseIp(loopback) }))
    const to = { address: parseIp(loopback), port: 0 }
    for (const fields of [
      { trafficClass: 0xb9, hopLimit: 33, dontFragment: true },
      { trafficClass: 0x00, hopLimit: 0, dontFragment: false },
    ]) {
      const received = next(socket)
      socket.send(Uint8Array.of(1, 2, 3, 4, 0, 0, 0, 1, 5), 0, 9, to, fields)
      const { bytes, port, fields: seen } = await received
      expect(bytes).toEqual([1, 2, 3, 4, 0, 0, 0, 1, 5])
      expect(port).toBe(0)
      expect(seen.trafficClass).toBe(fields.trafficClass)
      expect(seen.hopLimit).toBe(fields.hopLimit === 0 ? 64 : fields.hopLimit)
      // Of IPv6 nobody tells, and there is nothing to tell.
      expect(seen.dontFragment).toBe(loopback === '::1' || fields.dontFragment)
    }
  })
})

describe.skipIf(noSendmsg === undefined)('plain ESP without foreign functions', () => {
  it('is refused with the reason', async () => {
    await expect(openEsp({ address: parseIp('127.0.0.1') })).rejects.toMatchObject({ code: 'ESP_NO_FFI' })
  })
})
