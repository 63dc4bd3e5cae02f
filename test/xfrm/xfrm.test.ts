import { describe, expect, it } from 'vitest'
import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import { UsageError } from '../../src/errors.ts'
import { newDecapResult } from '../../src/esp/index.ts'
import { buildUdp, parseIp } from '../../src/ip/index.ts'
import { ACQUIRE_TIMEOUT_MS } from '../../src/xfrm/asking.ts'
import { unlimited } from '../../src/xfrm/port.ts'
import { StatePhase } from '../../src/xfrm/state.ts'
import { flowOf, newXfrm, policyConfig, Recorder, selector, stateConfig } from './support.ts'

const left = '192.0.2.1'
const right = '198.51.100.2'
const inbound = (spi = 0x1001) => stateConfig({ spi, saddr: right, daddr: left, direction: 'in' })
const outbound = (spi = 0x2001) => stateConfig({ spi, saddr: left, daddr: right, direction: 'out' })
const larval = (spi = 0x1001) => ({ spi, proto: 50, saddr: parseIp(right), daddr: parseIp(left), reqid: 1 })
const outPolicy = (index = 1) =>
  policyConfig({
    index,
    direction: 'out',
    selector: selector('10.1.0.0/16', '10.2.0.0/16'),
    template: [left, right, 1],
  })
const packet = buildUdp({
  source: parseIp('10.1.0.1'),
  destination: parseIp('10.2.0.1'),
  sourcePort: 5000,
  destinationPort: 7,
  data: new Uint8Array(8),
})

function setUp() {
  const told = new Recorder()
  const clock = { now: 1000 }
  return { told, clock, xfrm: newXfrm(told, clock) }
}

