import { describe, expect, it } from 'vitest'
import { poolAttributes } from '../../../src/credentials/pool-attributes.ts'
import { CfgAttribute, type ConfigurationAttribute } from '../../../src/ike/codec/index.ts'
import { isHostAddress, readConfiguration } from '../../../src/ike/config-payload/configuration.ts'
import { formatIp, parseIp } from '../../../src/ip/address.ts'
import { formatRange, parseRange } from '../../../src/ip/prefix.ts'

const address4 = (text: string): ConfigurationAttribute => ({
  type: CfgAttribute.INTERNAL_IP4_ADDRESS,
  value: parseIp(text),
})
const ascii = (text: string) => new TextEncoder().encode(text)
const domain = (text: string): ConfigurationAttribute => ({
  type: CfgAttribute.INTERNAL_DNS_DOMAIN,
  value: ascii(text),
})
const dns = (text: string): ConfigurationAttribute => ({ type: CfgAttribute.INTERNAL_IP4_DNS, value: parseIp(text) })
const anchor = (tag: number): ConfigurationAttribute => ({
  type: CfgAttribute.INTERNAL_DNSSEC_TA,
  value: Uint8Array.of(0, tag, 8, 2, 0xaa),
})

describe('a CFG_REPLY', () => {
  it('says what a pool was told to say', () => {
    const resolver = {
      name: 'dot.example.org',
      addresses: [parseIp('10.9.0.53'), parseIp('fd00::53')],
      priority: 2,
      alpn: ['dot'],
      port: 8853,
      dohPath: undefined,
      digests: [{ hash: 2, digest: new Uint8Array(32).fill(7) }],
    }
    const read = readConfiguration(
      poolAttributes({
        dns: [parseIp('10.9.0.1'), parseIp('fd00::1')],
        nbns: [parseIp('10.9.0.2')],
        subnets: [parseRange('10.9.0.0/16'), parseRange('fd00::/48')],
        domains: [
          'example.org',
          { name: 'corp.example', trustAnchors: [{ keyTag: 1, algorithm: 8, digestType: 2, digest: ascii('d') }] },
        ],
        encryptedDns: [resolver],
        attributes: [{ type: 16500, value: Uint8Array.of(1) }],
      }),
    )
    expect(read).toMatchObject({ addresses: [], ignored: [], unknown: [{ type: 16500, value: Uint8Array.of(1) }] })
    expect(read.dns.map(formatIp)).toEqual(['10.9.0.1', 'fd00::1'])
    expect(read.nbns.map(formatIp)).toEqual(['10.9.0.2'])
    expect(read.subnets.map(formatRange)).toEqual(['10.9.0.0/16', 'fd00::/48'])
    expect(read.domains).toEqual([
      { name: 'example.org', trustAnchors: [] },
      { name: 'corp.example', trustAnchors: [{ keyTag: 1, algorithm: 8, digestType: 2, digest: ascii('d') }] },
    ])
    expect(read.encryptedDns).toEqual([
      { ...resolver, addresses: [resolver.addresses[0]] },
      { ...resolver, addresses: [resolver.addresses[1]] },
    ])
  })

  it('gives one address of a family, and none that no host has', () => {
    const read = readConfiguration([address4('0.0.0.0'), address4('10.3.0.9'), address4('10.3.0.10')])
    expect(read.addresses.map(formatIp)).toEqual(['10.3.0.9'])
    expect(read.ignored).toEqual([
      'INTERNAL_IP4_ADDRESS: is no address of a host',
      'INTERNAL_IP4_ADDRESS: a second address of its family',
    ])
  })

  it('gives what is good beside what is malformed', () => {
    const read = readConfiguration([{ type: CfgAttribute.INTERNAL_IP4_DNS, value: Uint8Array.of(1) }, dns('10.9.0.1')])
    expect(read.dns.map(formatIp)).toEqual(['10.9.0.1'])
    expect(read.ignored).toEqual([expect.stringContaining('INTERNAL_IP4_DNS')])
  })

  it('has no domains without a resolver (RFC 8598 §3.2)', () => {
    expect(readConfiguration([domain('example.org')])).toMatchObject({
      domains: [],
      ignored: [expect.stringContaining('no resolver')],
    })
  })

  it('gives trust anchors to the domain right before them, and passes over others (RFC 8598 §4.2)', () => {
    const read = readConfiguration([
      anchor(1),
      domain('a'),
      anchor(2),
      anchor(3),
      dns('10.9.0.1'),
      anchor(4),
      anchor(5),
    ])
    expect(read.domains).toMatchObject([{ name: 'a', trustAnchors: [{ keyTag: 2 }, { keyTag: 3 }] }])
    expect(read.ignored).toHaveLength(3)
  })

  it('has no encrypted resolver without name or address (RFC 9464 §3.1)', () => {
    const read = readConfiguration([
      { type: CfgAttribute.ENCDNS_IP4, value: Uint8Array.of(0, 1, 0, 1, 0x61) },
      { type: CfgAttribute.ENCDNS_IP4, value: Uint8Array.of(0, 1, 1, 0, 10, 0, 0, 1) },
    ])
    expect(read.encryptedDns).toEqual([])
    expect(read.ignored).toEqual([expect.stringContaining('no address'), expect.stringContaining('no name')])
  })

  it.each(['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255', '::', '::1', 'ff02::1'])(
    'cannot give a host %s',
    (text) => {
      expect(isHostAddress(parseIp(text))).toBe(false)
    },
  )

  it.each(['10.3.0.1', '223.255.255.254', 'fd00::1', '::2'])('can give a host %s', (text) => {
    expect(isHostAddress(parseIp(text))).toBe(true)
  })
})
