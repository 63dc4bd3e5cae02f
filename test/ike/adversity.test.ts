import { describe, expect, it, vi } from 'vitest'
import { NotifyType, type Payload } from '../../src/ike/codec/index.ts'
import { notify } from '../../src/ike/message/notifies.ts'
import { parseIp } from '../../src/ip/address.ts'
import { alterPayloads } from './alter.ts'
import { alterInit, withoutNotify } from './alter-init.ts'
import { establishedPair, leftConnection, makePair, type Pair, right, rightConnection } from './support.ts'

const isFrom = (datagram: { from: { address: Uint8Array } }, text: string) =>
  datagram.from.address.join() === parseIp(text).join()

function expectNothingLeft(pair: Pair): void {
  for (const [peer, xfrm] of [
    [pair.a, pair.xfrmA],
    [pair.b, pair.xfrmB],
  ] as const) {
    expect(peer.ike.status()).toEqual([])
    expect(peer.ike.nextTimeoutAt()).toBe(Number.POSITIVE_INFINITY)
    expect([xfrm.larval.size, xfrm.states.size, xfrm.policies.size]).toEqual([0, 0, 0])
  }
}

describe('deleting in the middle of a handshake', () => {
  it.each([1, 6, 11, 16])('after %i ms leaves nothing on either side', (afterMs) => {
    const pair = makePair()
    pair.a.initiate('office')
    pair.clock.advance(afterMs)
    pair.a.perform(pair.a.ike.shutdown(pair.clock.now))
    pair.clock.advance(60_000)
    expectNothingLeft(pair)
  })

  it('a half-open responder tells a stranger nothing, and counts it no longer', () => {
    const pair = makePair({ limits: { halfOpenLimit: 1 } })
    pair.network.path = (datagram) => (datagram.to.port === 4500 ? [] : [datagram])
    pair.a.initiate('office')
    pair.clock.advance(20)
    const sentBefore = pair.network.sent.length
    pair.b.perform(pair.b.ike.shutdown(pair.clock.now))
    expect(pair.network.sent.length).toBe(sentBefore)
    pair.a.perform(pair.a.ike.shutdown(pair.clock.now))
    pair.network.path = (datagram) => [datagram]
    pair.clock.advance(60_000)
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.b.eventsOf('ike-established')).toHaveLength(1)
  })
})

describe('late and repeated answers to IKE_SA_INIT', () => {
  const otherGroup = {
    a: { proposals: ['aes128gcm16-prfsha256-x25519-ecp256'] },
    b: { proposals: ['aes128gcm16-prfsha256-ecp256'] },
  }

  it('a doubled INVALID_KE_PAYLOAD does not end the attempt', () => {
    const pair = makePair(otherGroup)
    pair.network.path = (datagram) => [datagram, datagram]
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.a.eventsOf('child-established')).toHaveLength(1)
  })

  it('a cookie that comes four times does not end it either', () => {
    const pair = makePair({ ...otherGroup, limits: { cookieThreshold: 0 } })
    pair.network.path = (datagram) => [datagram, datagram, datagram, datagram]
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.a.eventsOf('child-established')).toHaveLength(1)
  })

  it.each([0, 65])('a cookie of %i octets is not one', (octets) => {
    const pair = makePair()
    pair.network.path = alterInit('response', () => [notify(NotifyType.COOKIE, new Uint8Array(octets))])
    pair.a.initiate('office')
    pair.clock.advance(100)
    const requests = pair.a.eventsOf('message').filter(({ direction }) => direction === 'out')
    expect(requests.map(({ payloads }) => payloads[0])).toEqual(['SA'])
  })

  it('a forged answer does not keep the genuine one from being taken', () => {
    const pair = makePair()
    pair.network.path = (datagram) => {
      if (!isFrom(datagram, right) || datagram.to.port !== 500) return [datagram]
      const forged = datagram.payload.slice()
      forged[8]! ^= 1
      // The key exchange value stands behind the SA payload; a point of order 1 is refused.
      const at = 28 + 40 + 8
      forged.fill(0, at, at + 32)
      return [
        { ...datagram, payload: forged },
        { ...datagram, delayMs: 50 },
      ]
    }
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.a.eventsOf('dropped')[0]!.reason).toBe('invalid-syntax')
    expect(pair.a.eventsOf('child-established')).toHaveLength(1)
  })

  it('what was wrong with the answers is told when nothing better comes', () => {
    const pair = makePair()
    pair.network.path = (datagram) => {
      if (!isFrom(datagram, right)) return [datagram]
      const forged = datagram.payload.slice()
      forged.fill(0, 28 + 40 + 8, 28 + 40 + 8 + 32)
      return [{ ...datagram, payload: forged }]
    }
    pair.a.initiate('office')
    pair.clock.advance(200_000)
    expect(pair.a.eventsOf('refused')[0]!.refusal).toMatchObject({
      kind: 'no-answer',
      message: expect.stringContaining('KE'),
    })
  })
})

