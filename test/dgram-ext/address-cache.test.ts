import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AddressCache } from '../../src/dgram-ext/address-cache.ts'
import { formatIp, parseIp } from '../../src/ip/address.ts'

const addresses = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
)

describe('address cache', () => {
  it('converts as without a cache, whatever it has seen before', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(addresses, fc.integer({ min: 0, max: 3 })), { maxLength: 40 }), (seen) => {
        const cache = new AddressCache()
        for (const [address, port] of [...seen, ...seen]) {
          expect(cache.textOf(address)).toBe(formatIp(address))
          expect(cache.remoteOf(formatIp(address), port)).toEqual({ address, port })
        }
      }),
    )
  })

  it('compares octets, so that an array may be reused for another address', () => {
    const cache = new AddressCache()
    const address = parseIp('192.0.2.1')
    expect(cache.textOf(address)).toBe('192.0.2.1')
    address[3] = 2
    expect(cache.textOf(address)).toBe('192.0.2.2')
  })

  it('tells two addresses of one hash apart', () => {
    const cache = new AddressCache()
    const pair = ['10.232.151.200', '184.187.32.220']
    for (const text of [...pair, ...pair]) {
      expect(cache.textOf(parseIp(text))).toBe(text)
      cache.textOf(parseIp('192.0.2.1'))
    }
  })

  it('answers a link-local peer through the interface it was heard on', () => {
    const cache = new AddressCache()
    const remote = cache.remoteOf('fe80::1%eth0', 500)
    expect(remote).toEqual({ address: parseIp('fe80::1'), port: 500 })
    cache.textOf(parseIp('192.0.2.1'))
    expect(cache.textOf(remote.address)).toBe('fe80::1%eth0')
  })

  it('keeps a record for each peer, and forgets old ones rather than grow', () => {
    const cache = new AddressCache()
    const first = cache.remoteOf('192.0.2.1', 500)
    cache.remoteOf('192.0.2.2', 500)
    expect(cache.remoteOf('192.0.2.1', 500)).toBe(first)
    for (let port = 1; port <= 5000; port++) cache.remoteOf('192.0.2.3', port)
    expect(cache.remoteOf('192.0.2.1', 500)).not.toBe(first)
  })

  it('stays right when forged sources overflow it', () => {
    const cache = new AddressCache()
    for (let i = 0; i < 10_000; i++) {
      const text = `10.${i >>> 8}.${i & 0xff}.1`
      expect(cache.textOf(cache.remoteOf(text, i).address)).toBe(text)
    }
    expect(cache.remoteOf('10.0.0.1', 7)).toEqual({ address: parseIp('10.0.0.1'), port: 7 })
  })
})
