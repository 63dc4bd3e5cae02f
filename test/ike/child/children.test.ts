import { afterEach, describe, expect, it, vi } from 'vitest'
import { pskConnection } from '../../../src/config/connection.ts'
import { nobleProvider } from '../../../src/crypto/noble.ts'
import type { CryptoProvider } from '../../../src/crypto/provider.ts'
import { UsageError } from '../../../src/errors.ts'
import { ExchangeType, NotifyType, type Payload } from '../../../src/ike/codec/index.ts'
import { invalidKePayload, notify } from '../../../src/ike/message/notifies.ts'
import { formatIp, parseIp } from '../../../src/ip/address.ts'
import { RecordingXfrm } from '../../../src/testing/recording-xfrm.ts'
import { VirtualClock, VirtualNetwork } from '../../../src/testing/virtual-network.ts'
import { VirtualPeer } from '../../../src/testing/virtual-peer.ts'
import { alterPayloads } from '../alter.ts'
import { establishedPair, left, leftConnection, makePair, right, rightConnection } from '../support.ts'

afterEach(() => vi.restoreAllMocks())

const suite = 'aes128gcm16'

const withSecond = (ofA = suite, ofB = ofA) => ({
  a: {
    children: [
      ...leftConnection.children,
      { name: 'second', localTs: ['10.3.0.0/16'], remoteTs: ['10.4.0.0/16'], espProposals: [ofA] },
    ],
  },
  b: {
    children: [
      ...rightConnection.children,
      { name: 'second', localTs: ['10.4.0.0/16'], remoteTs: ['10.3.0.0/16'], espProposals: [ofB] },
    ],
  },
})

const namesOf = (peer: VirtualPeer) => peer.ike.status().map(({ children }) => children.map(({ name }) => name))

function createSecond(pair: ReturnType<typeof establishedPair>): void {
  pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
  pair.clock.advance(1000)
}

/** Every answer to CREATE_CHILD_SA becomes what `answer` makes of it. */
const answerCreateChild = (answer: (payloads: readonly Payload[]) => readonly Payload[]) =>
  alterPayloads(({ exchangeType, flags }, payloads) =>
    flags.response && exchangeType === ExchangeType.CREATE_CHILD_SA ? answer(payloads) : payloads,
  )

describe('children that start by themselves', () => {
  it('share one IKE_SA', () => {
    const settings = withSecond()
    const starting = settings.a.children.map((child) => ({ ...child, startAction: 'start' as const }))
    const pair = makePair({ ...settings, a: { children: starting } })
    pair.a.begin()
    pair.clock.advance(1000)
    expect(namesOf(pair.a)).toEqual([['net', 'second']])
    expect(namesOf(pair.b)).toEqual([['net', 'second']])
  })
})

describe('asking for a child that is there', () => {
  it.each([0, 6, 16, 1000])('%i ms after the first time makes no second one', (afterMs) => {
    const pair = makePair()
    pair.a.initiate('office')
    pair.clock.advance(afterMs)
    expect(pair.a.ike.initiate('office', pair.clock.now, { localAddress: parseIp(left) })).toEqual([])
    pair.clock.advance(1000)
    expect([namesOf(pair.a), namesOf(pair.b)]).toEqual([[['net']], [['net']]])
  })

  it('makes no second one while CREATE_CHILD_SA waits for its answer', () => {
    const pair = establishedPair(withSecond())
    for (let i = 0; i < 3; i++) pair.a.initiate('office', 'second')
    pair.clock.advance(1000)
    expect(namesOf(pair.a)).toEqual([['net', 'second']])
  })

  it('makes a new one when it is being deleted', () => {
    const pair = establishedPair()
    const { spiIn } = pair.a.ike.status()[0]!.children[0]!
    pair.a.perform(pair.a.ike.deleteChild(1, spiIn, pair.clock.now))
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.a.ike.status()[0]!.children.map((child) => child.spiIn === spiIn)).toEqual([false])
  })

  it('ikeSaOf names the IKE_SA on which it is or will be', () => {
    const pair = makePair(withSecond())
    expect(pair.a.ike.ikeSaOf('office')).toBeUndefined()
    pair.a.initiate('office')
    expect(pair.a.ike.ikeSaOf('office')).toMatchObject({ sa: { id: 1 }, state: 'connecting' })
    pair.clock.advance(1000)
    expect(pair.a.ike.ikeSaOf('office', 'second')).toMatchObject({ sa: { id: 1 }, children: [{ name: 'net' }] })
    pair.a.perform(pair.a.ike.deleteIke(1, pair.clock.now))
    expect(pair.a.ike.ikeSaOf('office')).toBeUndefined()
  })
})

