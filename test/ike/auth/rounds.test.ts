import { afterEach, describe, expect, it, vi } from 'vitest'
import { parseIdentity } from '../../../src/ike/index.ts'
import { alterPayloads } from '../alter.ts'
import { alterInit, withoutNotify } from '../alter-init.ts'
import {
  attempt,
  authMessages,
  authPair,
  eapServer,
  eapUser,
  psk,
  refusals,
  signs,
  stands,
  trusts,
} from './answering.ts'
import { alice, bob, both, byEap, carol, eap, keyless, none, shared, side, type Ways } from './rounds-support.ts'

afterEach(() => vi.restoreAllMocks())

const ANOTHER_AUTH_FOLLOWS = 16405
const MULTIPLE_AUTH_SUPPORTED = 16404

describe('multiple authentication (RFC 4739)', () => {
  it.each([
    ['signature, EAP', [alice, eap], [bob]],
    ['signature, signature', [alice, carol], [bob]],
    ['pre-shared key, EAP without a key', [shared, keyless], [shared]],
    ['EAP, EAP', [eap, keyless], [bob]],
    ['EAP, signature', [eap, alice], [bob]],
    ['EAP, pre-shared key, signature', [eap, shared, alice], [bob]],
    ['signature; the responder twice', [alice], [bob, shared]],
    ['signature, EAP; the responder twice', [alice, eap], [bob, shared]],
    ['EAP, signature; the responder twice', [eap, alice], [bob, carol]],
    ['EAP; the responder three times', [eap], [bob, shared, carol]],
    ['nothing, then EAP', [none, eap], [bob]],
    ['EAP alone, then a signature', [eap, alice], [byEap]],
  ] as const)('stands with: %s', (_, initiator, responder) => {
    const pair = both(initiator, responder)
    expect(refusals(pair.b)).toEqual([])
    expect(stands(pair)).toBe(true)
    expect(pair.b.ikeSa.auth.remote).toEqual(initiator.map(([{ method }]) => method))
    expect(pair.a.ikeSa.auth.remote).toEqual(responder.map(([{ method }]) => method))
    expect(pair.a.ikeSa.remoteId).toEqual(parseIdentity('right.example.org'))
    expect(pair.b.ikeSa.remoteId).toEqual(parseIdentity('left.example.org'))
  })

  it('with EAP twice goes as in RFC 4739 §2.3', () => {
    const pair = both([eap, keyless], [bob])
    expect(authMessages(pair)).toEqual([
      '> IDi N(INITIAL_CONTACT) CERTREQ IDr SA TSi TSr N(MULTIPLE_AUTH_SUPPORTED)',
      '< IDr CERT AUTH EAP',
      ...['> EAP', '< EAP', '> EAP', '< EAP'],
      '> AUTH N(ANOTHER_AUTH_FOLLOWS)',
      '< AUTH',
      '> IDi',
      '< EAP',
      ...['> EAP', '< EAP', '> EAP', '< EAP'],
      '> AUTH',
      '< AUTH SA TSi TSr',
    ])
    const init = pair.a.eventsOf('message').filter(({ exchange }) => exchange === 'IKE_SA_INIT')
    expect(init[1]!.payloads).toContain('N(MULTIPLE_AUTH_SUPPORTED)')
  })

  it('with a signature and EAP goes as in RFC 4739 §2.3', () => {
    expect(authMessages(both([alice, eap], [bob]))).toEqual([
      '> IDi CERT N(INITIAL_CONTACT) CERTREQ IDr AUTH N(ANOTHER_AUTH_FOLLOWS) SA TSi TSr N(MULTIPLE_AUTH_SUPPORTED)',
      '< IDr CERT AUTH',
      '> IDi',
      '< EAP',
      ...['> EAP', '< EAP', '> EAP', '< EAP'],
      '> AUTH',
      '< AUTH SA TSi TSr',
    ])
  })

  it('tells nothing of it where each end proves itself once', () => {
    const pair = both([alice], [bob])
    expect(pair.a.eventsOf('message').flatMap(({ payloads }) => payloads)).not.toContain('N(MULTIPLE_AUTH_SUPPORTED)')
  })

  it.each([
    ['a second proof of somebody else', [alice, [signs('mallory'), trusts('carol')]], [bob], 'the signature says no'],
    [
      'a wrong password in the second round',
      [alice, [eapUser('u:x'), eapServer('u:p')]],
      [bob],
      'the password says no',
    ],
    [
      'EAP where a signature is to follow',
      [alice, [eapUser('u:p'), trusts('carol')]],
      [bob],
      'it wants EAP, configured is a signature',
    ],
    ['a signature where EAP is to follow', [alice, [signs('carol'), eapServer('u:p')]], [bob], 'configured is EAP'],
    ['a pre-shared key where a signature is to follow', [alice, [psk, trusts('carol')]], [bob], 'it uses psk'],
  ] as const)('refuses %s', (_, initiator, responder, why) => {
    const pair = both(initiator as Ways, responder)
    expect(refusals(pair.b)[0]?.message).toContain(why)
    expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
  })

  it('refuses a second proof of the responder that is somebody else', () => {
    const pair = both([alice], [bob, [signs('mallory'), trusts('carol')]])
    expect(refusals(pair.a)[0]?.message).toContain('the signature says no')
    expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
  })

  it('refuses another identity than the round is to have', () => {
    const a = side([signs('alice'), psk], [trusts('bob')])
    const b = side([signs('bob')], [trusts('alice'), psk])
    const pair = attempt(a, {
      ...b,
      change: (plain) => ({
        ...plain,
        remote: { ...plain.remote, further: [{ id: parseIdentity('somebody'), auth: psk }] },
      }),
    })
    expect(refusals(pair.b)[0]?.message).toContain('says that it is user0, expected is somebody')
  })

  it('refuses an initiator that proves itself less often than configured', () => {
    const pair = attempt(side([signs('alice')], [trusts('bob')]), side([signs('bob')], [trusts('alice'), psk]))
    expect(refusals(pair.b)[0]?.message).toContain('does not authenticate more than once')
  })

  it('refuses an initiator that proves itself more often than configured', () => {
    const pair = attempt(side([signs('alice'), psk], [trusts('bob')]), side([signs('bob'), psk], [trusts('alice')]))
    expect(refusals(pair.b)[0]?.message).toContain('wants to authenticate once more')
  })

  it('is not begun with a responder that has not said that it can', () => {
    const pair = authPair(side([signs('alice'), psk], [trusts('bob')]), side([signs('bob')], [trusts('alice'), psk]))
    pair.network.path = alterInit('response', withoutNotify(MULTIPLE_AUTH_SUPPORTED))
    pair.a.initiate('office')
    pair.clock.advance(2_000)
    expect(refusals(pair.a)[0]?.message).toContain('no MULTIPLE_AUTH_SUPPORTED')
    expect(authMessages(pair)).toEqual([])
  })

  it.each([
    ['more', [bob], [bob, shared]],
    ['less', [bob, shared], [bob]],
  ] as const)('refuses a responder that proves itself %s often than configured', (_, expected, made) => {
    const a = side(
      [signs('alice')],
      expected.map(([, remote]) => remote),
    )
    const b = side(
      made.map(([local]) => local),
      [trusts('alice')],
    )
    const pair = attempt(a, b)
    expect(refusals(pair.a).concat(refusals(pair.b)).length).toBeGreaterThan(0)
    expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
  })

  it('does not let a responder go on for ever', () => {
    alterPayloads(({ exchangeType, flags }, payloads) => {
      if (exchangeType !== 35 || !flags.response || !payloads.some(({ kind }) => kind === 'AUTH')) return payloads
      const follows = {
        kind: 'N',
        critical: false,
        protocol: 0,
        spi: new Uint8Array(0),
        notify: ANOTHER_AUTH_FOLLOWS,
        data: new Uint8Array(0),
      } as const
      return [...payloads, follows]
    })
    const pair = both([alice, shared], [bob])
    expect(refusals(pair.a)[0]?.message).toContain('wants to authenticate once more')
    expect(pair.a.status()).toEqual([])
  })
})
