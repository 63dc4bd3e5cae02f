import { afterEach, describe, expect, it, vi } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import { ExchangeType, NotifyType } from '../../../src/ike/codec/index.ts'
import { notify } from '../../../src/ike/message/notifies.ts'
import { decodeResumable } from '../../../src/ike/resumption/resumption.ts'
import { TICKET_MS, TicketOffice } from '../../../src/ike/resumption/ticket-office.ts'
import { RecordingXfrm } from '../../../src/testing/recording-xfrm.ts'
import { alterPayloads } from '../alter.ts'
import { alterInit } from '../alter-init.ts'
import { establishedPair, makePair, type Pair } from '../support.ts'

afterEach(() => vi.restoreAllMocks())

const { open } = TicketOffice.prototype

const both = { a: { resumption: true }, b: { resumption: true } } as const

const ticketOf = (pair: Pair) => pair.a.eventsOf('ticket').at(-1)!.ticket

/** Ends the session without a word, as a client that loses its power. */
function leave(pair: Pair): void {
  pair.a.perform(pair.a.ike.deleteIke(1, pair.clock.now))
  pair.clock.advance(1_000)
  pair.a.events.length = 0
  pair.b.events.length = 0
}

function comeBack(pair: Pair, ticket: Uint8Array): void {
  pair.a.perform(pair.a.ike.initiate('office', pair.clock.now, { localAddress: pair.a.address, ticket }))
  pair.clock.advance(60_000)
}

function returned(changes: Parameters<typeof makePair>[0] = both): Pair {
  const pair = establishedPair(changes)
  const ticket = ticketOf(pair)
  leave(pair)
  comeBack(pair, ticket)
  return pair
}

const requests = (pair: Pair) =>
  pair.a
    .eventsOf('message')
    .filter(({ direction, response, exchange }) => direction === 'out' && !response && exchange !== 'INFORMATIONAL')
    .map(({ exchange }) => exchange)

const resumed = ['IKE_SESSION_RESUME', 'IKE_AUTH']
const fallenBack = ['IKE_SESSION_RESUME', 'IKE_SA_INIT', 'IKE_AUTH']

describe('resuming a session', () => {
  it('takes no key exchange, and both sides come to the same keys', () => {
    const pair = returned()
    expect(requests(pair)).toEqual(resumed)
    expect(pair.a.eventsOf('child-established')).toHaveLength(1)
    const inbound = [...pair.xfrmB.states.values()].find(({ direction }) => direction === 'in')!
    expect(pair.xfrmA.states.get(RecordingXfrm.keyOf(inbound))!.encr).toEqual(inbound.encr)
  })

  it('gives a new ticket each time, which is good again', () => {
    const pair = returned()
    const ticket = ticketOf(pair)
    pair.a.perform(pair.a.ike.deleteIke(pair.a.ike.status()[0]!.sa.id, pair.clock.now))
    pair.clock.advance(1_000)
    pair.a.events.length = 0
    comeBack(pair, ticket)
    expect(requests(pair)).toEqual(resumed)
  })

  it('goes on after a rekeying', () => {
    const pair = returned()
    pair.b.perform(pair.b.ike.rekeyIke(pair.b.ike.status()[0]!.sa.id, pair.clock.now))
    pair.clock.advance(1_000)
    expect(pair.a.eventsOf('ike-rekeyed')).toHaveLength(1)
  })

  it('does without the PPK that went into the session already', () => {
    const ppk = { id: Uint8Array.of(1), secret: new Uint8Array(32).fill(3), required: true }
    const pair = returned({ a: { resumption: true, ppk }, b: { resumption: true, ppk } })
    expect(requests(pair)).toEqual(resumed)
    expect(pair.a.eventsOf('child-established')).toHaveLength(1)
  })

  it('does without the additional key exchanges that went into the session already', () => {
    const proposals = ['aes128gcm16-prfsha256-x25519-ke1_ecp256']
    const pair = returned({ a: { resumption: true, proposals }, b: { resumption: true, proposals } })
    expect(requests(pair)).toEqual(resumed)
    expect(pair.a.eventsOf('child-established')).toHaveLength(1)
  })

  it('returns a COOKIE that the responder asks for', () => {
    const pair = returned({ ...both, limits: { cookieThreshold: 0 } })
    expect(requests(pair)).toEqual(['IKE_SESSION_RESUME', 'IKE_SESSION_RESUME', 'IKE_AUTH'])
    expect(pair.a.eventsOf('child-established')).toHaveLength(1)
  })

  it('survives the loss of every datagram once', () => {
    const pair = establishedPair(both)
    const ticket = ticketOf(pair)
    leave(pair)
    const seen = new Set<string>()
    pair.network.path = (datagram) => {
      const octets = datagram.payload.join()
      if (seen.has(octets)) return [datagram]
      seen.add(octets)
      return []
    }
    comeBack(pair, ticket)
    expect(pair.a.eventsOf('child-established')).toHaveLength(1)
    expect(pair.a.eventsOf('ticket-refused')).toEqual([])
  })
})

