import { afterEach, expect, it, vi } from 'vitest'
import { Prf } from '../../../src/crypto/transforms.ts'
import { PeerError } from '../../../src/errors.ts'
import { decodeMessage, ExchangeType, encodeMessage, NotifyType, type Payload } from '../../../src/ike/codec/index.ts'
import { peerNonce } from '../../../src/ike/keys/nonces.ts'
import { alterPayloads } from '../alter.ts'
import { establishedPair, leftConnection, makePair, rightConnection } from '../support.ts'

afterEach(() => vi.restoreAllMocks())

const nonce = (bytes: number): Payload => ({ kind: 'Nonce', critical: false, data: new Uint8Array(bytes) })

it.each([
  ['PRF_HMAC_SHA2_256', 16],
  ['PRF_HMAC_SHA2_384', 24],
  ['PRF_HMAC_SHA2_512', 32],
] as const)('with %s a nonce has at least %i octets', (prf, least) => {
  expect(peerNonce([nonce(least)], Prf[prf])).toHaveLength(least)
  try {
    peerNonce([nonce(least - 1)], Prf[prf])
    expect.unreachable()
  } catch (error) {
    expect(error).toBeInstanceOf(PeerError)
    expect(error).toMatchObject({ code: 'SHORT_NONCE', notify: NotifyType.INVALID_SYNTAX })
  }
})

it.each([
  [24, 1],
  [23, 0],
])('an initiator makes keys of a nonce of %i octets: %i', (bytes, established) => {
  const proposals = ['aes128gcm16-prfsha384-x25519']
  const pair = makePair({ a: { proposals }, b: { proposals } })
  pair.network.path = (datagram) => {
    if (datagram.to.port === 4500) return []
    const { header, payloads } = decodeMessage(datagram.payload)
    const changed = payloads.map((payload) => (payload.kind === 'Nonce' ? nonce(bytes) : payload))
    return [header.flags.response ? { ...datagram, payload: encodeMessage(header, changed) } : datagram]
  }
  pair.a.initiate('office')
  pair.clock.advance(11)
  expect(pair.a.ike.status().filter(({ suite }) => suite !== '')).toHaveLength(established)
})

it.each([
  ['request', 24, 1],
  ['request', 23, 0],
  ['response', 24, 1],
  ['response', 23, 0],
])('a CREATE_CHILD_SA %s with a nonce of %i octets makes %i CHILD_SAs', (kind, bytes, made) => {
  const proposals = ['aes128gcm16-prfsha384-x25519']
  const second = (localTs: string, remoteTs: string) => ({
    name: 'second',
    localTs: [localTs],
    remoteTs: [remoteTs],
    espProposals: ['aes128gcm16'],
  })
  const pair = establishedPair({
    a: { proposals, children: [...leftConnection.children, second('10.3.0.0/16', '10.4.0.0/16')] },
    b: { proposals, children: [...rightConnection.children, second('10.4.0.0/16', '10.3.0.0/16')] },
  })
  alterPayloads(({ exchangeType, flags }, payloads) => {
    if (exchangeType !== ExchangeType.CREATE_CHILD_SA || flags.response !== (kind === 'response')) return payloads
    return payloads.map((payload) => (payload.kind === 'Nonce' ? nonce(bytes) : payload))
  })
  pair.a.perform(pair.a.ike.createChild(1, 'second', pair.clock.now))
  pair.clock.advance(1000)
  expect(pair.a.eventsOf('child-established').filter(({ child }) => child.name === 'second')).toHaveLength(made)
  expect([pair.xfrmA.larval.size, pair.xfrmB.larval.size]).toEqual([0, 0])
})
