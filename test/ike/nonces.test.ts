import { expect, it } from 'vitest'
import { Prf } from '../../src/crypto/transforms.ts'
import { PeerError } from '../../src/errors.ts'
import { decodeMessage, encodeMessage, NotifyType, type Payload } from '../../src/ike/codec/index.ts'
import { peerNonce } from '../../src/ike/nonces.ts'
import { makePair } from './support.ts'

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