describe('a ticket', () => {
  it('is asked for and given only where resumption is on', () => {
    expect(establishedPair().a.eventsOf('ticket')).toEqual([])
    expect(establishedPair({ a: { resumption: true } }).a.eventsOf('ticket')).toEqual([])
    expect(establishedPair({ b: { resumption: true } }).a.eventsOf('ticket')).toEqual([])
    const [ticket] = establishedPair(both).a.eventsOf('ticket')
    expect(ticket!.lifetimeMs).toBe(TICKET_MS)
  })

  it('of another connection is a mistake of the caller', () => {
    const pair = establishedPair(both)
    const other = makePair({ a: { name: 'other', resumption: true } })
    expect(() => other.a.ike.initiate('other', 0, { ticket: ticketOf(pair) })).toThrow(UsageError)
    expect(() => other.a.ike.initiate('other', 0, { ticket: new Uint8Array(40) })).toThrow(UsageError)
  })

  it('that the responder does not open is followed by a whole handshake', () => {
    const pair = establishedPair(both)
    const ticket = ticketOf(pair).slice()
    ticket[ticket.length - 1]! ^= 1
    leave(pair)
    comeBack(pair, ticket)
    expect(requests(pair)).toEqual(fallenBack)
    expect(pair.a.eventsOf('ticket-refused').map(({ why }) => why)).toEqual(['TICKET_NACK'])
    expect(pair.a.eventsOf('child-established')).toHaveLength(1)
  })

  it('is too old after its time', () => {
    const pair = establishedPair(both)
    const ticket = ticketOf(pair)
    leave(pair)
    pair.clock.advance(TICKET_MS)
    comeBack(pair, ticket)
    expect(requests(pair)).toEqual(fallenBack)
  })

  it('is void when the responder deletes the IKE_SA, until the peer has authenticated again', () => {
    const pair = establishedPair(both)
    const ticket = ticketOf(pair)
    pair.b.perform(pair.b.ike.deleteIke(1, pair.clock.now))
    pair.clock.advance(1_000)
    pair.a.events.length = 0
    comeBack(pair, ticket)
    expect(requests(pair)).toEqual(fallenBack)
    const renewed = ticketOf(pair)
    pair.a.perform(pair.a.ike.shutdown(pair.clock.now))
    pair.clock.advance(1_000)
    pair.a.events.length = 0
    comeBack(pair, renewed)
    expect(requests(pair)).toEqual(resumed)
  })

  it('is not good beyond the time at which its owner is to authenticate anew, however often it is renewed', () => {
    const hour = 3_600_000
    const lifetime = { reauthMs: hour, jitterMs: 0 }
    const pair = establishedPair({ ...both, b: { resumption: true, lifetime } })
    expect(pair.a.eventsOf('ticket')[0]!.lifetimeMs).toBe(hour)
    const ticket = ticketOf(pair)
    leave(pair)
    pair.clock.advance(hour / 2)
    comeBack(pair, ticket)
    expect(requests(pair).slice(0, 2)).toEqual(resumed)
    expect(pair.a.eventsOf('ticket')[0]!.lifetimeMs).toBeLessThan(hour / 2)
    const renewed = ticketOf(pair)
    pair.a.perform(pair.a.ike.shutdown(pair.clock.now))
    pair.clock.advance(1_000)
    pair.a.events.length = 0
    pair.clock.advance(hour / 2)
    comeBack(pair, renewed)
    expect(requests(pair)).toEqual(fallenBack)
  })

  it('for a suite that is configured no longer is not used', () => {
    const first = establishedPair(both)
    const pair = makePair({
      a: { resumption: true, proposals: ['aes256gcm16-prfsha256-x25519'] },
      b: { resumption: true, proposals: ['aes256gcm16-prfsha256-x25519'] },
    })
    comeBack(pair, ticketOf(first))
    expect(requests(pair)).toEqual(['IKE_SA_INIT', 'IKE_AUTH'])
  })

  it('for a suite or a connection that the responder has no longer is refused', () => {
    const first = establishedPair(both)
    for (const b of [{ proposals: ['aes256gcm16-prfsha256-x25519'] }, { name: 'renamed' }, { resumption: false }]) {
      const pair = establishedPair({
        ...both,
        a: { resumption: true, proposals: ['aes128gcm16-prfsha256-x25519', 'aes256gcm16-prfsha256-x25519'] },
        b: { resumption: true, ...b },
      })
      leave(pair)
      comeBack(pair, ticketOf(first))
      expect(requests(pair)).toEqual(fallenBack)
    }
  })

  it('that nobody answers is given up before the peer is', () => {
    const pair = establishedPair(both)
    const ticket = ticketOf(pair)
    leave(pair)
    // An implementation without resumption drops the exchange that it does not know.
    pair.network.path = (datagram) => (datagram.payload[18] === ExchangeType.IKE_SESSION_RESUME ? [] : [datagram])
    comeBack(pair, ticket)
    expect(requests(pair)).toEqual(fallenBack)
    expect(pair.a.eventsOf('ticket-refused').map(({ why }) => why)).toEqual(['no answer'])
    expect(pair.a.eventsOf('child-established')).toHaveLength(1)
  })

  it('that is answered with an error is given up', () => {
    const pair = establishedPair(both)
    const ticket = ticketOf(pair)
    leave(pair)
    pair.network.path = alterInit(
      'response',
      () => [notify(NotifyType.INVALID_SYNTAX)],
      ExchangeType.IKE_SESSION_RESUME,
    )
    comeBack(pair, ticket)
    expect(requests(pair)).toEqual(fallenBack)
    expect(pair.a.eventsOf('ticket-refused').map(({ why }) => why)).toEqual(['INVALID_SYNTAX'])
  })
})

