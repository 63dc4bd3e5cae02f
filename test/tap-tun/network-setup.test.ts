import { afterEach, describe, expect, it, vi } from 'vitest'
import { applyNetworkSetup, type NetworkSetup } from '../../src/tap-tun/index.ts'

const usual: NetworkSetup = { device: 't0', addresses: [], mtu: 1400, routes: [] }

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('network setup', () => {
  it.each<[string, Partial<NetworkSetup>]>([
    ['an option as device', { device: '-all' }],
    ['an empty device', { device: '' }],
    ['a broken MTU', { mtu: 1400.5 }],
    ['an option as address', { addresses: ['-4'] }],
    ['an address with words behind it', { addresses: ['10.0.0.1/24 dev lo'] }],
    ['a prefix longer than the address', { addresses: ['10.0.0.1/33'] }],
    ['two prefixes', { routes: [{ destination: '10.0.0.0/8/8' }] }],
    ['an option as destination', { routes: [{ destination: '--help' }] }],
    ['a name as source', { routes: [{ destination: '10.0.0.0/8', source: 'dev' }] }],
    ['a negative metric', { routes: [{ destination: '10.0.0.0/8', metric: -1 }] }],
    ['a table of two words', { routes: [{ destination: '10.0.0.0/8', table: 'main metric' }] }],
  ])('refuses %s before it runs anything', async (_what, change) => {
    vi.stubEnv('PATH', '')
    await expect(applyNetworkSetup({ ...usual, ...change })).rejects.toMatchObject({ code: 'USAGE' })
  })

  it('says what to install when ip is missing', async () => {
    vi.stubEnv('PATH', '/nonexistent')
    await expect(applyNetworkSetup(usual)).rejects.toMatchObject({
      code: 'NO_IPROUTE2',
      message: expect.stringContaining('install iproute2'),
    })
  })
})
