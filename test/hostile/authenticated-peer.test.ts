import { describe, expect, it } from 'vitest'
import { ExchangeType, type Payload, ProtocolId } from '../../src/ike/codec/index.ts'
import { parseIp } from '../../src/ip/index.ts'
import { StatePhase } from '../../src/xfrm/index.ts'
import { range } from './attacker.ts'
import { HostileInitiator, selectors } from './initiator.ts'
import { AttackerKeyPairs } from './keys.ts'
import { HostileResponder } from './responder.ts'
import { friendAddress, World } from './world.ts'

const { CREATE_CHILD_SA, IKE_SA_INIT } = ExchangeType

function established(): { world: World; one: HostileInitiator } {
  const world = new World('one attacker')
  const one = new HostileInitiator(world, '203.0.113.1', new AttackerKeyPairs(world.dice.octets))
  expect(one.ensure(true)).toBe(true)
  return { world, one }
}

const octetsOf = (spi: number) => Uint8Array.of(spi >>> 24, spi >>> 16, spi >>> 8, spi)

/** The SPI that the victim sends to its friend with. */
const friendSpi = (world: World) =>
  world.victim.states().find(({ direction, label }) => direction === 'out' && label === 'friend/net')!.spi

const lastNotify = (world: World) =>
  world.victim.events
    .flatMap((event) => (event.kind === 'message' && event.direction === 'out' ? event.payloads : []))
    .at(-1)

describe('a peer that has proven its identity', () => {
  it('is not followed to an address where its SPI is in use', () => {
    const { world, one } = established()
    const honest = world.honestState()
    world.attack(one.protected({ exchangeType: CREATE_CHILD_SA }, one.createRequest(octetsOf(friendSpi(world)))))
    one.absorb()
    const { to, payload } = one.protected({}, [])
    const outcome = world.attack({ from: { address: parseIp(friendAddress), port: 4500 }, to, payload })
    expect(outcome).toBe('IKE: answered INFORMATIONAL')
    expect(world.victim.events.filter(({ kind }) => kind === 'remote-moved')).toEqual([])
    expect(world.honestState()).toBe(honest)
    expect(world.pingAll()).toBe(true)
  })

  it('is followed to an address where its SPIs are free', () => {
    const { world, one } = established()
    const { to, payload } = one.protected({}, [])
    world.attack({ from: { address: parseIp('203.0.113.9'), port: 4500 }, to, payload })
    expect(world.victim.events.map(({ kind }) => kind)).toContain('remote-moved')
  })

  it('gets few policies for many traffic selectors', () => {
    const { world, one } = established()
    const before = world.victim.policies().length
    const list = (prefix: string) =>
      Array.from({ length: 255 }, (_, at) => range(`${prefix}.${at}.0`, `${prefix}.${at}.9`))
    const [SA, Nonce] = one.createRequest()
    const payloads = [SA!, Nonce!, selectors('TSi', list('10.66')), selectors('TSr', list('10.1'))]
    world.attack(one.protected({ exchangeType: CREATE_CHILD_SA }, payloads))
    expect(world.victim.events.map(({ kind }) => kind)).toContain('child-established')
    expect(world.victim.policies().length - before).toBeLessThanOrEqual(3 * 64)
  })

  it('gets NO_ADDITIONAL_SAS when it has many CHILD_SAs', () => {
    const { world, one } = established()
    for (let more = 72; more > 0; more--) {
      world.attack(one.protected({ exchangeType: CREATE_CHILD_SA }, one.createRequest()))
      one.absorb()
    }
    expect(lastNotify(world)).toBe('N(NO_ADDITIONAL_SAS)')
    expect(world.stands(one.sa!.SPIi)).toBe(true)
    // Of those for the same traffic not all send yet.
    expect(world.victim.ike.status().map(({ children }) => children.length)).toContain(64)
    expect(world.victim.states().length).toBeLessThanOrEqual(4 + 2 * 64)
  })

  it.each([1, 2, 8])('cannot delete by ESP SPIs of %i octets', (spiSize) => {
    const { world, one } = established()
    const spi = world.victim.states().find(({ direction, label }) => direction === 'out' && label === 'anyone/net')!.spi
    const octets = Uint8Array.of(...octetsOf(spi), 0, 0, 0, 0).subarray(0, spiSize)
    const deletion: Payload = { kind: 'D', critical: false, protocol: ProtocolId.ESP, spiSize, spis: [octets] }
    world.attack(one.protected({}, [deletion]))
    expect(lastNotify(world)).toBe('N(INVALID_SYNTAX)')
  })
})

describe('a responder that the victim calls', () => {
  function calledAndEstablished(): { world: World; responder: HostileResponder } {
    const world = new World('one responder')
    const responder = new HostileResponder(world, new AttackerKeyPairs(world.dice.octets))
    const init = responder.nextRequest()!
    expect(init.exchange).toBe(IKE_SA_INIT)
    world.attack(responder.answerInit(init))
    return { world, responder }
  }

  it('leaves no SPI behind with an answer outside the offer', () => {
    const { world, responder } = calledAndEstablished()
    const auth = responder.nextRequest()!
    const outside = responder
      .answerPayloads(auth)!
      .map((one) => (one.kind === 'TSr' ? selectors('TSr', [range('10.2.0.0', '10.2.255.255')]) : one))
    world.attack(responder.response(auth, outside))
    expect(world.victim.events.map(({ kind }) => kind)).toContain('refused')
    expect(world.victim.states(StatePhase.LARVAL)).toEqual([])
  })

  it('cannot have thousands of policies installed', () => {
    const { world, responder } = calledAndEstablished()
    const auth = responder.nextRequest()!
    const list = (prefix: string) =>
      Array.from({ length: 100 }, (_, at) => range(`${prefix}.${at}.0`, `${prefix}.${at}.9`))
    const many = responder.answerPayloads(auth)!.map((one) => {
      if (one.kind === 'TSi') return selectors('TSi', list('10.1'))
      return one.kind === 'TSr' ? selectors('TSr', list('10.67')) : one
    })
    const before = world.victim.policies().length
    world.attack(responder.response(auth, many))
    expect(world.victim.policies()).toHaveLength(before)
    expect(world.victim.states(StatePhase.LARVAL)).toEqual([])
  })
})
