import { afterEach, describe, expect, it, vi } from 'vitest'
import type { ConnectionConfig } from '../../../src/ike/config.ts'
import type { PeerRefusal } from '../../../src/ike/explain/refusal.ts'
import { alterPayloads } from '../alter.ts'
import { establishedPair, leftConnection, makePair, type Pair, rightConnection } from '../support.ts'

afterEach(() => vi.restoreAllMocks())

type Childless = ConnectionConfig['childless']

const withPfs = (config: typeof leftConnection, childless: Childless) => ({
  childless,
  children: [{ ...config.children[0]!, espProposals: ['aes128gcm16-x25519'] }],
})

function attempt(ofA: Childless, ofB: Childless): Pair {
  const pair = makePair({ a: withPfs(leftConnection, ofA), b: withPfs(rightConnection, ofB) })
  pair.a.initiate('office')
  pair.clock.advance(5_000)
  return pair
}

const requests = (pair: Pair) =>
  pair.a
    .eventsOf('message')
    .filter(({ direction, response }) => direction === 'out' && !response)
    .map(({ exchange }) => exchange)

const childless = ['IKE_SA_INIT', 'IKE_AUTH', 'CREATE_CHILD_SA']
const usual = ['IKE_SA_INIT', 'IKE_AUTH']

describe('an IKE_SA without a first CHILD_SA', () => {
  it.each([
    ['force', 'allow', childless],
    ['prefer', 'allow', childless],
    ['prefer', 'prefer', childless],
    ['prefer', 'force', childless],
    ['prefer', 'never', usual],
    ['allow', 'allow', usual],
    ['allow', 'prefer', usual],
    ['never', 'allow', usual],
  ] as const)('initiator %s, responder %s', (ofA, ofB, expected) => {
    const pair = attempt(ofA, ofB)
    expect(requests(pair)).toEqual(expected)
    const [child] = pair.a.ike.status()[0]!.children
    expect(child?.suite).toBe(expected === childless ? 'aes128gcm16-x25519' : 'aes128gcm16')
    expect(pair.b.ike.status()[0]!.children).toHaveLength(1)
    expect(pair.a.eventsOf('refused')).toEqual([])
  })

  it('is set up alone where the connection has no children; a child comes when the peer asks for it', () => {
    const pair = makePair({ a: { childless: 'force', children: [] }, b: withPfs(rightConnection, 'allow') })
    pair.a.initiate('office')
    pair.clock.advance(5_000)
    expect(requests(pair)).toEqual(usual)
    expect(pair.a.ike.status().map(({ state }) => state)).toEqual(['established'])
    expect(pair.b.ike.status()[0]!.children).toEqual([])
    pair.a.initiate('office')
    expect(pair.a.ike.status()).toHaveLength(1)
  })

  it('gets its child when the responder asks for it', () => {
    const pair = makePair({ a: withPfs(leftConnection, 'force'), b: withPfs(rightConnection, 'allow') })
    pair.network.path = (datagram) =>
      datagram.payload[22] === 36 && datagram.from.address.join() === pair.a.address.join() ? [] : [datagram]
    pair.a.initiate('office')
    pair.clock.advance(1_000)
    expect(pair.b.ike.status()[0]!.children).toEqual([])
    pair.network.path = (datagram) => [datagram]
    pair.b.initiate('branch')
    pair.clock.advance(1_000)
    expect(pair.b.ike.status()[0]!.children).toHaveLength(1)
  })

  it('is refused by an initiator that wants nothing else, when the responder does not offer it', () => {
    const pair = attempt('force', 'never')
    expect(requests(pair)).toEqual(['IKE_SA_INIT'])
    const refusal = pair.a.eventsOf('refused')[0]?.refusal as PeerRefusal
    expect(refusal.message).toContain('no CHILDLESS_IKEV2_SUPPORTED')
    expect(refusal.hint).toContain('connections.office.childless: prefer')
    expect(pair.a.ike.status()).toEqual([])
    pair.clock.advance(31_000)
    expect(pair.b.ike.status()).toEqual([])
  })

  it('without children is refused with the advice to name one', () => {
    const pair = makePair({ a: { childless: 'prefer', children: [] }, b: { childless: 'never' } })
    pair.a.initiate('office')
    pair.clock.advance(2_000)
    const refusal = pair.a.eventsOf('refused')[0]?.refusal as PeerRefusal
    expect(refusal.hint).toContain('connections.office.children')
  })

  it('is all that a responder gives that wants nothing else: the child has to be asked for afterwards', () => {
    const pair = attempt('never', 'force')
    const refusal = pair.b.eventsOf('refused')[0]?.refusal as PeerRefusal
    expect(refusal.hint).toContain('connections.branch.childless: allow')
    expect(pair.a.eventsOf('refused')[0]?.refusal).toMatchObject({ by: 'peer', detail: 'NO_ADDITIONAL_SAS' })
    expect(pair.b.eventsOf('child-established')).toEqual([])
  })

  it('is not made for an initiator that was not offered it', () => {
    alterPayloads((header, payloads) =>
      header.exchangeType === 35 && !header.flags.response
        ? payloads.filter(({ kind }) => kind !== 'SA' && kind !== 'TSi' && kind !== 'TSr')
        : payloads,
    )
    const pair = attempt('never', 'never')
    expect(pair.b.eventsOf('ike-established')).toEqual([])
    expect(pair.a.ike.status()).toEqual([])
  })

  it('does not do for an initiator that asked for a CHILD_SA', () => {
    alterPayloads((header, payloads) =>
      header.exchangeType === 35 && header.flags.response
        ? payloads.filter(({ kind }) => kind !== 'SA' && kind !== 'TSi' && kind !== 'TSr')
        : payloads,
    )
    const pair = attempt('allow', 'allow')
    expect(pair.a.eventsOf('ike-established')).toEqual([])
    expect(pair.a.eventsOf('refused')[0]?.refusal).toMatchObject({ detail: 'MISSING_PAYLOAD' })
  })
})

it('a trap on a childless connection waits for one CHILD_SA only', () => {
  const pair = establishedPair({ a: withPfs(leftConnection, 'prefer'), b: withPfs(rightConnection, 'allow') })
  pair.a.initiate('office')
  pair.clock.advance(1_000)
  expect(pair.a.ike.status()[0]!.children).toHaveLength(1)
})
