import { describe, expect, it } from 'vitest'
import { parseIp } from '../../src/ip/address.ts'
import { endpointChanged, followsMapping } from '../../src/nat-t/mapping.ts'

const natted = { authenticated: true, newest: true, natLocal: false, natRemote: true }

describe('followsMapping', () => {
  it('follows an authenticated, newest packet of a peer behind a NAT', () => {
    expect(followsMapping(natted)).toBe(true)
  })

  it.each([
    ['an unauthenticated packet', { authenticated: false }],
    ['an older packet, which may be a replay', { newest: false }],
    ['anybody when we are behind a NAT ourselves', { natLocal: true }],
    ['a peer without a NAT', { natRemote: false }],
  ])('does not follow %s', (_, change) => {
    expect(followsMapping({ ...natted, ...change })).toBe(false)
  })
})

describe('endpointChanged', () => {
  it('sees a change of the port, of the address and of the family', () => {
    const a = parseIp('192.0.2.1')
    expect(endpointChanged(a, 4500, parseIp('192.0.2.1'), 4500)).toBe(false)
    expect(endpointChanged(a, 4500, a, 4501)).toBe(true)
    expect(endpointChanged(a, 4500, parseIp('192.0.2.2'), 4500)).toBe(true)
    expect(endpointChanged(a, 4500, parseIp('::ffff:192.0.2.1'), 4500)).toBe(true)
  })
})
