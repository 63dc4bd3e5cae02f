import { afterEach, describe, expect, it, vi } from 'vitest'
import { toHex } from '../../../src/bytes/index.ts'
import { nodeProvider } from '../../../src/crypto/node.ts'
import type { Payload } from '../../../src/ike/codec/index.ts'
import { RecordingXfrm } from '../../../src/testing/recording-xfrm.ts'
import { alterPayloads } from '../alter.ts'
import { establishedPair, leftConnection, type Pair, rightConnection } from '../support.ts'

afterEach(() => vi.restoreAllMocks())

const CREATE_CHILD_SA = 36
const IKE_FOLLOWUP_KE = 44
const ADDITIONAL_KEY_EXCHANGE = 16441

const second = (config: typeof leftConnection, local: string, remote: string, proposal: string) => [
  ...config.children,
  { name: 'second', localTs: [local], remoteTs: [remote], espProposals: [proposal] },
]

function pairWith(proposal: string, ofA: Partial<typeof leftConnection> = {}): Pair {
  return establishedPair({
    a: { ...ofA, children: second(leftConnection, '10.3.0.0/16', '10.4.0.0/16', proposal) },
    b: { children: second(rightConnection, '10.4.0.0/16', '10.3.0.0/16', proposal) },
    crypto: nodeProvider,
  })
}

function createSecond(pair: Pair): void {
  pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
  pair.clock.advance(60_000)
}

const two = 'aes128gcm16-x25519-ke1_ecp256-ke2_mlkem768'

const exchanges = (pair: Pair) =>
  pair.a
    .eventsOf('message')
    .filter(({ direction, response }) => direction === 'out' && !response)
    .map(({ exchange }) => exchange)

const names = (pair: Pair, side: 'a' | 'b') => pair[side].ike.status()[0]!.children.map(({ name }) => name)

/** SPIs that are taken on either side and belong to no CHILD_SA. */
const larval = (pair: Pair) => pair.xfrmA.larval.size + pair.xfrmB.larval.size

describe('additional key exchanges of a CHILD_SA', () => {
  it('follow CREATE_CHILD_SA one after the other, and both sides come to the same keys', () => {
    const pair = pairWith(two)
    createSecond(pair)
    expect(exchanges(pair).slice(2, 5)).toEqual(['CREATE_CHILD_SA', 'IKE_FOLLOWUP_KE', 'IKE_FOLLOWUP_KE'])
    expect(pair.a.ike.status()[0]!.children[1]!.suite).toBe(two)
    for (const inbound of [...pair.xfrmB.states.values()].slice(-2)) {
      expect(pair.xfrmA.states.get(RecordingXfrm.keyOf(inbound))!.encr).toEqual(inbound.encr)
    }
    expect(larval(pair)).toBe(0)
  })

  it('are not part of the first CHILD_SA', () => {
    const espProposals = [two]
    const pair = establishedPair({
      a: { children: [{ ...leftConnection.children[0]!, espProposals }] },
      b: { children: [{ ...rightConnection.children[0]!, espProposals }] },
    })
    expect(exchanges(pair)).toEqual(['IKE_SA_INIT', 'IKE_AUTH'])
    expect(pair.a.ike.status()[0]!.children[0]!.suite).toBe('aes128gcm16')
  })

  it('survive the loss of every answer', () => {
    const pair = pairWith(two)
    const seen = new Set<string>()
    pair.network.path = (datagram) => {
      const octets = toHex(datagram.payload)
      if (toHex(datagram.from.address) !== toHex(pair.b.address) || seen.has(octets)) return [datagram]
      seen.add(octets)
      return []
    }
    createSecond(pair)
    expect(names(pair, 'a')).toEqual(['net', 'second'])
    expect(names(pair, 'b')).toEqual(['net', 'second'])
  })

  it('that do not come leave nothing behind at the responder', () => {
    const pair = pairWith(two)
    // What comes after CREATE_CHILD_SA is lost.
    pair.network.path = (datagram) => (datagram.payload[4 + 18] === IKE_FOLLOWUP_KE ? [] : [datagram])
    pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
    pair.clock.advance(1_000)
    expect(pair.xfrmB.larval.size).toBe(1)
    pair.clock.advance(130_000)
    expect(pair.xfrmB.larval.size).toBe(0)
    expect(names(pair, 'b')).toEqual(['net'])
  })

  it('that come too late are answered with STATE_NOT_FOUND, which costs that CHILD_SA only', () => {
    const pair = pairWith(two, { retransmit: { baseMs: 130_000, factor: 1 } })
    pair.network.path = (datagram) => {
      const isLate = datagram.payload[4 + 18] === IKE_FOLLOWUP_KE && pair.clock.now < 125_000
      return isLate ? [] : [datagram]
    }
    pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
    pair.clock.advance(200_000)
    expect(pair.a.eventsOf('refused').map(({ child, refusal }) => [child, refusal.message])).toEqual([
      ['second', 'the peer no longer waits for the additional key exchanges of CHILD_SA second (STATE_NOT_FOUND)'],
    ])
    expect(names(pair, 'a')).toEqual(['net'])
    expect(names(pair, 'b')).toEqual(['net'])
    expect(larval(pair)).toBe(0)
  })

  it('end with the IKE_SA', () => {
    const pair = pairWith(two)
    pair.network.path = (datagram) => (datagram.payload[4 + 18] === IKE_FOLLOWUP_KE ? [] : [datagram])
    pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
    pair.clock.advance(1_000)
    pair.b.perform(pair.b.ike.deleteIke(1, pair.clock.now))
    pair.clock.advance(1_000)
    expect(larval(pair)).toBe(0)
    expect(pair.xfrmA.states.size + pair.xfrmB.states.size).toBe(0)
  })
})

