import { describe, expect, it } from 'vitest'
import type { LocalAuth, RemoteAuth } from '../../../src/ike/config.ts'
import type { Answer } from '../../../src/ike/questions.ts'
import {
  attempt,
  authMessages,
  eapOnly,
  eapServer,
  eapUser,
  no,
  nobody,
  psk,
  refusals,
  signs,
  stands,
  trusts,
  usually,
} from './answering.ts'

type Way = readonly [name: string, local: LocalAuth, remote: RemoteAuth, method: string]

const ofInitiator: readonly Way[] = [
  ['a pre-shared key', psk, psk, 'psk'],
  ['a signature', signs('alice'), trusts('alice'), 'pubkey'],
  ['EAP', eapUser('u:p'), eapServer('u:p'), 'eap'],
  ['EAP without a key', eapUser('u:p keyless'), eapServer('u:p keyless'), 'eap'],
  ['nothing', nobody, nobody, 'null'],
]
const ofResponder: readonly Way[] = [
  ['a pre-shared key', psk, psk, 'psk'],
  ['a signature', signs('bob'), trusts('bob'), 'pubkey'],
  ['nothing', nobody, nobody, 'null'],
]

describe('IKE_AUTH', () => {
  it.each(ofInitiator.flatMap((i) => ofResponder.map((r) => [i[0], r[0], i, r] as const)))(
    'stands with %s of the initiator and %s of the responder',
    (_, __, [, localA, remoteB, methodA], [, localB, remoteA, methodB]) => {
      const pair = attempt({ local: localA, remote: remoteA }, { local: localB, remote: remoteB })
      expect(stands(pair)).toBe(true)
      expect(pair.a.ikeSa.auth).toMatchObject({ local: [methodA], remote: [methodB] })
      expect(pair.b.ikeSa.auth).toMatchObject({ local: [methodB], remote: [methodA] })
    },
  )

  it('lets EAP prove both ends', () => {
    const pair = attempt({ local: eapUser('u:p'), remote: eapOnly }, { local: eapOnly, remote: eapServer('u:p') })
    expect(stands(pair)).toBe(true)
    expect(pair.a.ikeSa.auth).toEqual({ local: ['eap'], remote: ['eap-only'] })
    expect(pair.b.ikeSa.auth).toEqual({ local: ['eap-only'], remote: ['eap'], eapIdentity: 'u' })
  })

  it('tells whose certificate it was', () => {
    const pair = attempt(
      { local: signs('alice'), remote: trusts('bob') },
      { local: signs('bob'), remote: trusts('alice') },
    )
    expect(pair.b.ikeSa.auth.certificate?.subject).toBe('CN=alice')
    expect(pair.a.ikeSa.auth.certificate?.subject).toBe('CN=bob')
  })
})

describe('the messages of IKE_AUTH', () => {
  it('with signatures are those of RFC 7296 §1.2', () => {
    const pair = attempt(
      { local: signs('alice'), remote: trusts('bob') },
      { local: signs('bob'), remote: trusts('alice') },
    )
    expect(authMessages(pair)).toEqual([
      '> IDi CERT N(INITIAL_CONTACT) CERTREQ IDr AUTH SA TSi TSr',
      '< IDr CERT AUTH SA TSi TSr',
    ])
    const init = pair.a.eventsOf('message').filter(({ exchange }) => exchange === 'IKE_SA_INIT')
    expect(init[1]!.payloads).toContain('CERTREQ')
  })

  it('with EAP are those of RFC 7296 §2.16', () => {
    const pair = attempt(
      { local: eapUser('u:p'), remote: trusts('bob') },
      { local: signs('bob'), remote: eapServer('u:p') },
    )
    expect(authMessages(pair)).toEqual([
      '> IDi N(INITIAL_CONTACT) CERTREQ IDr SA TSi TSr',
      '< IDr CERT AUTH EAP',
      '> EAP',
      '< EAP',
      '> EAP',
      '< EAP',
      '> AUTH',
      '< AUTH SA TSi TSr',
    ])
  })

  it('with EAP alone are those of RFC 5998 §3', () => {
    const pair = attempt({ local: eapUser('u:p'), remote: eapOnly }, { local: eapOnly, remote: eapServer('u:p') })
    expect(authMessages(pair).slice(0, 2)).toEqual([
      '> IDi N(INITIAL_CONTACT) IDr SA TSi TSr N(EAP_ONLY_AUTHENTICATION)',
      '< IDr EAP',
    ])
    expect(authMessages(pair).slice(-2)).toEqual(['> AUTH', '< AUTH SA TSi TSr'])
  })

  it.each([
    ['always', 1],
    ['asked', 0],
    ['never', 0],
  ] as const)('hold a certificate for a peer that asks for none: %s', (when, count) => {
    const unasking = { ...trusts('alice'), authorities: [] } as RemoteAuth
    const pair = attempt({ local: signs('alice', when), remote: psk }, { local: psk, remote: unasking })
    expect(authMessages(pair)[0]!.split('CERT').length - 1).toBe(count)
    expect(stands(pair)).toBe(true)
  })

  it('hold no certificate where none is ever to be sent', () => {
    const pair = attempt({ local: signs('alice', 'never'), remote: psk }, { local: psk, remote: trusts('alice') })
    expect(authMessages(pair)[0]).not.toContain('CERT')
  })
})

