import { describe, expect, it } from 'vitest'
import { VirtualNat } from '../../src/testing/index.ts'
import { establishedPair, leftConnection, makePair, rightConnection } from '../ike/support.ts'

const child = leftConnection.children[0]!
const two = {
  a: { children: [child, { ...child, name: 'other', localTs: ['10.3.0.0/16'], remoteTs: ['10.4.0.0/16'] }] },
  b: {
    children: [
      rightConnection.children[0]!,
      { ...rightConnection.children[0]!, name: 'other', localTs: ['10.4.0.0/16'], remoteTs: ['10.3.0.0/16'] },
    ],
  },
}

describe('held IKE messages', () => {
  it('are known by what is inside them, and delivered one by one without time passing', () => {
    const { network, a, b } = establishedPair(two)
    const mail = network.hold()
    a.initiate('office', 'other')
    const [sa] = b.status()
    b.perform(b.ike.deleteChild(sa!.sa.id, sa!.children[0]!.spiIn, b.now))
    expect(mail.messages).toMatchObject([
      { exchange: 'CREATE_CHILD_SA', response: false, payloads: ['SA', 'Ni', 'TSi', 'TSr'], encrypted: true },
      { exchange: 'INFORMATIONAL', response: false, messageId: 0, payloads: ['D'] },
    ])
    mail.deliver({ payload: 'D' })
    mail.deliver(b.lastRequest.exchange === 'INFORMATIONAL' ? a.lastResponse : b.lastResponse)
    expect(b.status()[0]!.children).toEqual([])
    mail.deliver(a.lastRequest)
    expect(mail.has(b.lastResponse)).toBe(true)
    mail.drop(b.lastResponse)
    expect(b.status()[0]!.children).toHaveLength(1)
    expect(a.status()[0]!.children).toHaveLength(0)
  })

  it('are the same message when they are sent again', () => {
    const { clock, network, a, b } = establishedPair()
    const mail = network.hold()
    a.perform(a.ike.deleteIke(1, a.now))
    const request = a.lastRequest
    clock.advance(5000)
    expect(mail.messages).toEqual([request, request])
    mail.deliver(request)
    mail.deliver(request)
    expect(mail.messages.map(({ response }) => response)).toEqual([true, true])
    mail.deliverAll()
    expect([a.status(), b.status()]).toEqual([[], []])
  })

  it('tell which is missing', () => {
    const { network, a, b } = establishedPair()
    const mail = network.hold()
    a.perform(a.ike.deleteIke(1, a.now))
    expect(() => mail.deliver({ from: b })).toThrow('there are: INFORMATIONAL request 2 {D}')
    expect(() => mail.deliver(b.lastResponse)).toThrow('no such message waits')
  })
})

describe('rules for IKE messages', () => {
  it('find them by exchange and sender, retransmissions too', () => {
    const { clock, network, a, b } = makePair()
    const rule = network.drop({ from: b, exchange: 'IKE_AUTH' }, { times: 2 })
    a.initiate('office')
    clock.advance(3000)
    expect(rule.hits).toBe(1)
    expect(a.status()[0]!.state).toBe('connecting')
    clock.advance(60_000)
    expect([rule.hits, rule.seen]).toEqual([2, 3])
    expect(a.ikeSa.children).toHaveLength(1)
  })
})

describe('a peer', () => {
  it('draws the nonces that it was told to', () => {
    const { network, clock, a, b } = makePair()
    a.entropy.nextNonceFirstByte(0x00)
    a.entropy.nextNonceFirstByte(0xff)
    b.entropy.nextNonceFirstByte(0x77)
    a.initiate('office')
    clock.advance(1000)
    // The generic header of 4 octets is in front of the nonce; the IKE_SA_INIT request is in the clear.
    const nonceOf = (payload: Uint8Array) => {
      for (let at = 28, type = payload[16]!; type !== 0; ) {
        if (type === 40) return payload[at + 4]
        type = payload[at]!
        at += payload[at + 2]! * 256 + payload[at + 3]!
      }
      return undefined
    }
    expect(network.sent.slice(0, 2).map(({ payload }) => nonceOf(payload))).toEqual([0x00, 0x77])
  })

  it('behind a NAT is seen as such', () => {
    const pair = makePair({ a: { encap: 'auto' }, b: { encap: 'auto', remoteAddress: undefined } })
    const nat = new VirtualNat(pair.network, { outside: '203.0.113.7' })
    pair.a.roam('192.0.2.1', nat)
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.a.ikeSa).toMatchObject({ natLocal: true, natRemote: false, encap: true })
    expect(pair.b.ikeSa).toMatchObject({ natLocal: false, natRemote: true })
    expect([...pair.b.ikeSa.remote.address]).toEqual([203, 0, 113, 7])
  })

  it('that has crashed says nothing, and begins with nothing', () => {
    const { clock, network, a, b, xfrmB } = establishedPair()
    b.crash()
    const sentBefore = network.sent.length
    a.perform(a.ike.deleteIke(1, a.now))
    clock.advance(1000)
    expect(network.sent.slice(sentBefore).filter(({ note }) => note?.sender === b)).toEqual([])
    b.restart()
    expect([b.status(), xfrmB.states.size]).toEqual([[], 0])
    a.initiate('office')
    clock.advance(1000)
    expect(b.ikeSa.children).toHaveLength(1)
  })

  it('loses what it sends from an address that it has no more', () => {
    const { clock, network, a } = establishedPair()
    const lost: string[] = []
    network.observe((fate) => fate.kind === 'lost' && lost.push(fate.reason))
    a.roam('192.0.2.99')
    a.perform(a.ike.deleteIke(1, a.now))
    clock.advance(1000)
    expect(lost).toEqual(['no-source'])
    expect(() => a.removeAddress('192.0.2.1')).toThrow('is not here')
    expect(() => a.addAddress('192.0.2.99')).toThrow('is here already')
  })
})