describe('createChild', () => {
  it('is refused on an IKE_SA whose peer is not authenticated, or that is being deleted', () => {
    const pair = makePair(withSecond())
    pair.network.path = (datagram) => (datagram.to.port === 4500 ? [] : [datagram])
    pair.a.initiate('office')
    pair.clock.advance(100)
    expect(() => pair.b.ike.createChild(1, 'second', pair.clock.now)).toThrow(/connecting/)
    const up = establishedPair(withSecond())
    up.a.perform(up.a.ike.deleteIke(1, up.clock.now))
    expect(() => up.a.ike.createChild(1, 'second', up.clock.now)).toThrow(/deleting/)
    expect(up.xfrmA.larval.size).toBe(0)
  })

  it('waits on an IKE_SA that we are setting up', () => {
    const pair = makePair(withSecond())
    pair.a.initiate('office')
    pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
    pair.clock.advance(1000)
    expect(namesOf(pair.a)).toEqual([['net', 'second']])
  })

  it('a connection without children says so', () => {
    const pair = makePair({ a: { children: [] } })
    expect(() => pair.a.initiate('office')).toThrow(UsageError)
    expect(() => pair.a.initiate('office')).toThrow(/no children/)
  })
})

describe('a CREATE_CHILD_SA that comes to nothing', () => {
  it('ends when the peer alternates between two groups', () => {
    const pair = establishedPair(withSecond(`${suite}-x25519-ecp256`))
    let answers = 0
    answerCreateChild(() => [invalidKePayload(answers++ % 2 === 0 ? 19 : 31)])
    createSecond(pair)
    expect(answers).toBe(5)
    expect(pair.a.eventsOf('refused')).toMatchObject([{ child: 'second', refusal: { detail: 'TOO_MANY_TRIES' } }])
    expect(pair.a.ike.status()).toMatchObject([{ state: 'established', children: [{ name: 'net' }] }])
    expect(pair.xfrmA.larval.size).toBe(0)
  })

  it('is asked for again while the peer is busy, for a minute', () => {
    const pair = establishedPair(withSecond())
    answerCreateChild(() => [notify(NotifyType.TEMPORARY_FAILURE)])
    createSecond(pair)
    expect(pair.a.eventsOf('refused')).toEqual([])
    pair.clock.advance(63_000)
    expect(pair.a.eventsOf('refused')).toMatchObject([
      { child: 'second', refusal: { detail: 'TEMPORARY_FAILURE', hint: expect.stringContaining('again') } },
    ])
  })

  it('is told when the DELETE overtook the answer', () => {
    const pair = establishedPair(withSecond())
    pair.network.path = (datagram) => (formatIp(datagram.from.address) === right ? [] : [datagram])
    pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
    pair.clock.advance(100)
    pair.network.path = (datagram) => [datagram]
    pair.b.perform(pair.b.ike.deleteChild(1, pair.b.ike.status()[0]!.children[1]!.spiIn, pair.clock.now))
    pair.clock.advance(10_000)
    expect(namesOf(pair.a)).toEqual([['net']])
    expect(pair.a.eventsOf('refused')).toMatchObject([{ child: 'second', refusal: { by: 'peer', detail: 'DELETED' } }])
  })

  it('names the child that we asked for, and none when we refuse what the peer asks for', () => {
    const pair = establishedPair(withSecond(suite, 'chacha20poly1305'))
    createSecond(pair)
    expect(pair.a.eventsOf('refused').map(({ child }) => child)).toEqual(['second'])
    expect(pair.b.eventsOf('refused').map(({ child }) => child)).toEqual([''])
  })

  it('beyond 64 CHILD_SAs is told at the side with the limit', () => {
    const pair = establishedPair()
    for (let more = 0; more < 64; more++) {
      pair.a.perform(pair.a.ike.createChild(1, 'net', pair.clock.now))
      pair.clock.advance(20)
    }
    expect(pair.b.ike.status()[0]!.children).toHaveLength(64)
    expect(pair.b.eventsOf('refused')).toMatchObject([{ child: '', refusal: { kind: 'limit', by: 'local' } }])
    expect(pair.a.eventsOf('refused')).toMatchObject([{ child: 'net', refusal: { detail: 'NO_ADDITIONAL_SAS' } }])
  })

  describe('wipes the shared secret of its key exchange', () => {
    const secrets: Uint8Array[] = []
    const crypto: CryptoProvider = {
      ...nobleProvider,
      keyExchange: (group, random) => {
        const own = nobleProvider.keyExchange(group, random)
        return {
          group: own.group,
          publicValue: own.publicValue,
          finish: (value) => {
            const secret = own.finish(value)
            secrets.push(secret)
            return secret
          },
          destroy: () => own.destroy(),
        }
      },
      respondKeyExchange: (group, value, random) => {
        const answer = nobleProvider.respondKeyExchange(group, value, random)
        secrets.push(answer.sharedSecret)
        return answer
      },
    }

    function pairWithPfs() {
      const pair = establishedPair({ ...withSecond(`${suite}-x25519`), crypto })
      secrets.length = 0
      return pair
    }

    const expectWiped = (count: number) => {
      expect(secrets).toHaveLength(count)
      for (const secret of secrets) expect(secret.every((octet) => octet === 0)).toBe(true)
    }

    it('at the initiator when the answer is outside the offer', () => {
      const pair = pairWithPfs()
      answerCreateChild((payloads) =>
        payloads.map((one) => (one.kind === 'TSr' ? { ...one, selectors: [anyAddress] } : one)),
      )
      createSecond(pair)
      expectWiped(2)
    })

    it('at the initiator when the DELETE overtook the answer', () => {
      const pair = pairWithPfs()
      pair.network.path = (datagram) => (formatIp(datagram.from.address) === right ? [] : [datagram])
      pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
      pair.clock.advance(100)
      pair.network.path = (datagram) => [datagram]
      pair.b.perform(pair.b.ike.deleteChild(1, pair.b.ike.status()[0]!.children[1]!.spiIn, pair.clock.now))
      pair.clock.advance(10_000)
      expectWiped(2)
    })

    it('at the responder when the SPI cannot be used', () => {
      const pair = pairWithPfs()
      const spi = new Uint8Array(4)
      new DataView(spi.buffer).setUint32(0, pair.a.ike.status()[0]!.children[0]!.spiIn)
      alterPayloads((header, payloads) =>
        payloads.map((one) =>
          one.kind === 'SA' && !header.flags.response
            ? { ...one, proposals: one.proposals.map((proposal) => ({ ...proposal, spi })) }
            : one,
        ),
      )
      createSecond(pair)
      expect(pair.a.eventsOf('refused')).toHaveLength(1)
      expectWiped(1)
    })
  })
})