describe('additional key exchanges of a rekeying', () => {
  const proposals = ['aes128gcm16-prfsha256-x25519-ke1_ecp256-ke2_mlkem768']
  const multiKe = { a: { proposals }, b: { proposals }, crypto: nodeProvider }

  it('take place before the new IKE_SA is there, which then works', () => {
    const pair = establishedPair(multiKe)
    pair.a.perform(pair.a.ike.rekeyIke(1, pair.clock.now))
    pair.clock.advance(5_000)
    expect(pair.a.eventsOf('ike-rekeyed')).toHaveLength(1)
    expect(pair.b.eventsOf('ike-rekeyed')).toHaveLength(1)
    pair.b.perform(pair.b.ike.deleteIke(1, pair.clock.now))
    pair.clock.advance(1_000)
    expect(pair.a.ike.status()).toEqual([])
  })

  it('wait while a CHILD_SA of the peer is being made', () => {
    const pair = pairWith(two)
    pair.network.path = (datagram) => (datagram.payload[4 + 18] === IKE_FOLLOWUP_KE ? [] : [datagram])
    pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
    pair.clock.advance(1_000)
    pair.network.path = (datagram) => [datagram]
    pair.b.perform(pair.b.ike.rekeyIke(1, pair.clock.now))
    pair.clock.advance(120_000)
    expect(pair.a.eventsOf('ike-rekeyed')).toHaveLength(1)
    expect(names(pair, 'a')).toEqual(['net', 'second'])
    expect(larval(pair)).toBe(0)
  })
})

describe('a peer that does not keep to the additional key exchanges', () => {
  const change = (exchange: number, response: boolean, alter: (payload: Payload) => readonly Payload[]) =>
    alterPayloads((header, payloads) =>
      header.exchangeType === exchange && header.flags.response === response ? payloads.flatMap(alter) : payloads,
    )
  const isLink = (payload: Payload) => payload.kind === 'N' && payload.notify === ADDITIONAL_KEY_EXCHANGE

  it('is told STATE_NOT_FOUND for a link that we did not give', () => {
    change(IKE_FOLLOWUP_KE, false, (payload) =>
      isLink(payload) ? [{ ...payload, data: new Uint8Array(3) } as Payload] : [payload],
    )
    const pair = pairWith(two)
    createSecond(pair)
    expect(names(pair, 'a')).toEqual(['net'])
    expect(pair.a.eventsOf('refused')[0]?.refusal).toMatchObject({ detail: 'STATE_NOT_FOUND' })
    pair.clock.advance(120_000)
    expect(larval(pair)).toBe(0)
  })

  it('ends the IKE_SA when its key exchange is of another group', () => {
    change(IKE_FOLLOWUP_KE, false, (payload) => (payload.kind === 'KE' ? [{ ...payload, group: 31 }] : [payload]))
    const pair = pairWith(two)
    createSecond(pair)
    expect(pair.a.ike.status()).toEqual([])
    expect(larval(pair)).toBe(0)
  })

  it('is refused as responder that agrees without giving a link', () => {
    change(CREATE_CHILD_SA, true, (payload) => (isLink(payload) ? [] : [payload]))
    const pair = pairWith(two)
    createSecond(pair)
    expect(pair.a.eventsOf('refused')[0]?.refusal).toMatchObject({ kind: 'protocol-error', detail: 'MISSING_LINK' })
    expect(larval(pair)).toBe(0)
  })

  it('may begin so many at once, and no more', () => {
    const pair = pairWith(two)
    pair.network.path = (datagram) => {
      const isFollowUp = datagram.payload[4 + 18] === IKE_FOLLOWUP_KE
      return isFollowUp ? [] : [datagram]
    }
    // The initiator forgets each CHILD_SA as soon as the responder waits for it.
    change(CREATE_CHILD_SA, true, (payload) =>
      payload.kind === 'SA'
        ? [{ kind: 'N', critical: false, protocol: 0, spi: new Uint8Array(0), notify: 14, data: new Uint8Array(0) }]
        : [payload],
    )
    for (let tries = 0; tries < 12; tries++) {
      pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
      pair.clock.advance(100)
    }
    expect(pair.xfrmB.larval.size).toBe(8)
    const answers = pair.a.eventsOf('message').filter(({ direction, response }) => direction === 'in' && response)
    expect(answers.at(-1)!.payloads).toEqual(['N(TEMPORARY_FAILURE)'])
  })
})