describe('a forged error in the place of the answer to IKE_SA_INIT', () => {
  const group = new Uint8Array([0, 31])
  const errors: [string, Payload][] = [
    ['NO_PROPOSAL_CHOSEN', notify(NotifyType.NO_PROPOSAL_CHOSEN)],
    ['INVALID_SYNTAX', notify(NotifyType.INVALID_SYNTAX)],
    ['INVALID_MAJOR_VERSION', notify(NotifyType.INVALID_MAJOR_VERSION)],
    ['INVALID_KE_PAYLOAD with a group that we do not have', notify(NotifyType.INVALID_KE_PAYLOAD, group.fill(9))],
  ]

  it.each(errors)('%s does not end the attempt, and the good answer is taken', (_, error) => {
    const pair = makePair()
    const forge = alterInit('response', () => [error])
    pair.network.path = (datagram) => {
      const [forged] = forge(datagram)
      return forged === datagram ? [datagram] : [forged!, { ...datagram, delayMs: 500 }]
    }
    pair.a.initiate('office')
    pair.clock.advance(700)
    expect(pair.a.eventsOf('child-established')).toHaveLength(1)
    pair.clock.advance(2_000)
    expect(pair.a.eventsOf('refused')).toEqual([])
    expect(pair.a.eventsOf('ike-closed')).toEqual([])
  })

  it.each(errors)('%s is believed after a second without a better one', (_, error) => {
    const pair = makePair()
    pair.network.path = alterInit('response', () => [error])
    pair.a.initiate('office')
    pair.clock.advance(900)
    expect(pair.a.eventsOf('refused')).toEqual([])
    pair.clock.advance(200)
    expect(pair.a.eventsOf('refused')).toHaveLength(1)
    expect(pair.a.eventsOf('ike-closed').map(({ reason }) => reason)).toEqual(['refused'])
    expect(pair.a.ike.nextTimeoutAt()).toBe(Number.POSITIVE_INFINITY)
  })

  it('does not end the attempt that a COOKIE or another group has brought on', () => {
    const pair = makePair({
      a: { proposals: ['aes128gcm16-prfsha256-x25519-ecp256'] },
      b: { proposals: ['aes128gcm16-prfsha256-ecp256'] },
      limits: { cookieThreshold: 0 },
    })
    const forge = alterInit('response', () => [notify(NotifyType.NO_PROPOSAL_CHOSEN)])
    pair.network.path = (datagram) => {
      const [forged] = forge(datagram)
      return forged === datagram ? [datagram] : [forged!, { ...datagram, delayMs: 900 }]
    }
    pair.a.initiate('office')
    pair.clock.advance(5_000)
    expect(pair.a.eventsOf('child-established')).toHaveLength(1)
    expect(pair.a.eventsOf('refused')).toEqual([])
  })

  it('a second answer without what we require does not end it either', () => {
    const ppk = { id: Uint8Array.of(1), secret: new Uint8Array(32).fill(3), required: true }
    const pair = makePair({ a: { ppk }, b: { ppk } })
    const forge = alterInit('response', withoutNotify(NotifyType.USE_PPK))
    pair.network.path = (datagram) => {
      const [forged] = forge(datagram)
      return forged === datagram ? [datagram] : [forged!, { ...datagram, delayMs: 500 }]
    }
    pair.a.initiate('office')
    pair.clock.advance(1_500)
    expect(pair.a.eventsOf('child-established')).toHaveLength(1)
  })
})