const anyAddress = {
  tsType: 7,
  protocol: 0,
  startPort: 0,
  endPort: 65535,
  startAddress: parseIp('0.0.0.0'),
  endAddress: parseIp('255.255.255.255'),
} as const

describe('traffic selectors that select nothing', () => {
  const child = (localTs: string[], remoteTs: string[]) => [{ name: 'net', localTs, remoteTs, espProposals: [suite] }]

  it.each([
    ['of two families', ['10.1.0.0/16', 'fd00:1::/64'], ['10.2.0.0/16', 'fd00:2::/64'], '10.1.0.0/16', 'fd00:2::/64'],
    ['of two protocols', ['10.1.0.0/16'], ['10.2.0.0/16'], '10.1.0.0/16[tcp]', '10.2.0.0/16[udp]'],
  ])('%s are refused by the responder', (_, remoteTs, localTs, offeredLocal, offeredRemote) => {
    const pair = makePair({
      a: { children: child([offeredLocal], [offeredRemote]) },
      b: { children: child(localTs, remoteTs) },
    })
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.a.eventsOf('refused')).toMatchObject([{ refusal: { kind: 'ts-unacceptable', by: 'peer' } }])
    expect(pair.b.eventsOf('refused')).toMatchObject([{ refusal: { hint: expect.stringContaining('each side fits') } }])
    expect([pair.xfrmA.states.size, pair.xfrmB.states.size]).toEqual([0, 0])
  })

  it('are refused by the initiator', () => {
    const both = [
      ['10.1.0.0/16', 'fd00:1::/64'],
      ['10.2.0.0/16', 'fd00:2::/64'],
    ] as const
    const pair = makePair({
      a: { children: child([...both[0]], [...both[1]]) },
      b: { children: child([...both[1]], [...both[0]]) },
    })
    alterPayloads(({ flags }, payloads) =>
      payloads.map((one) => {
        if (!flags.response || (one.kind !== 'TSi' && one.kind !== 'TSr')) return one
        return { ...one, selectors: [one.selectors[one.kind === 'TSi' ? 0 : 1]!] }
      }),
    )
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.a.eventsOf('refused')).toMatchObject([{ refusal: { detail: 'TS_OUTSIDE_OFFER' } }])
    expect(pair.xfrmA.states.size).toBe(0)
  })

  it('because their range is the wrong way round are refused by the initiator', () => {
    const pair = makePair()
    const startAddress = parseIp('10.2.9.0')
    const endAddress = parseIp('10.2.1.9')
    alterPayloads(({ flags }, payloads) =>
      payloads.map((one) =>
        flags.response && one.kind === 'TSr'
          ? { ...one, selectors: [{ ...anyAddress, startAddress, endAddress }] }
          : one,
      ),
    )
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.a.eventsOf('refused')).toMatchObject([{ refusal: { detail: 'TS_OUTSIDE_OFFER' } }])
  })
})