describe('a stranger with the ticket of another', () => {
  it('does not authenticate without the keys', () => {
    const pair = establishedPair(both)
    const ticket = ticketOf(pair)
    leave(pair)
    // The session's SK_d is another one: 32 octets that stand behind the identity.
    const forged = ticket.slice()
    const name = 1 + 16 + 2 + 2 * 'office'.length
    const skd = name + 3 + 'right.example.org'.length + 2
    forged[skd]! ^= 1
    comeBack(pair, forged)
    expect(pair.b.eventsOf('ike-established')).toEqual([])
    expect(pair.b.eventsOf('dropped').some(({ reason }) => reason === 'bad-integrity')).toBe(true)
  })

  it('is refused when it says that it is somebody else', () => {
    const pair = establishedPair({ ...both, b: { resumption: true, remoteId: '%any' } })
    const ticket = ticketOf(pair)
    leave(pair)
    alterPayloads((header, payloads) =>
      header.exchangeType === ExchangeType.IKE_AUTH && !header.flags.response
        ? payloads.map((one) => (one.kind === 'IDi' ? { ...one, data: Uint8Array.of(120) } : one))
        : payloads,
    )
    comeBack(pair, ticket)
    expect(pair.b.eventsOf('ike-established')).toEqual([])
    const [refused] = pair.b.eventsOf('refused')
    expect(refused?.refusal.message).toContain('the session is one with left.example.org')
  })

  it('is not taken for the responder', () => {
    const pair = establishedPair({ ...both, a: { resumption: true, remoteId: '%any' } })
    const ticket = ticketOf(pair)
    leave(pair)
    alterPayloads((header, payloads) =>
      header.exchangeType === ExchangeType.IKE_AUTH && header.flags.response
        ? payloads.map((one) => (one.kind === 'IDr' ? { ...one, data: Uint8Array.of(120) } : one))
        : payloads,
    )
    comeBack(pair, ticket)
    expect(pair.a.eventsOf('ike-established')).toEqual([])
    const [refused] = pair.a.eventsOf('refused')
    expect(refused?.refusal.message).toContain('the session is one with right.example.org')
  })

  it('cannot change the request or the response', () => {
    for (const which of ['request', 'response'] as const) {
      const pair = establishedPair(both)
      const ticket = ticketOf(pair)
      leave(pair)
      pair.network.path = alterInit(which, (payloads) => [...payloads, notify(40_000)], ExchangeType.IKE_SESSION_RESUME)
      comeBack(pair, ticket)
      expect(pair.a.eventsOf('ike-established')).toEqual([])
      expect(pair.b.eventsOf('child-established').length + pair.a.eventsOf('child-established').length).toBeLessThan(2)
    }
  })
})