describe('states', () => {
  it('replaces a larval state by the installed one and refuses every other duplicate', () => {
    const { xfrm } = setUp()
    xfrm.allocSpi(larval())
    expect(() => xfrm.allocSpi(larval())).toThrow(UsageError)
    expect([...xfrm.states()].map(({ phase }) => phase)).toEqual([StatePhase.LARVAL])
    xfrm.newSa(inbound())
    expect([...xfrm.states()].map(({ phase }) => phase)).toEqual([StatePhase.VALID])
    expect(() => xfrm.newSa(inbound())).toThrow(UsageError)
    expect(() => xfrm.allocSpi(larval())).toThrow(UsageError)
  })

  it('does not let an outbound state take the SPI of a larval one', () => {
    const { xfrm } = setUp()
    xfrm.allocSpi(larval())
    expect(() => xfrm.newSa({ ...inbound(), direction: 'out' })).toThrow(UsageError)
    expect([...xfrm.states()]).toHaveLength(1)
  })

  it.each([
    ['another protocol', { proto: 51 }],
    ['SPI 0', { spi: 0 }],
    ['reqid 0', { reqid: 0 }],
    ['a key of the wrong length', { encr: { id: 20, key: new Uint8Array(15), salt: new Uint8Array(4) } }],
    ['a window that is too small', { replayWindow: 1 }],
  ])('refuses %s and keeps the larval state', (_, wrong) => {
    const { xfrm } = setUp()
    xfrm.allocSpi(larval())
    expect(() => xfrm.newSa({ ...inbound(), ...wrong })).toThrow(UsageError)
    expect([...xfrm.states()].map(({ phase }) => phase)).toEqual([StatePhase.LARVAL])
  })

  it('refuses implicit IVs for a group, of which each sender would use the same nonces (RFC 8750)', () => {
    const { xfrm } = setUp()
    const implicit = { encr: { id: 30, key: new Uint8Array(16), salt: new Uint8Array(4) } }
    for (const group of ['239.1.2.3', 'ff0e::1']) {
      const state = { ...inbound(), direction: 'out' as const, daddr: parseIp(group) }
      expect(() => xfrm.newSa({ ...state, ...implicit })).toThrow('unicast')
      xfrm.newSa(state)
    }
    xfrm.newSa({ ...inbound(), ...implicit })
  })

  it('removes a state and forgets its transform; unknown ids are ignored', () => {
    const { xfrm } = setUp()
    xfrm.newSa(inbound())
    const state = [...xfrm.states()][0]!
    xfrm.delSa({ ...larval(), spi: 0x9999 })
    xfrm.delSa({ ...larval(), proto: 51 })
    expect([...xfrm.states()]).toEqual([state])
    xfrm.delSa(larval())
    expect([...xfrm.states()]).toEqual([])
    expect(state.phase).toBe(StatePhase.DEAD)
    expect(state.decapsulator).toBeUndefined()
    xfrm.delSa(larval())
    xfrm.updSa(larval(), { encap: { sport: 1, dport: 2 } })
  })

  it('wipes the keys of a state that is removed', () => {
    const destroyed: string[] = []
    const nonces: Uint8Array[] = []
    const aead: CryptoProvider['aead'] = (encr, key) => {
      const real = nodeProvider.aead(encr, key)
      return {
        nonceBytes: real.nonceBytes,
        tagBytes: real.tagBytes,
        seal: (nonce) => nonces.push(nonce),
        open: (nonce) => nonces.push(nonce) > 0,
        destroy: () => destroyed.push('aead'),
      }
    }
    const xfrm = newXfrm(new Recorder(), { now: 0 }, { ...nodeProvider, aead })
    xfrm.newSa(inbound())
    xfrm.newSa(outbound())
    const [one, other] = [...xfrm.states()]
    const buffer = new Uint8Array(100)
    const length = other!.encapsulator!.encapsulate(buffer, 40, 20, 4)
    one!.decapsulator!.decapsulate(buffer, 40 - other!.encapsulator!.headerBytes, length, newDecapResult())
    expect(nonces.map((nonce) => nonce.some((octet) => octet !== 0))).toEqual([true, true])
    xfrm.delSa(larval())
    expect(destroyed).toHaveLength(1)
    xfrm.delSa(outbound())
    expect(destroyed).toHaveLength(2)
    // The nonce begins with the salt.
    expect(nonces.map((nonce) => nonce.some((octet) => octet !== 0))).toEqual([false, false])
  })

  it('moves a state to new addresses and ports', () => {
    const { xfrm } = setUp()
    xfrm.newSa(inbound())
    const moved = parseIp('203.0.113.9')
    xfrm.updSa(larval(), { saddr: moved, encap: { sport: 1024, dport: 4500 } })
    expect([...xfrm.states()]).toMatchObject([{ saddr: moved, encap: { sport: 1024, dport: 4500 } }])
  })
})

describe('time limits', () => {
  const limited = { ...inbound(), lifetime: { ...unlimited, softMs: 100, hardMs: 300 } }
  const id = { daddr: inbound().daddr, spi: 0x1001, proto: 50, reqid: 1 }

  it('tell soft and hard once each, and remove the state at the hard one', () => {
    const { xfrm, told } = setUp()
    xfrm.newSa(limited)
    expect(xfrm.nextExpiryAt()).toBe(1100)
    xfrm.expireDue(1099)
    expect(told.expires).toEqual([])
    xfrm.expireDue(1100)
    xfrm.expireDue(1200)
    expect(told.expires).toEqual([{ ...id, hard: false }])
    expect(xfrm.nextExpiryAt()).toBe(1300)
    xfrm.expireDue(1300)
    xfrm.expireDue(9999)
    expect(told.expires).toEqual([
      { ...id, hard: false },
      { ...id, hard: true },
    ])
    expect([...xfrm.states()]).toEqual([])
    expect(xfrm.nextExpiryAt()).toBe(Number.POSITIVE_INFINITY)
  })

  it('tell only the hard one when both are over', () => {
    const { xfrm, told } = setUp()
    xfrm.newSa(limited)
    xfrm.expireDue(5000)
    expect(told.expires).toEqual([{ ...id, hard: true }])
  })

  it('let the listener replace the state while it is told', () => {
    const clock = { now: 0 }
    const told = new Recorder()
    const xfrm = newXfrm(
      {
        acquire: (acquire) => told.acquire(acquire),
        mapping: (mapping) => told.mapping(mapping),
        expire: (expire) => {
          told.expire(expire)
          xfrm.delSa(expire)
          xfrm.newSa({ ...limited, spi: expire.spi + 1 })
        },
      },
      clock,
    )
    xfrm.newSa(limited)
    clock.now = 100
    xfrm.expireDue(100)
    expect([...xfrm.states()].map(({ spi }) => spi)).toEqual([0x1002])
    expect(xfrm.nextExpiryAt()).toBe(200)
    expect(told.expires).toHaveLength(1)
  })
})