describe('an answer with selectors outside our offer', () => {
  /** What the responder agrees to in CREATE_CHILD_SA is for other addresses. */
  const widen = () =>
    alterPayloads(({ flags, exchangeType }, payloads) =>
      payloads.map((one) =>
        flags.response && exchangeType === ExchangeType.CREATE_CHILD_SA && one.kind === 'TSr'
          ? { ...one, selectors: [anyAddress] }
          : one,
      ),
    )

  it('costs the CHILD_SA alone, which the responder is told to delete', () => {
    const pair = establishedPair()
    widen()
    pair.a.perform(pair.a.ike.createChild(1, 'net', pair.clock.now))
    pair.clock.advance(1_000)
    expect(pair.a.eventsOf('refused')).toMatchObject([{ child: 'net', refusal: { detail: 'TS_OUTSIDE_OFFER' } }])
    for (const [peer, xfrm] of [
      [pair.a, pair.xfrmA],
      [pair.b, pair.xfrmB],
    ] as const) {
      expect(peer.ike.status()).toMatchObject([{ state: 'established', children: [{ state: 'installed' }] }])
      pair.clock.advance(10_000)
      expect([xfrm.states.size, xfrm.larval.size]).toEqual([2, 0])
    }
  })

  it('costs a rekeying alone, which is tried again later', () => {
    const pair = establishedPair()
    const before = pair.a.ike.status()[0]!.children[0]!
    widen()
    pair.a.perform(pair.a.ike.rekeyChild(1, before.spiIn, pair.clock.now))
    pair.clock.advance(10_000)
    expect(pair.a.eventsOf('refused')).toMatchObject([{ refusal: { detail: 'TS_OUTSIDE_OFFER' } }])
    expect(pair.a.ike.status()).toMatchObject([{ children: [{ state: 'installed', spiIn: before.spiIn }] }])
    expect(pair.b.ike.status()).toMatchObject([{ children: [{ state: 'installed', spiOut: before.spiIn }] }])
    vi.restoreAllMocks()
    pair.clock.advance(60_000)
    expect(pair.a.eventsOf('child-rekeyed')).toHaveLength(1)
  })

  it('in IKE_AUTH ends the IKE_SA, which would carry nothing', () => {
    const pair = makePair()
    alterPayloads(({ flags }, payloads) =>
      payloads.map((one) => (flags.response && one.kind === 'TSr' ? { ...one, selectors: [anyAddress] } : one)),
    )
    pair.a.initiate('office')
    pair.clock.advance(1_000)
    expect(pair.a.eventsOf('ike-closed')).toMatchObject([
      { reason: 'refused', refusal: { detail: 'TS_OUTSIDE_OFFER' } },
    ])
    expect([pair.a.ike.isIdle(), pair.b.ike.isIdle()]).toEqual([true, true])
  })
})

