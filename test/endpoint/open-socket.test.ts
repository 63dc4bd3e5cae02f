import { expect, test } from 'vitest'
import type { UdpSocket } from '../../src/dgram-ext/index.ts'
import { openSocket } from '../../src/endpoint/open-socket.ts'
import { PlatformError } from '../../src/errors.ts'
import { parseIp } from '../../src/ip/index.ts'

const address = parseIp('2001:db8::1')
const socket = {} as UdpSocket
const refusal = (code: string) =>
  new PlatformError('UDP_BIND', 'cannot bind', '', { cause: Object.assign(new Error(code), { code }) })

function systemWhere(...attempts: (UdpSocket | Error)[]) {
  const openUdp = async () => {
    const outcome = attempts.shift()!
    if (outcome instanceof Error) throw outcome
    return outcome
  }
  return { openUdp, localAddresses: () => [address] }
}

test('an IPv6 address that the machine is still checking is waited for', async () => {
  const system = systemWhere(refusal('EADDRNOTAVAIL'), socket)
  expect(await openSocket({ address, port: 500 }, system)).toBe(socket)
})

test.each([
  ['a port in use', '2001:db8::1', 'EADDRINUSE'],
  ['an address that the machine does not have', '2001:db8::2', 'EADDRNOTAVAIL'],
])('%s is refused at once', async (_name, text, code) => {
  const system = systemWhere(refusal(code), socket)
  await expect(openSocket({ address: parseIp(text), port: 500 }, system)).rejects.toMatchObject({ code: 'UDP_BIND' })
})
