import { afterEach, describe, expect, it, vi } from 'vitest'
import type { PpkConfig } from '../../../src/ike/config.ts'
import { alterPayloads } from '../alter.ts'
import { alterInit, withoutNotify } from '../alter-init.ts'
import { authMessages, authPair, eapServer, eapUser, keyOf, refusals, stands, text } from './answering.ts'
import { alice, bob, both, byEap, carol, eap, keyless, none, shared, side } from './rounds-support.ts'

afterEach(() => vi.restoreAllMocks())

const USE_PPK = 16435
const PPK_IDENTITY = 16436

const ppk = (id: string, secret: number, required = false): PpkConfig => ({
  id: text(id),
  secret: new Uint8Array(32).fill(secret),
  required,
})
const having = (a: PpkConfig | undefined, b: PpkConfig | undefined) => ({ a: { ppk: a }, b: { ppk: b } })

const mixes = [
  ['EAP', [eap], [bob]],
  ['EAP without a key', [keyless], [bob]],
  ['EAP alone', [eap], [byEap]],
  ['signature, EAP', [alice, eap], [bob]],
  ['EAP, signature', [eap, alice], [bob]],
  ['EAP, EAP without a key', [eap, keyless], [bob]],
  ['EAP without a key, EAP', [keyless, eap], [bob]],
  ['signature, pre-shared key', [alice, shared], [bob]],
  ['pre-shared key, EAP', [shared, eap], [bob]],
  ['nothing, EAP', [none, eap], [bob]],
  ['signature; the responder twice', [alice], [bob, shared]],
  ['EAP, signature; the responder twice', [eap, alice], [bob, carol]],
  ['EAP; the responder three times', [eap], [bob, shared, carol]],
] as const

describe.each(mixes)('a post-quantum pre-shared key with %s (RFC 8784 §3)', (_, initiator, responder) => {
  const run = (a: PpkConfig | undefined, b: PpkConfig | undefined) => both(initiator, responder, having(a, b))
  const plain = () => keyOf(both(initiator, responder).a)

  it.each([true, false])('goes into the keys where both have it, required: %s', (required) => {
    const pair = run(ppk('q1', 1, required), ppk('q1', 1, required))
    expect(refusals(pair.b)).toEqual([])
    expect(stands(pair)).toBe(true)
    expect(keyOf(pair.a)).not.toBe(plain())
  })

  it('is told once, beside the first AUTH of each end that may have it', () => {
    const said = authMessages(run(ppk('q1', 1), ppk('q1', 1))).filter((one) => one.includes('PPK'))
    expect(said).toHaveLength(2)
    expect(said[0]).toMatch(/^> .*AUTH .*N\(PPK_IDENTITY\) N\(NO_PPK_AUTH\)/)
    expect(said[1]).toMatch(/^< .*AUTH .*N\(PPK_IDENTITY\)/)
  })

  it.each([
    ['only the initiator has it', ppk('q1', 1), undefined],
    ['only the responder has it', undefined, ppk('q1', 1)],
    ['they have different ones', ppk('q1', 1), ppk('q2', 1)],
  ])('is done without where %s and neither requires it', (_, a, b) => {
    const pair = run(a, b)
    expect(stands(pair)).toBe(true)
    expect(keyOf(pair.a)).toBe(plain())
  })
})