describe('two IKE_SAs of one peer', () => {
  const elsewhere = '203.0.113.7'

  function cameBack() {
    const clock = new VirtualClock()
    const network = new VirtualNetwork(clock)
    const xfrm = new RecordingXfrm()
    const { remoteAddress: _, ...waiting } = rightConnection
    const connections = [pskConnection({ ...waiting, livenessDelayMs: 0, mobike: false, uniqueness: 'never' })]
    const b = new VirtualPeer(network, { address: right, xfrm, connections })
    const peers = [left, elsewhere].map((address) => {
      const settings = { ...leftConnection, localAddress: address, livenessDelayMs: 0, uniqueness: 'never' as const }
      const one = new VirtualPeer(network, { address, connections: [pskConnection(settings)] })
      one.initiate('office')
      clock.advance(1000)
      return one
    })
    const peerOfPolicies = () => [
      ...new Set(
        [...xfrm.policies.values()].map(({ direction, templates: [template] }) =>
          formatIp(direction === 'out' ? template!.daddr : template!.saddr),
        ),
      ),
    ]
    return { clock, b, xfrm, peers, peerOfPolicies }
  }

  it('share policies, which lead to the newer one, and to the other one when that ends', () => {
    const { clock, xfrm, peers, peerOfPolicies } = cameBack()
    expect([xfrm.policies.size, peerOfPolicies()]).toEqual([3, [elsewhere]])
    peers[1]!.perform(peers[1]!.ike.shutdown(clock.now))
    clock.advance(1000)
    expect([xfrm.policies.size, peerOfPolicies()]).toEqual([3, [left]])
    peers[0]!.perform(peers[0]!.ike.shutdown(clock.now))
    clock.advance(1000)
    expect(xfrm.policies.size).toBe(0)
  })

  it('a move of the older one is remembered for when the newer one ends', () => {
    const { clock, b, peers, peerOfPolicies } = cameBack()
    const { spiIn, reqid } = b.ike.status()[0]!.children[0]!
    const old = { daddr: parseIp(right), spi: spiIn, proto: 50, reqid, oldAddress: parseIp(left), oldPort: 4500 }
    b.perform(b.ike.mapping({ ...old, newAddress: parseIp('203.0.113.99'), newPort: 7777 }, clock.now))
    expect(b.eventsOf('remote-moved')).toHaveLength(1)
    expect(peerOfPolicies()).toEqual([elsewhere])
    peers[1]!.perform(peers[1]!.ike.shutdown(clock.now))
    clock.advance(1000)
    expect(peerOfPolicies()).toEqual(['203.0.113.99'])
  })
})