describe('a ticket is void', () => {
  const voided = (pair: Pair) => pair.a.eventsOf('ticket-void').map(({ sa }) => sa.id)

  it('when the peer or we delete its IKE_SA', () => {
    for (const who of ['a', 'b'] as const) {
      const pair = establishedPair(both)
      pair[who].perform(pair[who].ike.deleteIke(1, pair.clock.now))
      pair.clock.advance(1_000)
      expect(voided(pair)).toEqual([1])
      expect(pair.b.eventsOf('ticket-void')).toEqual([])
    }
  })

  it('also when the DELETE was not answered', () => {
    const pair = establishedPair(both)
    pair.network.path = () => []
    pair.a.perform(pair.a.ike.deleteIke(1, pair.clock.now))
    pair.clock.advance(600_000)
    expect(voided(pair)).toEqual([1])
  })

  it('not when the peer is given up: to come back then is what it is for', () => {
    const pair = establishedPair(both)
    pair.network.path = () => []
    pair.clock.advance(1_200_000)
    expect(pair.a.eventsOf('ike-closed').map(({ reason }) => reason)).toEqual(['timeout'])
    expect(voided(pair)).toEqual([])
  })

  it('not when there was none', () => {
    const pair = establishedPair({ a: { resumption: true } })
    pair.a.perform(pair.a.ike.deleteIke(1, pair.clock.now))
    pair.clock.advance(1_000)
    expect(voided(pair)).toEqual([])
  })

  it('when its IKE_SA is rekeyed by either end, and another one is asked for, which is good', () => {
    for (const who of ['a', 'b'] as const) {
      const pair = establishedPair(both)
      pair[who].perform(pair[who].ike.rekeyIke(1, pair.clock.now))
      pair.clock.advance(1_000)
      const kinds = pair.a.events.map(({ kind }) => kind).filter((kind) => kind.startsWith('ticket'))
      expect(kinds).toEqual(['ticket', 'ticket-void', 'ticket'])
      const ticket = ticketOf(pair)
      leave(pair)
      comeBack(pair, ticket)
      expect(requests(pair)).toEqual(resumed)
      expect(pair.a.eventsOf('child-established')).toHaveLength(1)
    }
  })

  it('once, when the responder gives no other one after a rekeying', () => {
    const pair = establishedPair(both)
    alterPayloads((header, payloads) =>
      header.exchangeType === ExchangeType.INFORMATIONAL && header.flags.response
        ? [notify(NotifyType.TICKET_NACK)]
        : payloads,
    )
    pair.a.perform(pair.a.ike.rekeyIke(1, pair.clock.now))
    pair.clock.advance(1_000)
    pair.a.perform(pair.a.ike.deleteIke(1, pair.clock.now))
    pair.clock.advance(1_000)
    expect(voided(pair)).toEqual([1])
  })
})

describe('a session without a PPK', () => {
  const ppk = { id: Uint8Array.of(1), secret: new Uint8Array(32).fill(3), required: false }
  const required = { ...ppk, required: true }

  it('is not resumed by an initiator that requires one by now', () => {
    const first = establishedPair(both)
    const pair = makePair({ a: { resumption: true, ppk: required }, b: { resumption: true, ppk } })
    comeBack(pair, ticketOf(first))
    expect(requests(pair)).toEqual(['IKE_SA_INIT', 'IKE_AUTH'])
    expect(pair.a.eventsOf('child-established')).toHaveLength(1)
  })

  it('is not resumed by a responder that requires one by now', () => {
    const pair = establishedPair(both)
    const ticket = ticketOf(pair)
    leave(pair)
    vi.spyOn(TicketOffice.prototype, 'open').mockImplementation(function (this: TicketOffice, ...args) {
      const session = open.call(this, ...args)
      return session === undefined ? undefined : { ...session, ppk: false }
    })
    const strict = establishedPair({ a: { resumption: true, ppk }, b: { resumption: true, ppk: required } })
    const other = ticketOf(strict)
    leave(strict)
    comeBack(strict, other)
    expect(requests(strict)).toEqual(fallenBack)
    comeBack(pair, ticket)
    expect(requests(pair)).toEqual(resumed)
  })

  it('is told from one with a PPK, also after a rekeying and after it was resumed', () => {
    const pair = establishedPair({ a: { resumption: true, ppk: required }, b: { resumption: true, ppk: required } })
    for (let turn = 0; turn < 2; turn++) {
      pair.a.perform(pair.a.ike.rekeyIke(pair.a.ike.status()[0]!.sa.id, pair.clock.now))
      pair.clock.advance(1_000)
      const ticket = ticketOf(pair)
      expect(decodeResumable(ticket)?.session.ppk).toBe(true)
      pair.a.perform(pair.a.ike.deleteIke(pair.a.ike.status()[0]!.sa.id, pair.clock.now))
      pair.clock.advance(1_000)
      pair.a.events.length = 0
      comeBack(pair, ticket)
      expect(requests(pair)).toEqual(resumed)
    }
  })
})

it('a ticket is given in INFORMATIONAL too', () => {
  const pair = establishedPair(both)
  alterPayloads((header, payloads) =>
    header.exchangeType === ExchangeType.INFORMATIONAL && !header.flags.response
      ? [...payloads, notify(NotifyType.TICKET_REQUEST)]
      : payloads,
  )
  pair.clock.advance(40_000)
  const answered = pair.a.eventsOf('message').findLast(({ direction }) => direction === 'in')
  expect(answered?.payloads).toContain('N(TICKET_LT_OPAQUE)')
})