describe.each(mixes.slice(0, 5))(
  'a post-quantum pre-shared key that the ends disagree on, with %s',
  (_, initiator, responder) => {
    const run = (a: PpkConfig | undefined, b: PpkConfig | undefined) => both(initiator, responder, having(a, b))

    it.each([
      ['the initiator, of one that has none', ppk('q1', 1, true), undefined, 'a', 'which is required'],
      ['the responder, of one that has none', undefined, ppk('q1', 1, true), 'b', 'which is required'],
      [
        'the responder, of one with another',
        ppk('q2', 1),
        ppk('q1', 1, true),
        'b',
        'pre-shared key q2, configured is q1',
      ],
      [
        'the initiator, of one with another',
        ppk('q2', 1, true),
        ppk('q1', 1),
        'b',
        'pre-shared key q2, configured is q1',
      ],
    ] as const)('is required by %s', (_, a, b, by, why) => {
      const pair = run(a, b)
      expect(refusals(pair[by])[0]?.message).toContain(why)
      expect(pair.a.status()).toEqual([])
      expect([...pair.a.eventsOf('ike-established'), ...pair.b.eventsOf('ike-established')]).toEqual([])
    })

    it.each([true, false])('with another secret is refused, required: %s', (required) => {
      const pair = run(ppk('q1', 1, required), ppk('q1', 2, required))
      expect(refusals(pair.b)).toHaveLength(1)
      expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
      expect(pair.b.eventsOf('ike-established')).toEqual([])
    })

    it('that somebody hides in the answer does not do for an initiator that requires it', () => {
      alterPayloads(({ flags }, payloads) =>
        flags.response ? payloads.filter((one) => one.kind !== 'N' || one.notify !== PPK_IDENTITY) : payloads,
      )
      const pair = run(ppk('q1', 1, true), ppk('q1', 1))
      expect(refusals(pair.a)[0]?.hint).toContain('connections.office.ppk.required: false')
      expect(pair.a.eventsOf('ike-established')).toEqual([])
    })

    it('that is not told does not do for a responder that requires it', () => {
      alterPayloads(({ flags }, payloads) =>
        flags.response ? payloads : payloads.filter((one) => one.kind !== 'N' || one.notify !== PPK_IDENTITY),
      )
      const pair = run(ppk('q1', 1), ppk('q1', 1, true))
      expect(refusals(pair.b)).toHaveLength(1)
      expect(pair.b.eventsOf('ike-established')).toEqual([])
    })
  },
)

describe('a post-quantum pre-shared key with EAP', () => {
  it('goes as in RFC 8784 §3: the first AUTH of the responder is without it', () => {
    expect(authMessages(both([eap], [bob], having(ppk('q1', 1), ppk('q1', 1))))).toEqual([
      '> IDi N(INITIAL_CONTACT) CERTREQ IDr SA TSi TSr',
      '< IDr CERT AUTH EAP',
      ...['> EAP', '< EAP', '> EAP', '< EAP'],
      '> AUTH N(PPK_IDENTITY) N(NO_PPK_AUTH)',
      '< AUTH N(PPK_IDENTITY) SA TSi TSr',
    ])
  })

  it('that has another secret, and could be done without, is told as that', () => {
    const pair = both([eap], [bob], having(ppk('q1', 1), ppk('q1', 2)))
    expect(refusals(pair.b)[0]?.hint).toContain('connections.branch.ppk.secret')
    expect(refusals(pair.a)[0]?.by).toBe('peer')
  })

  it('that has another secret, or a method that differs, is told as either', () => {
    const pair = both([eap], [bob], having(ppk('q1', 1, true), ppk('q1', 2, true)))
    expect(refusals(pair.b)[0]?.message).toContain('with the key that the method made and the post-quantum')
  })

  it('does not hide that the methods differ', () => {
    const pair = both([[eapUser('u:p'), eapServer('u:p keyless')]], [bob], having(ppk('q1', 1), ppk('q1', 1)))
    expect(refusals(pair.b)[0]?.message).toContain('AUTH does not verify with the key that the method made')
  })

  it('is no proof for the next round: each has its own', () => {
    const pair = both(
      [alice, [eapUser('u:x'), eapServer('u:p')]],
      [bob],
      having(ppk('q1', 1, true), ppk('q1', 1, true)),
    )
    expect(refusals(pair.b)[0]?.message).toBe('the password says no')
    expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
  })

  it('is not used where the other end has not said in IKE_SA_INIT that it can', () => {
    const a = side([eap[0]], [bob[1]])
    const b = side([bob[0]], [eap[1]])
    const pair = authPair(
      { ...a, change: (connection) => ({ ...a.change!(connection), ppk: ppk('q1', 1) }) },
      { ...b, change: (connection) => ({ ...b.change!(connection), ppk: ppk('q1', 1) }) },
    )
    pair.network.path = alterInit('request', withoutNotify(USE_PPK))
    pair.a.initiate('office')
    pair.clock.advance(2_000)
    expect(authMessages(pair).join()).not.toContain('PPK')
  })

  it('is rekeyed with', () => {
    const pair = both([eap], [bob], having(ppk('q1', 1, true), ppk('q1', 1, true)))
    pair.b.perform(pair.b.ike.rekeyIke(1, pair.clock.now))
    pair.clock.advance(1_000)
    expect(pair.a.eventsOf('ike-rekeyed')).toHaveLength(1)
  })
})
