import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Payload } from '../../../src/ike/codec/index.ts'
import { parseIdentity } from '../../../src/ike/index.ts'
import { formatIp } from '../../../src/ip/address.ts'
import { alterPayloads } from '../alter.ts'
import { left } from '../support.ts'
import {
  type AuthPair,
  attempt,
  authMessages,
  authPair,
  eapServer,
  eapUser,
  psk,
  refusals,
  signs,
  stands,
  text,
  trusts,
} from './answering.ts'
import { alice, bob, both, byEap, carol, eap, keyless, shared, side, type Ways } from './rounds-support.ts'

afterEach(() => vi.restoreAllMocks())

const IKE_AUTH = 35
const ANOTHER_AUTH_FOLLOWS = 16405

const announcement: Payload = {
  kind: 'N',
  critical: false,
  protocol: 0,
  spi: new Uint8Array(0),
  notify: ANOTHER_AUTH_FOLLOWS,
  data: new Uint8Array(0),
}
const isAnnouncement = (one: Payload): boolean => one.kind === 'N' && one.notify === ANOTHER_AUTH_FOLLOWS

/** Changes the IKE_AUTH messages of one end; `at` counts them from 0. */
function alterAuth(
  ofResponder: boolean,
  change: (payloads: readonly Payload[], at: number) => readonly Payload[],
): void {
  alterPayloads(({ exchangeType, flags, messageId }, payloads) =>
    exchangeType === IKE_AUTH && flags.response === ofResponder ? change(payloads, messageId - 1) : payloads,
  )
}

/** Nothing stands, and the other end was told nothing but that it failed. */
function expectRefused(pair: AuthPair, by: 'a' | 'b', why: string): void {
  expect(refusals(pair[by])[0]?.message).toContain(why)
  expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
  expect(pair[by].eventsOf('ike-established')).toEqual([])
  const last = authMessages(pair).at(-1)!
  if (by === 'b') expect(last).toBe('< N(AUTHENTICATION_FAILED)')
}

describe('an initiator that', () => {
  it.each([
    ['signature, EAP', [alice, eap]],
    ['EAP, signature', [eap, alice]],
    ['signature, pre-shared key', [alice, shared]],
  ] as const)('does not announce its second proof is refused: %s', (_, initiator) => {
    alterAuth(false, (payloads) => payloads.filter((one) => !isAnnouncement(one)))
    expectRefused(both(initiator, [bob]), 'b', 'it authenticated once and no more')
  })

  it.each([
    ['signature', [alice]],
    ['EAP', [eap]],
    ['pre-shared key', [shared]],
  ] as const)('announces a proof that it does not owe is refused: %s', (_, initiator) => {
    alterAuth(false, (payloads) =>
      payloads.some(({ kind }) => kind === 'AUTH') ? [...payloads, announcement] : payloads,
    )
    expectRefused(both(initiator, [bob]), 'b', 'it wants to authenticate once more')
  })

  it.each([
    ['signature, signature', [alice, carol], 1],
    ['signature, EAP', [alice, eap], 1],
    ['EAP, pre-shared key', [eap, shared], 4],
  ] as const)('announces a proof and sends nothing is refused: %s', (_, initiator, second) => {
    alterAuth(false, (payloads, at) => (at >= second ? [] : payloads))
    const pair = both(initiator, [bob])
    expect(pair.b.eventsOf('ike-established')).toEqual([])
    expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
  })

  it('announces a proof and never comes back does not stay half open', () => {
    const a = side([signs('alice'), psk], [trusts('bob')])
    const pair = authPair(a, side([signs('bob')], [trusts('alice'), psk]))
    let sent = 0
    pair.network.path = (datagram) => (formatIp(datagram.from.address) === left && ++sent > 2 ? [] : [datagram])
    pair.a.initiate('office')
    pair.clock.advance(300_000)
    expect(authMessages(pair)).toHaveLength(2)
    expect(pair.b.eventsOf('ike-established')).toEqual([])
    expect(pair.b.status()).toEqual([])
  })

  it('sends its first proof again in the place of the second is refused', () => {
    let first: Payload | undefined
    alterAuth(false, (payloads) => {
      const AUTH = payloads.find(({ kind }) => kind === 'AUTH')
      first ??= AUTH
      return payloads.map((one) => (one === AUTH ? first! : one))
    })
    expectRefused(both([alice, carol], [bob]), 'b', 'the signature says no')
  })

  it('sends AUTH twice in one message is refused', () => {
    alterAuth(false, (payloads) => payloads.flatMap((one): Payload[] => (one.kind === 'AUTH' ? [one, one] : [one])))
    const pair = both([alice, shared], [bob])
    expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
    expect(pair.b.eventsOf('ike-established')).toEqual([])
  })
})