describe('a question about a signature', () => {
  const pair = attempt(
    { local: signs('alice'), remote: trusts('bob') },
    { local: signs('bob'), remote: trusts('alice') },
  )
  const [sign, verify] = pair.asked.a.map(({ question }) => question)

  it('tells whoever signs what the peer takes', () => {
    expect(sign).toMatchObject({ kind: 'sign', hashes: [2, 3, 4, 5], requests: [{ encoding: 4 }] })
    expect(sign?.kind === 'sign' && sign.requests[0]!.data.length).toBe(20)
  })

  it('tells whoever verifies all about it', () => {
    expect(verify).toMatchObject({ kind: 'verify', connection: 'office', method: 14 })
    expect(verify?.kind === 'verify' && verify.certificates.map(({ data }) => new TextDecoder().decode(data))).toEqual([
      'bob',
    ])
  })
})

describe('a proof that does not do', () => {
  it.each([
    [
      'a signature of somebody else',
      { local: signs('mallory'), remote: psk },
      { local: psk, remote: trusts('alice') },
      'the signature says no',
    ],
    [
      'a wrong password',
      { local: eapUser('u:x'), remote: psk },
      { local: psk, remote: eapServer('u:p') },
      'the password says no',
    ],
    [
      'an unknown user',
      { local: eapUser('x:p'), remote: psk },
      { local: psk, remote: eapServer('u:p') },
      'the user says no',
    ],
    [
      'another key of EAP',
      { local: eapUser('u:p '), remote: psk },
      { local: psk, remote: eapServer('u:p keyless') },
      'does not verify',
    ],
    [
      'a pre-shared key in place of a signature',
      { local: psk, remote: psk },
      { local: psk, remote: trusts('alice') },
      'it uses psk, configured is a signature',
    ],
    [
      'EAP in place of a signature',
      { local: eapUser('u:p'), remote: psk },
      { local: psk, remote: trusts('alice') },
      'it wants EAP, configured is a signature',
    ],
    [
      'a signature in place of a pre-shared key',
      { local: signs('alice'), remote: psk },
      { local: psk, remote: psk },
      'it uses DIGITAL_SIGNATURE, configured is a pre-shared key',
    ],
    [
      'nothing in place of a pre-shared key',
      { local: nobody, remote: psk },
      { local: psk, remote: psk },
      'it uses NULL, configured is a pre-shared key',
    ],
    [
      'a pre-shared key where nothing is wanted',
      { local: psk, remote: psk },
      { local: psk, remote: nobody },
      'it uses psk, configured is no proof at all',
    ],
    [
      'EAP alone for a responder that the initiator wants a signature of',
      { local: eapUser('u:p'), remote: trusts('bob') },
      { local: eapOnly, remote: eapServer('u:p') },
      'did not say that EAP alone will do',
    ],
    [
      'a method of EAP without a key that is to prove both',
      { local: eapUser('u:p keyless'), remote: eapOnly },
      { local: eapOnly, remote: eapServer('u:p keyless') },
      'the method',
    ],
  ])('%s is refused by the responder', (_, a, b, why) => {
    const pair = attempt(a, b)
    expect(pair.b.status()).toEqual([])
    expect([...refusals(pair.b), ...refusals(pair.a)].map(({ message }) => message).join()).toContain(why)
    expect(refusals(pair.a)).toHaveLength(1)
    expect(pair.a.status()).toEqual([])
  })

  it('is told with the reason of the method, also where the peer goes away before EAP Failure', () => {
    const refusal = { ok: false, message: 'wrong password of u', hint: 'the users' } as const
    const pair = attempt(
      {
        local: eapUser('u:x'),
        remote: psk,
        otherwise: (question) =>
          question.kind === 'eap-peer' && question.packet[1] === 2 ? no('our method') : undefined,
      },
      {
        local: psk,
        remote: eapServer('u:p'),
        otherwise(question) {
          if (question.kind !== 'eap-server') return undefined
          const usual = usually(question)
          return 'packet' in usual && usual.packet?.[1] === 2 ? ({ ...usual, refusal } as Answer) : usual
        },
      },
    )
    expect(refusals(pair.b)).toMatchObject([{ method: 'eap', message: 'wrong password of u', hint: 'the users' }])
  })

  it('tells the peer nothing but AUTHENTICATION_FAILED, or EAP Failure', () => {
    const signed = attempt({ local: signs('mallory'), remote: psk }, { local: psk, remote: trusts('alice') })
    expect(authMessages(signed).at(-1)).toBe('< N(AUTHENTICATION_FAILED)')
    const eap = attempt({ local: eapUser('u:x'), remote: psk }, { local: psk, remote: eapServer('u:p') })
    expect(authMessages(eap).at(-1)).toBe('< EAP')
    expect(refusals(eap.a)[0]).toMatchObject({ by: 'peer', method: 'eap' })
  })

  it.each([
    [
      'a signature of somebody else',
      { local: psk, remote: trusts('bob') },
      { local: signs('mallory'), remote: psk },
      'the signature says no',
    ],
    [
      'another pre-shared key',
      { local: signs('alice'), remote: psk },
      { local: { ...psk, secret: Uint8Array.of(1) } as LocalAuth, remote: trusts('alice') },
      'pre-shared keys differ',
    ],
    [
      'a pre-shared key in place of a signature',
      { local: psk, remote: trusts('bob') },
      { local: psk, remote: psk },
      'it uses psk, configured is a signature',
    ],
    [
      'a method of EAP that does not prove the responder',
      { local: eapUser('u:p one-way'), remote: eapOnly },
      { local: eapOnly, remote: eapServer('u:p one-way') },
      'did not prove the peer',
    ],
    [
      'no AUTH beside EAP',
      { local: eapUser('u:p'), remote: trusts('bob') },
      { local: signs('mallory'), remote: eapServer('u:p') },
      'the signature says no',
    ],
  ])('%s is refused by the initiator', (_, a, b, why) => {
    const pair = attempt(a, b)
    expect(refusals(pair.a)[0]?.message).toContain(why)
    expect(pair.a.status()).toEqual([])
    expect(pair.b.status()).toEqual([])
  })
})

