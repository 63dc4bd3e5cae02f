import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  AddressPools,
  answerAssign,
  type Lease,
  type LeaseStore,
  type PoolConfig,
  parsePoolRange,
} from '../../src/credentials/pool.ts'
import { parseIdentity } from '../../src/ike/auth/identity.ts'
import { CfgAttribute, type ConfigurationAttribute } from '../../src/ike/codec/index.ts'
import type { AssignQuestion } from '../../src/ike/questions.ts'
import { formatIp, parseIp } from '../../src/ip/address.ts'

const any4: ConfigurationAttribute = { type: CfgAttribute.INTERNAL_IP4_ADDRESS, value: new Uint8Array(0) }
const any6: ConfigurationAttribute = { type: CfgAttribute.INTERNAL_IP6_ADDRESS, value: new Uint8Array(0) }
const wants = (text: string): ConfigurationAttribute => ({ ...any4, value: parseIp(text) })

const pool = (name: string, ranges: readonly string[], more: Partial<PoolConfig> = {}): PoolConfig => ({
  name,
  ranges: ranges.map(parsePoolRange),
  ...more,
})

function question(
  who: string,
  changes: Partial<AssignQuestion> = {},
  peer: Partial<AssignQuestion['peer']> = {},
): AssignQuestion {
  return {
    kind: 'assign',
    peer: {
      connection: 'rw',
      id: parseIdentity(who),
      remote: { address: parseIp('192.0.2.9'), port: 4500 },
      methods: ['psk'],
      ...peer,
    },
    pools: ['rw'],
    request: [any4],
    held: [],
    ...changes,
  }
}

/** The addresses of a yes, the message of a no. */
function ask(pools: AddressPools, ...rest: Parameters<typeof question>): string[] | string {
  const answer = answerAssign(pools, question(...rest))
  return answer.ok ? answer.addresses.map(formatIp) : answer.message
}

const release = (pools: AddressPools, ...addresses: string[]) => pools.release(addresses.map(parseIp))