describe('a responder that', () => {
  const twice: Ways = [bob, shared]

  it('does not announce its second proof is refused, also where we are to go on', () => {
    alterAuth(true, (payloads) => payloads.filter((one) => !isAnnouncement(one)))
    expectRefused(both([alice, eap], twice), 'a', 'it authenticated once and no more')
  })

  it.each([
    ['signature', [alice]],
    ['signature, EAP', [alice, eap]],
    ['EAP', [eap]],
  ] as const)('announces a proof that it does not owe is refused, with ours by %s', (_, initiator) => {
    alterAuth(true, (payloads) =>
      payloads.some(({ kind }) => kind === 'AUTH') ? [...payloads, announcement] : payloads,
    )
    expectRefused(both(initiator, [bob]), 'a', 'it wants to authenticate once more')
  })

  it('announces a proof after EAP that it does not owe is refused', () => {
    alterAuth(true, (payloads, at) =>
      at > 2 && payloads.some(({ kind }) => kind === 'AUTH') ? [...payloads, announcement] : payloads,
    )
    expectRefused(both([eap], [bob]), 'a', 'it wants to authenticate once more')
  })

  it.each([
    ['signature', [alice], 1],
    ['signature, signature, pre-shared key', [alice, carol, shared], 1],
  ] as const)('announces a proof and sends none is refused, with ours by %s', (_, initiator, from) => {
    alterAuth(true, (payloads, at) =>
      at >= from ? payloads.filter(({ kind }) => !['AUTH', 'IDr', 'CERT'].includes(kind)) : payloads,
    )
    const pair = both(initiator, twice)
    expect(refusals(pair.a)).toHaveLength(1)
    expect(pair.a.eventsOf('ike-established')).toEqual([])
    expect(pair.a.status()).toEqual([])
  })

  it('announces a proof and says nothing for ever is refused', () => {
    alterAuth(true, (payloads, at) => (at > 0 ? [] : payloads))
    const pair = both([alice], twice)
    expect(refusals(pair.a)[0]?.message).toContain('it authenticated once and no more')
    expect(authMessages(pair).length).toBeLessThan(6)
    expect(pair.a.status()).toEqual([])
  })

  it('sends a proof that is not owed is refused', () => {
    let first: Payload | undefined
    alterAuth(true, (payloads) => {
      const AUTH = payloads.find(({ kind }) => kind === 'AUTH')
      first ??= AUTH
      return AUTH === undefined ? [...payloads, first!] : payloads
    })
    const pair = both([alice, carol], [bob])
    expect(refusals(pair.a)[0]?.message).toContain('it wants to authenticate once more')
    expect(pair.a.status()).toEqual([])
  })

  it('sends its first proof again in the place of the second is refused', () => {
    let first: Payload | undefined
    alterAuth(true, (payloads) => {
      const AUTH = payloads.find(({ kind }) => kind === 'AUTH')
      first ??= AUTH
      return payloads.map((one) => (one === AUTH ? first! : one))
    })
    const pair = both([alice], [bob, carol])
    expect(refusals(pair.a)[0]?.message).toContain('the signature says no')
    expect(pair.a.status()).toEqual([])
  })

  it('sends AUTH twice in one message is refused', () => {
    alterAuth(true, (payloads) => payloads.flatMap((one): Payload[] => (one.kind === 'AUTH' ? [one, one] : [one])))
    const pair = both([alice, shared], [bob])
    expect(pair.a.eventsOf('ike-established')).toEqual([])
    expect(pair.a.status()).toEqual([])
  })
})

