import { beforeEach, expect, test, vi } from 'vitest'
import { localAddresses, openUdp, type UdpSocket } from '../../src/dgram-ext/index.ts'
import { openSocket } from '../../src/endpoint/open-socket.ts'
import { PlatformError } from '../../src/errors.ts'
import { parseIp } from '../../src/ip/index.ts'

vi.mock('../../src/dgram-ext/index.ts', () => ({ openUdp: vi.fn(), localAddresses: vi.fn() }))

const address = parseIp('2001:db8::1')
const socket = {} as UdpSocket
const refusal = (code: string) =>
  new PlatformError('UDP_BIND', 'cannot bind', '', { cause: Object.assign(new Error(code), { code }) })

beforeEach(() => {
  vi.mocked(localAddresses).mockReturnValue([address])
  vi.mocked(openUdp).mockReset()
})

test('an IPv6 address that the machine is still checking is waited for', async () => {
  vi.mocked(openUdp).mockRejectedValueOnce(refusal('EADDRNOTAVAIL')).mockResolvedValueOnce(socket)
  expect(await openSocket({ address, port: 500 })).toBe(socket)
})

test.each([
  ['a port in use', '2001:db8::1', 'EADDRINUSE'],
  ['an address that the machine does not have', '2001:db8::2', 'EADDRNOTAVAIL'],
])('%s is refused at once', async (_name, text, code) => {
  vi.mocked(openUdp).mockRejectedValueOnce(refusal(code)).mockResolvedValueOnce(socket)
  await expect(openSocket({ address: parseIp(text), port: 500 })).rejects.toMatchObject({ code: 'UDP_BIND' })
})
