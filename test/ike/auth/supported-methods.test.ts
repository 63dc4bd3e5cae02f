import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../src/bytes/index.ts'
import {
  type AuthAnnouncement,
  decodeAuthMethods,
  decodeHashes,
  encodeAuthMethods,
  encodeHashes,
} from '../../../src/ike/auth/supported-methods.ts'
import { NotifyType } from '../../../src/ike/codec/index.ts'
import { notify } from '../../../src/ike/message/notifies.ts'
import { alterInit, withoutNotify } from '../alter-init.ts'
import { establishedPair, makePair } from '../support.ts'

const announcement = fc.record({
  method: fc.integer({ min: 0, max: 255 }),
  detail: fc.uint8Array({ maxLength: 20 }),
})

describe('SIGNATURE_HASH_ALGORITHMS', () => {
  it('holds two octets for each', () => {
    expect(toHex(encodeHashes([2, 3, 4]))).toBe('000200030004')
  })

  it('reads back, and says nothing with an odd octet', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }), (hashes) => {
        const data = encodeHashes(hashes)
        expect(decodeHashes(data)).toEqual(hashes)
        if (data.length > 0) expect(decodeHashes(data.subarray(1))).toBeUndefined()
      }),
    )
  })
})

describe('SUPPORTED_AUTH_METHODS', () => {
  it('names a method without details in two octets', () => {
    expect(toHex(encodeAuthMethods([{ method: 2, detail: new Uint8Array(0) }]))).toBe('0202')
  })

  it('reads back', () => {
    fc.assert(
      fc.property(fc.array(announcement, { maxLength: 10 }), (all) => {
        expect(decodeAuthMethods(encodeAuthMethods(all))).toEqual(all)
      }),
    )
  })

  it('gives a prefix of the list, or nothing, for every prefix of the octets', () => {
    fc.assert(
      fc.property(fc.array(announcement, { minLength: 1, maxLength: 5 }), fc.nat(), (all, cut) => {
        const data = encodeAuthMethods(all)
        const read = decodeAuthMethods(data.subarray(0, cut % data.length))
        expect(read === undefined || all.slice(0, read.length).every((one, at) => same(one, read[at]!))).toBe(true)
      }),
    )
  })

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (data) => {
        const read = decodeAuthMethods(data)
        if (read !== undefined) expect(encodeAuthMethods(read)).toEqual(data)
      }),
    )
  })

  it('says nothing with more entries than anybody has', () => {
    expect(decodeAuthMethods(new Uint8Array(130).fill(2))).toBeUndefined()
  })

  it.each(['00', '01', '0102', '03 02'])('says nothing when it is malformed: %s', (hex) => {
    expect(decodeAuthMethods(fromHex(hex.replace(' ', '')))).toBeUndefined()
  })

  const same = (a: AuthAnnouncement, b: AuthAnnouncement) =>
    a.method === b.method && toHex(a.detail) === toHex(b.detail)
})

describe('what both ends announce', () => {
  const payloadsOf = (pair: ReturnType<typeof makePair>, exchange: string, response: boolean) =>
    pair.b.eventsOf('message').find((event) => event.exchange === exchange && event.response === response)!.payloads

  it('is said in IKE_SA_INIT, and by the initiator in IKE_AUTH', () => {
    const pair = establishedPair()
    expect(payloadsOf(pair, 'IKE_SA_INIT', false)).toContain('N(SIGNATURE_HASH_ALGORITHMS)')
    expect(payloadsOf(pair, 'IKE_SA_INIT', true)).toEqual(
      expect.arrayContaining(['N(SIGNATURE_HASH_ALGORITHMS)', 'N(SUPPORTED_AUTH_METHODS)']),
    )
    expect(payloadsOf(pair, 'IKE_AUTH', false)).toContain('N(SUPPORTED_AUTH_METHODS)')
  })

  it('is not said in IKE_AUTH to a responder that does not say it itself', () => {
    const pair = makePair()
    pair.network.path = alterInit('response', withoutNotify(NotifyType.SUPPORTED_AUTH_METHODS))
    pair.a.initiate('office')
    pair.clock.advance(1_000)
    expect(payloadsOf(pair, 'IKE_AUTH', false)).not.toContain('N(SUPPORTED_AUTH_METHODS)')
  })

  it('explains why a peer refused us, when it takes no pre-shared key', () => {
    const pair = makePair({ b: { psk: 'another' } })
    const signatures = Uint8Array.of(2, 9, 3, 14, 0)
    pair.network.path = alterInit('response', (payloads) => [
      ...withoutNotify(NotifyType.SUPPORTED_AUTH_METHODS)(payloads),
      notify(NotifyType.SUPPORTED_AUTH_METHODS, signatures),
    ])
    pair.a.initiate('office')
    pair.clock.advance(1_000)
    expect(pair.a.eventsOf('refused')[0]?.refusal.message).toContain(
      'it announced that it takes ECDSA_SHA256_P256, DIGITAL_SIGNATURE, and we have a pre-shared key',
    )
  })

  it('does no harm when it is malformed', () => {
    const pair = makePair()
    const broken: readonly number[] = [NotifyType.SUPPORTED_AUTH_METHODS, NotifyType.SIGNATURE_HASH_ALGORITHMS]
    pair.network.path = alterInit('response', (payloads) =>
      payloads.map((one) =>
        one.kind === 'N' && broken.includes(one.notify) ? notify(one.notify, Uint8Array.of(9)) : one,
      ),
    )
    pair.a.initiate('office')
    pair.clock.advance(1_000)
    // AUTH covers the response, so that the change itself ends it there.
    expect(pair.a.eventsOf('internal-error')).toEqual([])
    expect(pair.a.eventsOf('refused')[0]?.refusal.kind).toBe('authentication-failed')
  })
})