describe('EAP alone as a further proof of the responder (RFC 5998)', () => {
  /** The initiator demands of the responder that it is bob, and then, by EAP, somebody. */
  const demanding = (somebody: string) => {
    const plain = side([eapUser('u:p')], [trusts('bob'), byEap[1]])
    return {
      ...plain,
      change: (connection: Parameters<NonNullable<typeof plain.change>>[0]) => {
        const changed = plain.change!(connection)
        return {
          ...changed,
          remote: { ...changed.remote, further: [{ id: parseIdentity(somebody), auth: byEap[1] }] },
        }
      },
    }
  }

  it('is not what the EAP of the round before proved: nobody has said to be that', () => {
    alterAuth(true, (payloads, at) => (at === 0 ? [...payloads, announcement] : payloads))
    const pair = attempt(demanding('treasury.example.org'), side([signs('bob')], [eapServer('u:p')]))
    expect(pair.a.eventsOf('ike-established')).toEqual([])
    expect(refusals(pair.a)).toHaveLength(1)
    expect(pair.a.status()).toEqual([])
  })

  it.each([
    ['signature, EAP; EAP alone second', [alice, eap], [bob, byEap]],
    ['EAP, EAP; EAP alone second', [eap, eap], [bob, byEap]],
    ['EAP, signature; EAP alone first', [eap, alice], [byEap, bob]],
    ['EAP; EAP alone, then a pre-shared key', [eap], [byEap, shared]],
    ['EAP, EAP without a key; EAP alone first', [eap, keyless], [byEap]],
  ] as const)('stands with: %s', (_, initiator, responder) => {
    const pair = both(initiator.map((one) => [...one]) as Ways, responder.map((one) => [...one]) as Ways)
    expect([...refusals(pair.a), ...refusals(pair.b)]).toEqual([])
    expect(stands(pair)).toBe(true)
    expect(pair.a.ikeSa.auth.remote).toEqual(responder.map(([{ method }]) => method))
  })

  it('that is to come where we do not use EAP is refused by the responder itself', () => {
    const pair = both([alice, carol], [bob, byEap])
    expect(refusals(pair.b)[0]?.message).toContain(
      'has local.auth "eap-only", with which the responder cannot prove itself',
    )
    expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
  })

  it('with another identity than the round is to have is refused', () => {
    const pair = both([alice, eap], [bob, byEap], {})
    expect(stands(pair)).toBe(true)
    const a = side([signs('alice'), eapUser('u:p')], [trusts('bob'), byEap[1]])
    const wrong = attempt(
      {
        ...a,
        change: (connection) => {
          const changed = a.change!(connection)
          const further = [{ id: parseIdentity('somebody'), auth: byEap[1] }]
          return { ...changed, remote: { ...changed.remote, further } }
        },
      },
      side([signs('bob'), byEap[0]], [trusts('alice'), eapServer('u:p')]),
    )
    expect(refusals(wrong.a)[0]?.message).toContain('somebody')
    expect(wrong.a.status()).toEqual([])
  })
})

describe('a proof that fails', () => {
  const secret = (word: string) => ({ method: 'psk', secret: text(word) }) as const
  /** What the prover has is not what the other end wants. */
  const wrong = {
    signature: [signs('mallory'), trusts('carol')],
    'pre-shared key': [secret('wrong'), psk],
    'password of EAP': [eapUser('u:x'), eapServer('u:p')],
    'user of EAP': [eapUser('x:p'), eapServer('u:p')],
    'key of EAP': [eapUser('u:p keyless'), eapServer('u:p')],
  } as const satisfies Record<string, Ways[number]>
  const places = [
    ['alone', (bad: Ways[number]): Ways => [bad]],
    ['first of two', (bad: Ways[number]): Ways => [bad, shared]],
    ['after a signature', (bad: Ways[number]): Ways => [alice, bad]],
    ['after EAP', (bad: Ways[number]): Ways => [eap, bad]],
    ['third', (bad: Ways[number]): Ways => [shared, keyless, bad]],
  ] as const
  const all = Object.keys(wrong).flatMap((name) => places.map(([place, rounds]) => [name, place, rounds] as const))

  it.each(all)('of the initiator, %s, %s: our side knows why, and the peer hears that it failed', (name, _, rounds) => {
    const pair = both(rounds([...wrong[name as keyof typeof wrong]]), [bob])
    const [refusal] = refusals(pair.b)
    expect(refusal).toMatchObject({ kind: 'authentication-failed', by: 'local' })
    expect(refusal!.hint).not.toBe('')
    const last = authMessages(pair).at(-1)!
    // EAP has its own word for it: Failure.
    expect(last).toMatch(/^< (EAP|N\(AUTHENTICATION_FAILED\))$/)
    expect(refusals(pair.a)[0]).toMatchObject({ by: 'peer' })
    expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
    expect([...pair.a.eventsOf('ike-established'), ...pair.b.eventsOf('ike-established')]).toEqual([])
  })

  const ofResponder = ['signature', 'pre-shared key'].flatMap((name) =>
    places.slice(0, 3).map(([place, rounds]) => [name, place, rounds] as const),
  )
  it.each(ofResponder)(
    'of the responder, %s, %s: our side knows why, and the peer hears that it failed',
    (name, _, rounds) => {
      const pair = both(
        [alice],
        rounds([...wrong[name as keyof typeof wrong]]).map((one) => (one === eap ? bob : one)),
      )
      expect(refusals(pair.a)[0]).toMatchObject({ kind: 'authentication-failed', by: 'local' })
      expect(pair.a.eventsOf('ike-established')).toEqual([])
      const last = pair.b
        .eventsOf('message')
        .filter(({ direction }) => direction === 'in')
        .at(-1)!
      expect(last.payloads.filter((one) => one !== 'SK')).toEqual(['N(AUTHENTICATION_FAILED)'])
      expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
    },
  )
})
