import { afterEach, describe, expect, it, vi } from 'vitest'
import { fromHex, toHex } from '../../../src/bytes/index.ts'
import type { Payload } from '../../../src/ike/codec/index.ts'
import { decodeMessage, ExchangeType, encodeMessage, type IkeHeader, NotifyType } from '../../../src/ike/codec/index.ts'
import { MessageProtector } from '../../../src/ike/message/message-crypto.ts'
import { notify } from '../../../src/ike/message/notifies.ts'
import { invalidSpi } from '../../../src/ike/tasks/invalid-spi.ts'
import { parseIp, type SocketAddress } from '../../../src/ip/address.ts'
import type { VirtualPeer } from '../../../src/testing/virtual-peer.ts'
import { alterPayloads } from '../alter.ts'
import { establishedPair, left, makePair, type Pair, right } from '../support.ts'

afterEach(() => vi.restoreAllMocks())

const at = (address: string, port = 4500): SocketAddress => ({ address: parseIp(address), port })

const header = (changes: Partial<IkeHeader> = {}): IkeHeader => ({
  SPIi: fromHex('0102030405060708'),
  SPIr: fromHex('1112131415161718'),
  majorVersion: 2,
  minorVersion: 0,
  exchangeType: ExchangeType.INFORMATIONAL,
  flags: { initiator: true, response: false, higherVersion: false },
  messageId: 7,
  length: 0,
  ...changes,
})

/** Lets `peer` hear a message, and returns what it sends at once. */
function hear(
  pair: Pair,
  peer: VirtualPeer,
  message: Uint8Array,
  from = at('203.0.113.9'),
  to = at(right),
): Uint8Array[] {
  const before = pair.network.sent.length
  peer.perform(peer.ike.handleDatagram({ local: to, remote: from, message }, pair.clock.now))
  return pair.network.sent.slice(before).map(({ payload }) => payload.subarray(to.port === 4500 ? 4 : 0))
}

const spisOf = (peer: VirtualPeer) => {
  const { SPIi, SPIr } = peer.ike.status()[0]!
  return { SPIi: fromHex(SPIi), SPIr: fromHex(SPIr) }
}

const notifiesOf = (message: Uint8Array) =>
  decodeMessage(message).payloads.map((payload) => (payload.kind === 'N' ? payload.notify : payload.kind))

const requestsOf = (peer: VirtualPeer, since = 0) =>
  peer
    .eventsOf('message')
    .slice(since)
    .filter(({ direction, response }) => direction === 'out' && !response)

describe('a request for an IKE_SA that is not here', () => {
  it('is answered INVALID_IKE_SPI, with the SPIs, message id and exchange of the request', () => {
    const pair = makePair()
    const request = header({ exchangeType: ExchangeType.CREATE_CHILD_SA })
    const [answer] = hear(pair, pair.b, encodeMessage(request, []))
    expect(notifiesOf(answer!)).toEqual([NotifyType.INVALID_IKE_SPI])
    expect(decodeMessage(answer!).header).toMatchObject({
      SPIi: request.SPIi,
      SPIr: request.SPIr,
      messageId: 7,
      exchangeType: ExchangeType.CREATE_CHILD_SA,
      flags: { initiator: false, response: true },
    })
    expect(pair.b.eventsOf('dropped').at(-1)).toMatchObject({ reason: 'unknown-spi' })
  })

  it('that is a response is not answered', () => {
    const pair = makePair()
    const response = header({ flags: { initiator: true, response: true, higherVersion: false } })
    expect(hear(pair, pair.b, encodeMessage(response, [notify(NotifyType.INVALID_IKE_SPI)]))).toEqual([])
  })

  it('is answered in limited number', () => {
    const pair = makePair()
    const answers = Array.from({ length: 200 }, () => hear(pair, pair.b, encodeMessage(header(), [])).length)
    expect(answers.filter((count) => count > 0)).toHaveLength(10)
    pair.clock.advance(3000)
    expect(hear(pair, pair.b, encodeMessage(header(), []))).toHaveLength(1)
  })

  it('is answered while another address floods us, and those of a /64 share', () => {
    const pair = makePair()
    for (let n = 1; n < 200; n++) hear(pair, pair.b, encodeMessage(header(), []), at(`2001:db8::${n}`))
    expect(pair.network.sent).toHaveLength(10)
    expect(hear(pair, pair.b, encodeMessage(header(), []))).toHaveLength(1)
  })

  it('from ever other addresses is answered in limited number as well', () => {
    const pair = makePair()
    for (let n = 0; n < 2_000; n++) hear(pair, pair.b, encodeMessage(header(), []), at(`10.0.${n >> 8}.${n & 255}`))
    expect(pair.network.sent).toHaveLength(200)
  })
})