describe('address pools', () => {
  it('give the addresses of a range in order, from its first to its last', () => {
    const pools = new AddressPools([pool('rw', ['10.3.0.10-10.3.0.12'])])
    expect([ask(pools, 'a'), ask(pools, 'b'), ask(pools, 'c')]).toEqual([['10.3.0.10'], ['10.3.0.11'], ['10.3.0.12']])
  })

  it('leave the addresses of network and broadcast of a prefix out', () => {
    const pools = new AddressPools([pool('rw', ['10.3.0.0/30', 'fd00:3::/126'])])
    expect(ask(pools, 'a', { request: [any4, any6] })).toEqual(['10.3.0.1', 'fd00:3::1'])
    expect(ask(pools, 'b', { request: [any4, any6] })).toEqual(['10.3.0.2', 'fd00:3::2'])
    expect(ask(pools, 'c', { request: [any4, any6] })).toEqual(['fd00:3::3'])
    expect(ask(pools, 'd', { request: [any4, any6] })).toBe(
      'no address for d: pool rw 10.3.0.0/30 is full: 2 leases, 2 online; pool rw fd00:3::/126 is full: 3 leases, 3 online',
    )
  })

  it('go on in the next range, and in the next pool', () => {
    const pools = new AddressPools([pool('rw', ['10.3.0.1', '10.3.0.9']), pool('more', ['10.4.0.1'])])
    const both = { pools: ['rw', 'more'] }
    expect([ask(pools, 'a', both), ask(pools, 'b', both), ask(pools, 'c', both)]).toEqual([
      ['10.3.0.1'],
      ['10.3.0.9'],
      ['10.4.0.1'],
    ])
  })

  it('give an address across the end of an octet', () => {
    const pools = new AddressPools([pool('rw', ['10.3.0.255-10.3.1.0'])])
    expect([ask(pools, 'a'), ask(pools, 'b')]).toEqual([['10.3.0.255'], ['10.3.1.0']])
  })

  it('give who returns the address it had, whatever came between', () => {
    const pools = new AddressPools([pool('rw', ['10.3.0.10-10.3.0.20'])])
    ask(pools, 'a')
    ask(pools, 'b')
    release(pools, '10.3.0.10', '10.3.0.11')
    expect([ask(pools, 'c'), ask(pools, 'B'), ask(pools, 'a')]).toEqual([['10.3.0.12'], ['10.3.0.11'], ['10.3.0.10']])
  })

  it('know who comes by EAP by that name, and not by its IKE identity', () => {
    const pools = new AddressPools([pool('rw', ['10.3.0.10-10.3.0.20'])])
    expect(ask(pools, '192.168.1.5', {}, { eapIdentity: 'anna' })).toEqual(['10.3.0.10'])
    expect(ask(pools, '192.168.1.5', {}, { eapIdentity: 'bert' })).toEqual(['10.3.0.11'])
  })

  it('give a second machine of one identity an address of its own', () => {
    const pools = new AddressPools([pool('rw', ['10.3.0.10-10.3.0.20'])])
    expect([ask(pools, 'a'), ask(pools, 'a')]).toEqual([['10.3.0.10'], ['10.3.0.11']])
  })

  it('let a peer that sets up anew keep what it has, also when the pool is full', () => {
    const pools = new AddressPools([pool('rw', ['10.3.0.10'])])
    ask(pools, 'a')
    expect(ask(pools, 'a', { held: [parseIp('10.3.0.10')] })).toEqual(['10.3.0.10'])
    expect(ask(pools, 'b', { held: [parseIp('10.3.0.10')] })).toContain('is full')
  })

  it('take the lease that was given back longest ago when no address is new', () => {
    const pools = new AddressPools([pool('rw', ['10.3.0.10-10.3.0.12'])])
    for (const who of ['a', 'b', 'c']) ask(pools, who)
    release(pools, '10.3.0.11')
    release(pools, '10.3.0.10')
    expect(ask(pools, 'd')).toEqual(['10.3.0.11'])
    expect(ask(pools, 'b')).toEqual(['10.3.0.10'])
  })

  it('say what of a full pool is in use, and the setting', () => {
    const pools = new AddressPools([pool('rw', ['10.3.0.11-10.3.0.12'])])
    ask(pools, 'a')
    ask(pools, 'b')
    expect(answerAssign(pools, question('c'))).toEqual({
      ok: false,
      message: 'no address for c: pool rw 10.3.0.11-10.3.0.12 is full: 2 leases, 2 online',
      hint: 'pools.rw.addresses: add a range',
    })
  })

  it('say when no pool has the family, or is of that name', () => {
    const pools = new AddressPools([pool('rw', ['10.3.0.10'])])
    expect(ask(pools, 'a', { request: [any6] })).toBe(
      'a asks for an IPv6 address, and pool rw of connection rw has none',
    )
    expect(ask(pools, 'a', { pools: [] })).toBe('a asks for an IPv4 address, and connection rw has no pool')
    expect(ask(pools, 'a', { pools: ['x'] })).toBe(
      'connection rw takes addresses from pool x, and there is none of that name',
    )
  })

  it('give the address that is asked for when nobody had it', () => {
    const pools = new AddressPools([pool('rw', ['10.3.0.10-10.3.0.20'])])
    expect(ask(pools, 'a', { request: [wants('10.3.0.15')] })).toEqual(['10.3.0.15'])
    expect(ask(pools, 'b', { request: [wants('10.3.0.15')] })).toEqual(['10.3.0.10'])
    expect(ask(pools, 'c', { request: [wants('10.9.0.1')] })).toEqual(['10.3.0.11'])
    expect(ask(pools, 'd', { request: [wants('0.0.0.0')] })).toEqual(['10.3.0.12'])
  })

  it('reserve addresses, inside and outside of the range', () => {
    const reserved = [
      { identity: 'printer', address: parseIp('10.3.0.10') },
      { identity: 'boss', address: parseIp('10.9.9.9') },
    ]
    const pools = new AddressPools([pool('rw', ['10.3.0.10-10.3.0.11'], { reserved })])
    expect([ask(pools, 'a'), ask(pools, 'Printer'), ask(pools, 'boss')]).toEqual([
      ['10.3.0.11'],
      ['10.3.0.10'],
      ['10.9.9.9'],
    ])
    release(pools, '10.3.0.10')
    expect(ask(pools, 'b')).toContain('is full')
  })

  it('give what is reserved for an identity, or was leased to it, to nobody who only says that it is his (RFC 7619)', () => {
    const reserved = [{ identity: 'boss', address: parseIp('10.9.9.9') }]
    const pools = new AddressPools([pool('rw', ['10.3.0.10-10.3.0.20'], { reserved })])
    expect(ask(pools, 'alice')).toEqual(['10.3.0.10'])
    release(pools, '10.3.0.10')
    for (const methods of [['null'], ['null', 'pubkey'], ['resumption', 'null']]) {
      expect(ask(pools, 'boss', {}, { methods })).not.toEqual(['10.9.9.9'])
      expect(ask(pools, 'alice', {}, { methods })).not.toEqual(['10.3.0.10'])
    }
    expect(ask(pools, 'alice')).toEqual(['10.3.0.10'])
    expect(ask(pools, 'keyid:00', {}, { methods: ['null', 'eap'], eapIdentity: 'boss' })).toEqual(['10.9.9.9'])
  })

  it('leave it to the server of EAP where that gave an address', () => {
    const pools = new AddressPools([pool('rw', ['10.3.0.10-10.3.0.20'], { dns: [parseIp('10.9.0.1')] })])
    const attribute = { type: CfgAttribute.INTERNAL_IP4_DNS, value: parseIp('10.9.0.2') }
    const answer = answerAssign(
      pools,
      question('a', {}, { addresses: [parseIp('10.77.0.1')], attributes: [attribute] }),
    )
    expect(answer).toMatchObject({ ok: true, addresses: [parseIp('10.77.0.1')] })
    expect(answer.ok && answer.attributes.map(({ value }) => formatIp(value))).toEqual(['10.9.0.2', '10.9.0.1'])
    expect(pools.leases()).toEqual([])
  })

  it('tell the attributes also to who asks for no address', () => {
    const pools = new AddressPools([pool('rw', ['10.3.0.10'], { dns: [parseIp('10.9.0.1')] })])
    expect(answerAssign(pools, question('a', { request: [] }))).toMatchObject({
      ok: true,
      addresses: [],
      attributes: [{ type: 3 }],
    })
  })

  it('give what was leased before a restart to who had it', () => {
    const store = memoryStore()
    const before = new AddressPools([pool('rw', ['10.3.0.10-10.3.0.12'])], store)
    for (const who of ['a', 'b']) ask(before, who)
    const after = new AddressPools([pool('rw', ['10.3.0.10-10.3.0.12'])], store)
    expect(after.status()).toEqual([{ name: 'rw', addresses: '10.3.0.10-10.3.0.12', leases: 2, online: 0 }])
    expect([ask(after, 'c'), ask(after, 'b'), ask(after, 'a')]).toEqual([['10.3.0.12'], ['10.3.0.11'], ['10.3.0.10']])
  })

  it('forget leases that are outside of what the pool is after a restart', () => {
    const store = memoryStore()
    ask(new AddressPools([pool('rw', ['10.3.0.10-10.3.0.12'])], store), 'a')
    expect(new AddressPools([pool('rw', ['10.4.0.0/24'])], store).leases()).toEqual([])
    expect(new AddressPools([], store).leases()).toEqual([])
  })

  it('refuse ranges that would be given twice, and names that come twice', () => {
    expect(() => new AddressPools([pool('a', ['10.3.0.0/24']), pool('b', ['10.3.0.9-10.3.1.9'])])).toThrow(
      'a and b have addresses in common',
    )
    expect(() => new AddressPools([pool('a', ['10.3.0.0/24']), pool('a', ['10.4.0.0/24'])])).toThrow(
      'two of the name a',
    )
    expect(() => new AddressPools([pool('a', ['10.3.0.0/24'], { domains: ['x.org'] })])).toThrow('DNS server')
  })

  it('never give one address to two, whatever comes and goes', () => {
    const step = fc.record({
      who: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      leaves: fc.boolean(),
      restarts: fc.nat(20),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const store = memoryStore()
        const configs = [
          pool('rw', ['10.3.0.10-10.3.0.12'], { reserved: [{ identity: 'e', address: parseIp('10.3.0.11') }] }),
        ]
        let pools = new AddressPools(configs, store)
        const online = new Map<string, string>()
        for (const { who, leaves, restarts } of steps) {
          const address = online.get(who)
          if (restarts === 0) {
            pools = new AddressPools(configs, store)
            online.clear()
          } else if (address !== undefined && leaves) {
            release(pools, address)
            online.delete(who)
          } else {
            const held = address === undefined ? [] : [parseIp(address)]
            const given = ask(pools, who, { held })
            if (typeof given === 'string')
              expect([...online.values(), '10.3.0.11']).toHaveLength(online.has('e') ? 4 : 3)
            else {
              if (address !== undefined) expect(given).toEqual([address])
              online.set(who, given[0]!)
            }
          }
          expect(new Set(online.values()).size).toBe(online.size)
          expect(pools.status()[0]!.online).toBe(online.size)
        }
      }),
    )
  })
})

function memoryStore(): LeaseStore {
  let saved: () => Iterable<Lease> = () => []
  return { load: () => [...saved()], save: (leases) => (saved = leases) }
}