describe('what is asked of a peer beside its certificates', () => {
  const asking = { ...trusts('alice'), hashAndUrl: true, wantsOcsp: true } as RemoteAuth

  it.each([
    ['a responder', 'IKE_SA_INIT', { local: signs('alice'), remote: psk }, { local: psk, remote: asking }],
    ['an initiator', 'IKE_AUTH', { local: psk, remote: asking }, { local: signs('alice'), remote: psk }],
  ])('%s asks in %s for answers of OCSP, and takes URLs', (_, exchange, a, b) => {
    const pair = attempt(a, b)
    expect(stands(pair)).toBe(true)
    const said = pair.b.eventsOf('message').filter((message) => message.exchange === exchange)
    const payloads = said.flatMap((message) => message.payloads)
    expect(payloads.filter((payload) => payload === 'CERTREQ')).toHaveLength(2)
    expect(payloads).toContain('N(HTTP_CERT_LOOKUP_SUPPORTED)')
  })
})

describe('a connection that cannot begin', () => {
  it('because it is to be proved by the EAP of an initiator says so', () => {
    const pair = attempt({ local: eapOnly, remote: trusts('bob') }, { local: signs('bob'), remote: psk })
    expect(refusals(pair.a)[0]?.message).toContain(
      'has local.auth "eap-only", with which the initiator cannot prove itself',
    )
    expect(authMessages(pair)).toEqual([])
    expect(pair.a.status()).toEqual([])
  })
})
