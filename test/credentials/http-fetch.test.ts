import type { lookup } from 'node:dns'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { httpFetch } from '../../src/credentials/http-fetch.ts'
import { isOwnAddress, isPublicAddress } from '../../src/credentials/public-address.ts'

let server: Server
let port = 0
const asked: string[] = []

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url!)
    if (request.url === '/away') response.writeHead(302, { location: `http://127.0.0.1:${port}/secret` }).end()
    else response.end('octets')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
})

/** A resolver that finds these addresses for every name. */
function finding(...addresses: readonly string[]): { resolve: typeof lookup; names: string[] } {
  const names: string[] = []
  const resolve = (name: string, _: unknown, done: (error: null, found: unknown) => void) => {
    names.push(name)
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  }
  return { resolve: resolve as unknown as typeof lookup, names }
}

describe('what somebody names who has proved nothing', () => {
  test.each([
    '127.0.0.1',
    '0x7f000001',
    '2130706433',
    '0.0.0.0',
    '10.1.2.3',
    '169.254.169.254',
    '[::1]',
    '[fe80::1]',
    '[fd00::1]',
    '[::ffff:127.0.0.1]',
  ])('is not fetched from %s', async (host) => {
    asked.length = 0
    const fetching = httpFetch(500)({ url: `http://${host}:${port}/`, mostBytes: 10, publicOnly: true })
    await expect(fetching).rejects.toThrow(
      /which is not public or is this machine, and a peer that has proved nothing names it: list the host in hashAndUrl/,
    )
    expect(asked).toEqual([])
  })

  it('is not fetched where its name leads to such an address, which is looked up once only', async () => {
    asked.length = 0
    const { resolve, names } = finding('127.0.0.1', '::1')
    const fetching = httpFetch(
      500,
      resolve,
    )({ url: `http://pki.example.org:${port}/`, mostBytes: 10, publicOnly: true })
    await expect(fetching).rejects.toThrow('pki.example.org is at 127.0.0.1, ::1, which is not public')
    expect([asked, names]).toEqual([[], ['pki.example.org']])
  })

  it.each(['8.8.8.8', 'pki.example.org'])('is not fetched from %s where that is this machine', async (host) => {
    const { resolve } = finding('8.8.8.8')
    const fetch = httpFetch(500, resolve, (address) => address === '8.8.8.8')
    const fetching = fetch({ url: `http://${host}:${port}/`, mostBytes: 10, publicOnly: true })
    await expect(fetching).rejects.toThrow(`${host} is at 8.8.8.8, which is not public or is this machine`)
  })

  it('is fetched where it is named in the configuration, wherever that is', async () => {
    const octets = await httpFetch(500)({ url: `http://localhost:${port}/`, mostBytes: 10, publicOnly: false })
    expect(new TextDecoder().decode(octets)).toBe('octets')
  })
})

it('a redirection is not followed', async () => {
  asked.length = 0
  const fetching = httpFetch(500)({ url: `http://127.0.0.1:${port}/away`, mostBytes: 10 })
  await expect(fetching).rejects.toThrow('the server answered 302')
  expect(asked).toEqual(['/away'])
})

test.each([
  ['8.8.8.8', true],
  ['2606:4700::1111', true],
  ['100.64.0.1', false],
  ['172.31.255.255', false],
  ['172.32.0.1', true],
  ['192.168.1.1', false],
  ['224.0.0.1', false],
  ['255.255.255.255', false],
  ['2002:7f00:1::', false],
  ['2001:0:7f00:1::', false],
  ['64:ff9b::7f00:1', false],
  ['ff02::1', false],
  ['::', false],
  ['example.org', false],
])('%s is a public address: %s', (address, expected) => {
  expect(isPublicAddress(address)).toBe(expected)
})

test('the addresses of this machine are its own', () => {
  expect([isOwnAddress('127.0.0.1'), isOwnAddress('8.8.8.8')]).toEqual([true, false])
})
