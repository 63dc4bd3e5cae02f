import { describe, expect, it } from 'vitest'
import { parseIp } from '../../src/ip/index.ts'
import type { XfrmSelector, XfrmTemplate } from '../../src/xfrm/port.ts'
import { SharedParts } from '../../src/xfrm/shared-parts.ts'

const selectorOf = (address: string, port = 0): XfrmSelector => ({
  source: { start: parseIp(address), end: parseIp(address) },
  destination: { start: parseIp('10.0.0.0'), end: parseIp('10.0.0.255') },
  protocol: 6,
  sourcePort: { first: 0, last: 65535 },
  destinationPort: { first: port, last: port },
})
const templateOf = (daddr: string, reqid: number): XfrmTemplate => ({
  saddr: parseIp('192.0.2.1'),
  daddr: parseIp(daddr),
  proto: 50,
  mode: 'tunnel',
  reqid,
})

describe('what is kept of a call', () => {
  it('is a copy: what the caller does with its octets afterwards changes nothing', () => {
    const parts = new SharedParts()
    const [address, selector, template] = [parseIp('192.0.2.7'), selectorOf('10.1.0.1'), templateOf('192.0.2.7', 1)]
    const kept = [parts.address(address), parts.selector(selector), parts.template(template)]
    for (const octets of [address, selector.source.start, selector.destination.end, template.daddr]) octets.fill(0)
    expect(kept).toEqual([parseIp('192.0.2.7'), selectorOf('10.1.0.1'), templateOf('192.0.2.7', 1)])
  })

  it('is the same object for equal values, one after the other', () => {
    const parts = new SharedParts()
    expect(parts.address(parseIp('192.0.2.7'))).toBe(parts.address(parseIp('192.0.2.7')))
    expect(parts.selector(selectorOf('10.1.0.1'))).toBe(parts.selector(selectorOf('10.1.0.1')))
    expect(parts.template(templateOf('192.0.2.7', 1))).toBe(parts.template(templateOf('192.0.2.7', 1)))
  })

  it('is never that of other values', () => {
    const parts = new SharedParts()
    for (let i = 0; i < 2000; i++) {
      const text = `10.1.${i >> 8}.${i & 255}`
      expect(parts.address(parseIp(text))).toEqual(parseIp(text))
      expect(parts.selector(selectorOf(text, i))).toEqual(selectorOf(text, i))
      expect(parts.template(templateOf(text, i))).toEqual(templateOf(text, i))
      expect(parts.label(text)).toBe(text)
    }
  })
})
