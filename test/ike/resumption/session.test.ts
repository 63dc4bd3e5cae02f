import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../src/bytes/index.ts'
import { nodeProvider } from '../../../src/crypto/node.ts'
import { decodeSession, encodeSession, type Session } from '../../../src/ike/resumption/session.ts'
import { TICKET_MS, TicketOffice } from '../../../src/ike/resumption/ticket-office.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'

const time = fc.integer({ min: 0, max: 2 ** 50 })
const transform = fc.record({
  type: fc.integer({ min: 1, max: 12 }),
  id: fc.integer({ min: 0, max: 0xffff }),
  attributes: fc
    .option(fc.integer({ min: 1, max: 0xffff }), { nil: undefined })
    .map((value) => (value === undefined ? [] : [{ type: 14, value }])),
})
const session: fc.Arbitrary<Session> = fc.record({
  connection: fc.string({ unit: 'grapheme', maxLength: 20 }),
  remoteId: fc.record({ type: fc.integer({ min: 0, max: 255 }), data: fc.uint8Array({ maxLength: 40 }) }),
  SK_d: fc.uint8Array({ minLength: 1, maxLength: 64 }),
  proposal: fc.record({
    number: fc.constant(1),
    protocol: fc.constant(1),
    spi: fc.constant(new Uint8Array(0)),
    transforms: fc.array(transform, { maxLength: 12 }),
  }),
  ppk: fc.boolean(),
  eapIdentity: fc.string({ maxLength: 40 }),
  certificate: fc.string({ maxLength: 64 }),
  certificates: fc.array(
    fc.record({ encoding: fc.integer({ min: 0, max: 255 }), data: fc.uint8Array({ maxLength: 40 }) }),
    { maxLength: 4 },
  ),
  authenticatedAt: time,
  expiresAt: time,
})

const one: Session = {
  connection: 'office',
  remoteId: { type: 2, data: Uint8Array.of(97) },
  SK_d: new Uint8Array(32).fill(7),
  proposal: { number: 1, protocol: 1, spi: new Uint8Array(0), transforms: [{ type: 1, id: 20, attributes: [] }] },
  ppk: false,
  eapIdentity: '',
  certificate: '',
  certificates: [],
  authenticatedAt: 5,
  expiresAt: TICKET_MS,
}

const office = () => new TicketOffice(nodeProvider, seededRandom('tickets'))

describe('a session as octets', () => {
  it('reads back, with what stands behind it', () => {
    fc.assert(
      fc.property(session, fc.uint8Array({ maxLength: 50 }), (some, rest) => {
        const octets = encodeSession(some)
        expect(decodeSession(Uint8Array.of(...octets, ...rest))).toEqual({ session: some, rest })
      }),
    )
  })

  it('is nothing when cut short, and never throws, whatever comes', () => {
    fc.assert(
      fc.property(session, fc.nat(), fc.uint8Array({ maxLength: 80 }), (some, cut, octets) => {
        const whole = encodeSession(some)
        expect(decodeSession(whole.subarray(0, cut % whole.length))).toBeUndefined()
        decodeSession(Uint8Array.of(1, ...octets))
      }),
    )
  })
})

describe('a ticket', () => {
  it('opens to the session that was sealed, and shows nothing of it', () => {
    const tickets = office()
    const ticket = tickets.seal(one, 0)
    expect(toHex(ticket)).not.toContain(toHex(one.SK_d))
    expect(tickets.open(ticket, 1)).toEqual(one)
  })

  it('is never the same twice', () => {
    const tickets = office()
    expect(tickets.seal(one, 0)).not.toEqual(tickets.seal(one, 0))
  })

  it('is refused with any octet changed, or cut', () => {
    const tickets = office()
    const ticket = tickets.seal(one, 0)
    for (let at = 0; at < ticket.length; at++) {
      const changed = ticket.slice()
      changed[at]! ^= 1
      expect(tickets.open(changed, 1)).toBeUndefined()
      expect(tickets.open(ticket.subarray(0, at), 1)).toBeUndefined()
    }
  })

  it('is refused by another endpoint, and by one that has sealed none', () => {
    const ticket = office().seal(one, 0)
    const other = new TicketOffice(nodeProvider, seededRandom('another'))
    expect(other.open(ticket, 1)).toBeUndefined()
    other.seal(one, 0)
    expect(other.open(ticket, 1)).toBeUndefined()
  })

  it('is refused when it has expired', () => {
    const tickets = office()
    const ticket = tickets.seal({ ...one, expiresAt: 1_000 }, 0)
    expect(tickets.open(ticket, 999)).toBeDefined()
    expect(tickets.open(ticket, 1_000)).toBeUndefined()
  })

  it('outlives one change of the key, and not two', () => {
    const tickets = office()
    const ticket = tickets.seal({ ...one, expiresAt: 10 * TICKET_MS }, 0)
    expect(tickets.open(ticket, TICKET_MS + 1)).toBeDefined()
    expect(tickets.open(ticket, 2 * TICKET_MS + 2)).toBeUndefined()
  })

  it('is refused after a pause in which its key would have been changed twice', () => {
    const tickets = office()
    const ticket = tickets.seal({ ...one, expiresAt: 10 * TICKET_MS }, 0)
    expect(tickets.open(ticket, 2 * TICKET_MS)).toBeUndefined()
  })
})
