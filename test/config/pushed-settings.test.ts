import { describe, expect, test } from 'vitest'
import type { ConfigProblems } from '../../src/config/index.ts'
import { AddressPools, answerAssign } from '../../src/credentials/pool.ts'
import { optionsOfConfig } from '../../src/endpoint/options-of-config.ts'
import { parseIdentity } from '../../src/ike/auth/identity.ts'
import { CfgAttribute } from '../../src/ike/codec/index.ts'
import { readConfiguration } from '../../src/ike/config-payload/configuration.ts'
import { formatIp, parseIp } from '../../src/ip/address.ts'
import { parse } from './pki-files.ts'

const connection = {
  psk: 'x',
  local: { id: 'gate' },
  children: { net: { localTs: ['10.1.0.0/16'], remoteTs: ['dynamic'] } },
}
const read = (more: object) => parse({ connections: { office: connection }, ...more })

const problemsOf = (more: object): string[] => {
  try {
    read(more)
    return []
  } catch (error) {
    return (error as ConfigProblems).errors.map(({ message }) => message)
  }
}

describe('what a pool tells', () => {
  const pool = {
    addresses: ['10.3.0.0/24', 'fd00:3::/64'],
    netmask: '255.255.255.0',
    domains: ['corp.example'],
    encryptedDns: [
      { name: 'dns.example', addresses: ['10.1.0.53', 'fd00::53'] },
      { name: 'doh.example', addresses: ['10.1.0.54'], alpn: ['h2', 'h3'], port: 8443, dohPath: '/q{?dns}' },
    ],
  }
  const told = (type: number) => {
    const answer = answerAssign(new AddressPools(read({ pools: { clients: pool } }).pools), {
      kind: 'assign',
      peer: {
        connection: 'office',
        id: parseIdentity('bob'),
        remote: { address: parseIp('192.0.2.1'), port: 1 },
        methods: [],
      },
      pools: ['clients'],
      request: [{ type, value: new Uint8Array(0) }],
      held: [],
    })
    if (!answer.ok) throw new Error(answer.message)
    return readConfiguration(answer.attributes)
  }

  test('are encrypted resolvers and the netmask of an IPv4 address', () => {
    const { encryptedDns, netmask, domains, ignored } = told(CfgAttribute.INTERNAL_IP4_ADDRESS)
    expect(formatIp(netmask!)).toBe('255.255.255.0')
    expect(domains.map(({ name }) => name)).toEqual(['corp.example'])
    expect(encryptedDns.map(({ addresses, ...one }) => ({ ...one, addresses: addresses.map(formatIp) }))).toMatchObject(
      [
        { name: 'dns.example', addresses: ['10.1.0.53'], alpn: ['dot'], priority: 1 },
        { name: 'dns.example', addresses: ['fd00::53'], alpn: ['dot'], priority: 1 },
        {
          name: 'doh.example',
          addresses: ['10.1.0.54'],
          alpn: ['h2', 'h3'],
          port: 8443,
          dohPath: '/q{?dns}',
          priority: 2,
        },
      ],
    )
    expect(ignored).toEqual([])
  })

  test('is no netmask without an IPv4 address (RFC 7296 §3.15.1)', () => {
    expect(told(CfgAttribute.INTERNAL_IP6_ADDRESS).netmask).toBeUndefined()
  })

  test('is refused where it cannot be said', () => {
    const wrong = (more: object) => problemsOf({ pools: { clients: { addresses: ['10.3.0.0/24'], ...more } } })
    expect(wrong({ netmask: '255.0.255.0' })).toEqual([expect.stringContaining('is not a netmask')])
    expect(wrong({ encryptedDns: [{ name: 'a b', addresses: ['10.1.0.1'] }] })).toEqual(
      expect.arrayContaining([expect.stringContaining('encryptedDns[0].name')]),
    )
    expect(wrong({ encryptedDns: [{ name: 'a.example', addresses: ['x'] }] })).toEqual([
      expect.stringContaining('encryptedDns[0].addresses[0]'),
    ])
  })
})

describe('applicationVersion', () => {
  test('says nothing by default, our name and version, or what stands there', () => {
    const said = (more: object) => optionsOfConfig(read(more)).applicationVersion
    expect(said({})).toBeUndefined()
    expect(said({ applicationVersion: false })).toBeUndefined()
    expect(said({ applicationVersion: true })).toMatch(/^Typeswan \d+\.\d+/)
    expect(said({ applicationVersion: 'gate 7' })).toBe('gate 7')
    expect(problemsOf({ applicationVersion: 'line\nend' })).toEqual([expect.stringContaining('applicationVersion')])
  })
})
