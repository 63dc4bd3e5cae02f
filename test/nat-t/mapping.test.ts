import { describe, expect, it } from 'vitest'
import { parseIp } from '../../src/ip/address.ts'
import { endpointChanged } from '../../src/nat-t/mapping.ts'

describe('endpointChanged', () => {
  it('sees a change of the port, of the address and of the family', () => {
    const a = parseIp('192.0.2.1')
    expect(endpointChanged(a, 4500, parseIp('192.0.2.1'), 4500)).toBe(false)
    expect(endpointChanged(a, 4500, a, 4501)).toBe(true)
    expect(endpointChanged(a, 4500, parseIp('192.0.2.2'), 4500)).toBe(true)
    expect(endpointChanged(a, 4500, parseIp('::ffff:192.0.2.1'), 4500)).toBe(true)
  })
})