describe('INVALID_IKE_SPI as an answer to ours, without protection', () => {
  it('changes nothing: the protected answer is still taken', () => {
    const pair = establishedPair()
    pair.a.perform(pair.a.ike.createChild(1, 'net', pair.clock.now))
    const forged = header({
      ...spisOf(pair.a),
      exchangeType: ExchangeType.CREATE_CHILD_SA,
      flags: { initiator: false, response: true, higherVersion: false },
      messageId: 2,
    })
    hear(pair, pair.a, encodeMessage(forged, [notify(NotifyType.INVALID_IKE_SPI)]), at(right), at(left))
    pair.clock.advance(1000)
    expect(pair.a.ike.status()[0]!.children).toHaveLength(2)
  })

  it('is told when the peer is given up', () => {
    const pair = establishedPair({ a: { retransmit: { baseMs: 100, tries: 2 }, livenessDelayMs: 0 } })
    pair.b.crash()
    pair.b.restart()
    pair.a.perform(pair.a.ike.createChild(1, 'net', pair.clock.now))
    pair.clock.advance(5000)
    expect(pair.a.eventsOf('ike-closed')).toMatchObject([
      { reason: 'timeout', refusal: { message: expect.stringContaining('INVALID_IKE_SPI') } },
    ])
  })
})

describe('an ESP packet with an SPI that is not here', () => {
  const packet = { spi: 0x12345678, local: at(right), remote: at(left) }

  it('is told its sender inside the IKE_SA with it', () => {
    const pair = establishedPair()
    pair.b.perform(pair.b.ike.unknownSpi(packet, pair.clock.now))
    pair.b.perform(pair.b.ike.unknownSpi(packet, pair.clock.now))
    expect(requestsOf(pair.b)).toMatchObject([{ encrypted: true, payloads: ['N(INVALID_SPI)'] }])
    pair.clock.advance(100)
    expect(pair.a.ike.status()[0]!.children).toHaveLength(1)
    expect(pair.b.ike.status()[0]!.state).toBe('established')
  })

  it('is told in a request of its own when there is none, with the SPI and in limited number', () => {
    const pair = makePair()
    for (let i = 0; i < 100; i++) pair.b.perform(pair.b.ike.unknownSpi(packet, pair.clock.now))
    expect(pair.network.sent).toHaveLength(10)
    const { header: sent, payloads } = decodeMessage(pair.network.sent[0]!.payload.subarray(4))
    expect(sent).toMatchObject({ exchangeType: ExchangeType.INFORMATIONAL, messageId: 0, flags: { response: false } })
    expect(payloads).toMatchObject([{ kind: 'N', notify: NotifyType.INVALID_SPI, data: fromHex('12345678') }])
  })

  it('that is on its way to being ours is not told', () => {
    const pair = establishedPair()
    const { spiIn } = pair.b.ike.status()[0]!.children[0]!
    expect(pair.b.ike.unknownSpi({ ...packet, spi: spiIn }, pair.clock.now)).toEqual([])
  })

  it('of a CHILD_SA that the peer lost makes us end it as well, once it is not new', () => {
    const pair = establishedPair()
    const { spiOut } = pair.a.ike.status()[0]!.children[0]!
    const tell = () => {
      pair.b.perform(pair.b.ike.unknownSpi({ ...packet, spi: 0xffff_fff0 }, pair.clock.now))
      pair.clock.advance(100)
    }
    alterPayloads((_, payloads) =>
      payloads.some((payload) => payload.kind === 'N' && payload.notify === NotifyType.INVALID_SPI)
        ? [invalidSpi(spiOut)]
        : payloads,
    )
    tell()
    expect(pair.a.ike.status()[0]!.children).toHaveLength(1)
    pair.clock.advance(5000)
    tell()
    expect(pair.a.ike.status()[0]!.children).toEqual([])
    expect(pair.a.eventsOf('child-closed')).toMatchObject([{ reason: 'peer' }])
  })
})

describe('INVALID_SPI without protection', () => {
  const tell = (pair: Pair, spi: number, from = right) =>
    hear(
      pair,
      pair.a,
      encodeMessage(header({ SPIr: new Uint8Array(8), messageId: 0 }), [invalidSpi(spi)]),
      at(from),
      at(left),
    )

  it('makes us ask whether the peer lives, and no more, and seldom', () => {
    const pair = establishedPair({ a: { livenessDelayMs: 0 } })
    const { spiOut } = pair.a.ike.status()[0]!.children[0]!
    const before = pair.a.eventsOf('message').length
    for (let i = 0; i < 5; i++) {
      tell(pair, spiOut)
      pair.clock.advance(1000)
    }
    expect(requestsOf(pair.a, before)).toMatchObject([{ encrypted: true, payloads: [] }])
    pair.clock.advance(10_000)
    tell(pair, spiOut)
    expect(requestsOf(pair.a, before)).toHaveLength(2)
    expect(pair.a.ike.status()[0]!.children).toHaveLength(1)
  })

  it.each([
    ['of an SPI that we do not send with', 0x99999999, right],
    ['from elsewhere than the peer', undefined, '203.0.113.77'],
  ])('%s is no hint', (_what, spi, from) => {
    const pair = establishedPair({ a: { livenessDelayMs: 0 } })
    const before = pair.a.eventsOf('message').length
    tell(pair, spi ?? pair.a.ike.status()[0]!.children[0]!.spiOut, from)
    expect(requestsOf(pair.a, before)).toEqual([])
  })
})

