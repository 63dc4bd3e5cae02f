import { describe, expect, it } from 'vitest'
import { toHex } from '../../../src/bytes/index.ts'
import { nodeProvider } from '../../../src/crypto/node.ts'
import type { ProposalRefusal } from '../../../src/ike/explain/refusal.ts'
import type { RecordingXfrm } from '../../../src/testing/recording-xfrm.ts'
import { alterInit, withoutNotify } from '../alter-init.ts'
import { establishedPair, makePair, type Pair } from '../support.ts'

const three = 'aes128gcm16-prfsha256-x25519-ke1_ecp256-ke2_mlkem768-ke3_ecp384'

const multiKe = (proposals: string) =>
  ({ a: { proposals: [proposals] }, b: { proposals: [proposals] }, crypto: nodeProvider }) as const

const keysOf = (xfrm: RecordingXfrm, direction: 'in' | 'out') =>
  [...xfrm.states.values()].filter((state) => state.direction === direction).map(({ encr }) => toHex(encr.key))

function expectSameKeys({ xfrmA, xfrmB }: Pair): void {
  expect(keysOf(xfrmA, 'out')).toHaveLength(1)
  expect(keysOf(xfrmA, 'out')).toEqual(keysOf(xfrmB, 'in'))
  expect(keysOf(xfrmA, 'in')).toEqual(keysOf(xfrmB, 'out'))
}

const exchanges = (pair: Pair) =>
  pair.a
    .eventsOf('message')
    .filter(({ direction }) => direction === 'out')
    .map(({ exchange }) => exchange)

describe('additional key exchanges before IKE_AUTH', () => {
  it('takes place one after the other, and both sides come to the same keys', () => {
    const pair = establishedPair(multiKe(three))
    expect(exchanges(pair)).toEqual([
      'IKE_SA_INIT',
      'IKE_INTERMEDIATE',
      'IKE_INTERMEDIATE',
      'IKE_INTERMEDIATE',
      'IKE_AUTH',
    ])
    expectSameKeys(pair)
    expect(pair.b.ike.status()[0]?.suite).toBe(three)
  })

  it('that we fail to make end the IKE_SA, not the endpoint', () => {
    let made = 0
    const crypto: typeof nodeProvider = {
      ...nodeProvider,
      keyExchange(group, random) {
        if (made++ > 0) throw new Error('out of order')
        return nodeProvider.keyExchange(group, random)
      },
    }
    const { a, b, clock, network } = makePair({ ...multiKe(three), crypto })
    const mail = network.hold()
    a.initiate('office')
    mail.deliver()
    const local = { address: a.address, port: 500 }
    const message = network.sent.at(-1)!.payload
    const actions = a.ike.handleDatagram({ local, remote: { address: b.address, port: 500 }, message }, clock.now)
    const events = actions.flatMap((action) => (action.type === 'event' ? [action.event] : []))
    expect(events.map(({ kind }) => kind)).toEqual(['message', 'internal-error', 'ike-closed'])
    expect(a.ike.isIdle()).toBe(true)
  })

  it('leaves out those that both agree to have none of', () => {
    const pair = establishedPair(multiKe('aes128gcm16-prfsha256-x25519-ke1_none-ke2_ecp256-ke3_none'))
    expect(exchanges(pair)).toEqual(['IKE_SA_INIT', 'IKE_INTERMEDIATE', 'IKE_AUTH'])
    expectSameKeys(pair)
  })

  it('has no IKE_INTERMEDIATE where the responder takes the proposal without', () => {
    const { crypto } = multiKe(three)
    const pair = establishedPair({ a: { proposals: [three, 'aes128gcm16-prfsha256-x25519'] }, crypto })
    expect(exchanges(pair)).toEqual(['IKE_SA_INIT', 'IKE_AUTH'])
  })

  it.each([0, 1, 2])('goes on when every datagram is lost once, from datagram %i on', (first) => {
    const pair = makePair(multiKe(three))
    let sent = 0
    const seen = new Set<string>()
    pair.network.path = (datagram) => {
      if (sent++ < first) return [datagram]
      const octets = toHex(datagram.payload)
      if (seen.has(octets)) return [datagram]
      seen.add(octets)
      return []
    }
    pair.a.initiate('office')
    pair.clock.advance(120_000)
    expect(pair.a.eventsOf('child-established')).toHaveLength(1)
    expectSameKeys(pair)
  })

  it('answers an IKE_INTERMEDIATE request again that was sent under the keys before', () => {
    const pair = makePair(multiKe(three))
    let lost = 0
    pair.network.path = (datagram) => {
      const isAnswer = toHex(datagram.from.address) === toHex(pair.b.address) && datagram.payload[22] === 43
      return isAnswer && lost++ === 0 ? [] : [datagram]
    }
    pair.a.initiate('office')
    pair.clock.advance(60_000)
    expect(lost).toBeGreaterThan(1)
    expect(pair.b.eventsOf('dropped')).toEqual([])
    expectSameKeys(pair)
  })

  it('never repeats a group, so that the first choice gives way', () => {
    const pair = establishedPair(multiKe('aes128gcm16-prfsha256-x25519-ecp256-ke1_x25519'))
    expect(pair.b.ike.status()[0]?.suite).toBe('aes128gcm16-prfsha256-ecp256-ke1_x25519')
  })
})

describe('refusals of additional key exchanges', () => {
  const refusalOf = (pair: Pair) => pair.b.eventsOf('refused')[0]?.refusal as ProposalRefusal

  it('names the additional key exchange on which the two differ', () => {
    const pair = makePair({
      a: { proposals: ['aes128gcm16-prfsha256-x25519-ke1_ecp256'] },
      b: { proposals: ['aes128gcm16-prfsha256-x25519-ke1_mlkem768'] },
    })
    pair.a.initiate('office')
    pair.clock.advance(1000)
    const refusal = refusalOf(pair)
    expect(refusal.nearest?.differ).toEqual(['additional key exchange 1'])
    expect(refusal.message).toContain('additional key exchange 1 (offered ke1_ecp256, configured ke1_mlkem768)')
    expect(refusal.hint).toBe('connections.branch.proposals: add aes128gcm16-prfsha256-x25519-ke1_ecp256')
  })

  it('tells that the peer has no IKE_INTERMEDIATE', () => {
    const pair = makePair(multiKe(three))
    pair.network.path = alterInit('request', withoutNotify(16438))
    pair.a.initiate('office')
    pair.clock.advance(1000)
    const refusal = refusalOf(pair)
    expect(refusal.message).toContain('does not announce IKE_INTERMEDIATE')
    expect(refusal.hint).toContain('ke1_none')
  })

  it('does not go on as initiator when the responder chose them without IKE_INTERMEDIATE', () => {
    const pair = makePair(multiKe(three))
    pair.network.path = alterInit('response', withoutNotify(16438))
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.a.eventsOf('dropped').map(({ detail }) => detail)).toEqual([
      'The peer answered our proposals with transforms that were not offered.',
    ])
  })
})