describe('messages that overtake each other', () => {
  it('a request of the responder before its IKE_AUTH response is heard waits for the retransmission', () => {
    const second = {
      name: 'second',
      localTs: ['10.4.0.0/16'],
      remoteTs: ['10.3.0.0/16'],
      espProposals: ['aes128gcm16'],
    }
    const mirrored = { ...second, localTs: second.remoteTs, remoteTs: second.localTs }
    const pair = makePair({
      a: { children: [...leftConnection.children, mirrored] },
      b: { children: [...rightConnection.children, second] },
    })
    let answers = 0
    pair.network.path = (datagram) =>
      datagram.from.port === 4500 && isFrom(datagram, right) && answers++ === 0 ? [] : [datagram]
    pair.a.initiate('office')
    pair.clock.advance(100)
    pair.b.initiate('branch', 'second')
    pair.clock.advance(30_000)
    for (const peer of [pair.a, pair.b])
      expect(peer.ike.status()[0]!.children.map(({ name }) => name)).toEqual(['net', 'second'])
  })

  it('the lost answer to a DELETE is given again', () => {
    const pair = establishedPair()
    let lost = 0
    pair.network.path = (datagram) => (isFrom(datagram, right) && lost++ === 0 ? [] : [datagram])
    pair.a.perform(pair.a.ike.shutdown(pair.clock.now))
    expect(pair.xfrmA.states.size).toBe(0)
    pair.clock.advance(5_000)
    expectNothingLeft(pair)
    expect(pair.a.eventsOf('ike-closed')[0]!.reason).toBe('local')
  })

  it('a wrong pre-shared key is told although the first answer was lost', () => {
    const pair = makePair({ b: { psk: 'something else' } })
    let lost = 0
    pair.network.path = (datagram) =>
      datagram.from.port === 4500 && isFrom(datagram, right) && lost++ === 0 ? [] : [datagram]
    pair.a.initiate('office')
    pair.clock.advance(10_000)
    expect(pair.a.eventsOf('refused')[0]!.refusal).toMatchObject({ kind: 'authentication-failed', by: 'peer' })
    expectNothingLeft(pair)
  })

  it('a peer that never answers a DELETE is given up after two retransmissions', () => {
    const pair = establishedPair({ a: { livenessDelayMs: 0 }, b: { livenessDelayMs: 0 } })
    pair.network.path = () => []
    pair.a.perform(pair.a.ike.shutdown(pair.clock.now))
    pair.clock.advance(25_000)
    expect(pair.a.ike.isIdle()).toBe(true)
    expect(pair.a.eventsOf('retransmit')).toHaveLength(2)
  })
})

describe('an answer that breaks the protocol', () => {
  it('ends the IKE_SA also when it answers our DELETE', () => {
    const pair = establishedPair()
    const unknown: Payload = { kind: 'unknown', critical: true, type: 200, data: new Uint8Array(1) }
    alterPayloads((header, payloads) => (header.flags.response ? [unknown, ...payloads] : payloads))
    pair.a.perform(pair.a.ike.deleteIke(1, pair.a.now))
    pair.clock.advance(60_000)
    vi.restoreAllMocks()
    expectNothingLeft(pair)
  })
})