describe('versions', () => {
  it('a higher minor version is served', () => {
    const pair = makePair()
    pair.network.path = (datagram) => [datagram]
    const [answer] = hear(pair, pair.b, encodeMessage(header({ minorVersion: 9 }), []))
    expect(decodeMessage(answer!).header).toMatchObject({ majorVersion: 2, minorVersion: 0 })
  })

  it.each([
    [3, false, 1],
    [3, true, 0],
    [1, false, 0],
  ])('a message of major version %i (response: %s) gets %i answers', (majorVersion, response, answers) => {
    const pair = makePair()
    const message = encodeMessage(header(), [])
    message[17] = majorVersion << 4
    if (response) message[19] = 0x20
    const sent = hear(pair, pair.b, message)
    expect(sent.map(notifiesOf)).toEqual(Array.from({ length: answers }, () => [NotifyType.INVALID_MAJOR_VERSION]))
    for (const answer of sent) expect(decodeMessage(answer).header.majorVersion).toBe(2)
  })

  it('the flag that tells of a higher version means nothing', () => {
    const pair = establishedPair()
    const message = encodeMessage(header({ flags: { initiator: true, response: false, higherVersion: true } }), [])
    expect(hear(pair, pair.b, message).map(notifiesOf)).toEqual([[NotifyType.INVALID_IKE_SPI]])
  })
})

describe('a request of an exchange type that nothing is known about', () => {
  const { protect } = MessageProtector.prototype

  it.each([39, 42, 45, 240])('%i is answered with an error, and the IKE_SA goes on', (exchangeType) => {
    const pair = establishedPair()
    vi.spyOn(MessageProtector.prototype, 'protect').mockImplementation(function (
      this: MessageProtector,
      header,
      ...rest
    ) {
      const isOurs = header.exchangeType === ExchangeType.INFORMATIONAL && !header.flags.response
      return protect.call(this, isOurs ? { ...header, exchangeType } : header, ...rest)
    })
    pair.clock.advance(35_000)
    const answers = pair.b
      .eventsOf('message')
      .filter(({ direction, messageId }) => direction === 'out' && messageId > 1)
    expect(answers).toMatchObject([{ payloads: ['N(NO_PROPOSAL_CHOSEN)'], response: true }])
    expect(pair.b.ike.status()).toMatchObject([{ state: 'established', children: [{ state: 'installed' }] }])
  })
})

describe('a critical payload of an unknown type', () => {
  const foreign: Payload = { kind: 'unknown', critical: true, type: 200, data: Uint8Array.of(1, 2, 3) }

  it.each([
    ['CREATE_CHILD_SA', ExchangeType.CREATE_CHILD_SA],
    ['INFORMATIONAL', ExchangeType.INFORMATIONAL],
  ])('in a %s request is refused by its type, and the IKE_SA goes on', (_name, exchange) => {
    const pair = establishedPair()
    alterPayloads(({ exchangeType, flags }, payloads) =>
      exchangeType === exchange && !flags.response ? [foreign, ...payloads] : payloads,
    )
    if (exchange === ExchangeType.CREATE_CHILD_SA) pair.a.perform(pair.a.ike.createChild(1, 'net', pair.clock.now))
    else pair.b.perform(pair.b.ike.unknownSpi({ spi: 999, local: at(right), remote: at(left) }, pair.clock.now))
    pair.clock.advance(1000)
    const answers = [...pair.a.eventsOf('message'), ...pair.b.eventsOf('message')]
      .filter(({ response, direction }) => response && direction === 'out')
      .map(({ payloads }) => payloads)
    expect(answers).toContainEqual(['N(UNSUPPORTED_CRITICAL_PAYLOAD)'])
    expect([pair.a.ike.status()[0]!.state, pair.b.ike.status()[0]!.state]).toEqual(['established', 'established'])
  })

  it('in a response ends the IKE_SA with a DELETE', () => {
    const pair = establishedPair()
    alterPayloads(({ exchangeType, flags }, payloads) =>
      exchangeType === ExchangeType.CREATE_CHILD_SA && flags.response ? [...payloads, foreign] : payloads,
    )
    pair.a.perform(pair.a.ike.createChild(1, 'net', pair.clock.now))
    pair.clock.advance(1000)
    expect([pair.a.ike.isIdle(), pair.b.ike.isIdle()]).toEqual([true, true])
    expect(pair.a.eventsOf('ike-closed')).toMatchObject([{ reason: 'error' }])
  })

  it('in IKE_AUTH ends the attempt', () => {
    alterPayloads(({ exchangeType, flags }, payloads) =>
      exchangeType === ExchangeType.IKE_AUTH && !flags.response ? [...payloads, foreign] : payloads,
    )
    const pair = makePair()
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.b.ike.status()).toEqual([])
    expect(toHex(Uint8Array.of(200))).toBe('c8')
    expect(pair.a.eventsOf('ike-closed')).toMatchObject([{ reason: 'refused' }])
  })
})