describe('acquire', () => {
  it('is told once, with the packet as a selector, until it times out', () => {
    const { xfrm, told, clock } = setUp()
    xfrm.newPolicy(outPolicy())
    const policy = [...xfrm.policies()][0]!
    xfrm.acquire(policy, flowOf(packet), clock.now)
    xfrm.acquire(policy, flowOf(packet), clock.now + 10)
    const single = selector('10.1.0.1', '10.2.0.1', { protocol: 17, sourcePort: [5000, 5000], destinationPort: [7, 7] })
    expect(told.acquires).toEqual([{ policyIndex: 1, reqid: 1, packet: single, seq: 1 }])
    expect(xfrm.nextExpiryAt()).toBe(clock.now + ACQUIRE_TIMEOUT_MS)
    xfrm.expireDue(clock.now + ACQUIRE_TIMEOUT_MS)
    xfrm.acquire(policy, flowOf(packet), clock.now + ACQUIRE_TIMEOUT_MS)
    expect(told.acquires).toHaveLength(2)
  })

  it('still times out when the clock was served in between', () => {
    const { xfrm, told, clock } = setUp()
    xfrm.newPolicy(outPolicy())
    const policy = [...xfrm.policies()][0]!
    xfrm.newSa({ ...inbound(), lifetime: { ...unlimited, softMs: 100 } })
    xfrm.acquire(policy, flowOf(packet), clock.now)
    xfrm.expireDue(clock.now + 100)
    expect(told.expires).toHaveLength(1)
    expect(xfrm.nextExpiryAt()).toBe(clock.now + ACQUIRE_TIMEOUT_MS)
  })

  it('is told again after it was answered', () => {
    const { xfrm, told, clock } = setUp()
    xfrm.newPolicy(outPolicy())
    const policy = [...xfrm.policies()][0]!
    xfrm.acquire(policy, flowOf(packet), clock.now)
    xfrm.newSa(outbound())
    xfrm.delSa({ daddr: parseIp(right), spi: 0x2001, proto: 50 })
    xfrm.acquire(policy, flowOf(packet), clock.now)
    expect(told.acquires).toHaveLength(2)
  })

  it('is not answered by a state of another reqid or peer', () => {
    const { xfrm, told, clock } = setUp()
    xfrm.newPolicy(outPolicy())
    const policy = [...xfrm.policies()][0]!
    xfrm.acquire(policy, flowOf(packet), clock.now)
    xfrm.newSa({ ...outbound(0x2002), reqid: 2 })
    xfrm.newSa({ ...outbound(0x2003), daddr: parseIp('203.0.113.9') })
    xfrm.acquire(policy, flowOf(packet), clock.now)
    expect(told.acquires).toHaveLength(1)
    expect(xfrm.stateFor(policy)).toBeUndefined()
  })
})

describe('stateFor', () => {
  it('follows installation, removal and a changed template', () => {
    const { xfrm } = setUp()
    xfrm.newPolicy(outPolicy())
    const policy = [...xfrm.policies()][0]!
    expect(xfrm.stateFor(policy)).toBeUndefined()
    xfrm.newSa(outbound(1))
    xfrm.newSa(outbound(2))
    expect(xfrm.stateFor(policy)?.spi).toBe(2)
    xfrm.delSa({ daddr: parseIp(right), spi: 2, proto: 50 })
    expect(xfrm.stateFor(policy)?.spi).toBe(1)
    xfrm.updPolicy({ ...outPolicy(), templates: [{ ...outPolicy().templates[0]!, reqid: 9 }] })
    expect(xfrm.stateFor(policy)).toBeUndefined()
  })
})
