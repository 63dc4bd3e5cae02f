import { describe, expect, it } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import type { Answer, Question } from '../../../src/ike/questions.ts'
import {
  attempt,
  authMessages,
  eapServer,
  eapUser,
  no,
  type Otherwise,
  psk,
  refusals,
  type Side,
  signs,
  stands,
  trusts,
  usually,
} from './answering.ts'

const later =
  (kind: Question['kind']): Otherwise =>
  (question) =>
    question.kind === kind ? 'later' : undefined

const refusing =
  (kind: Question['kind']): Otherwise =>
  (question) =>
    question.kind === kind ? no(kind) : undefined

const signedA: Side = { local: signs('alice'), remote: trusts('bob') }
const signedB: Side = { local: signs('bob'), remote: trusts('alice') }
const eapA: Side = { local: eapUser('u:p'), remote: trusts('bob') }
const eapB: Side = { local: signs('bob'), remote: eapServer('u:p') }

/** Every kind of question of the set-up, and who is asked. */
const kinds = [
  ['sign', 'a', signedA, signedB],
  ['verify', 'a', signedA, signedB],
  ['sign', 'b', signedA, signedB],
  ['verify', 'b', signedA, signedB],
  ['eap-peer', 'a', eapA, eapB],
  ['eap-server', 'b', eapA, eapB],
  ['authorize', 'b', signedA, { ...signedB, asks: { authorize: true } }],
  ['select-child', 'b', signedA, { ...signedB, asks: { selectChild: true } }],
] as const

function withOtherwise(who: 'a' | 'b', a: Side, b: Side, otherwise: Otherwise): [Side, Side] {
  return who === 'a' ? [{ ...a, otherwise }, b] : [a, { ...b, otherwise }]
}

describe('a question that is answered late', () => {
  it.each(kinds)('(%s of %s) holds the set-up, and it goes on with the answer', (kind, who, a, b) => {
    const pair = attempt(...withOtherwise(who, a, b, later(kind)), 9_000)
    expect(stands(pair)).toBe(false)
    for (let rounds = 0; rounds < 9 && !stands(pair); rounds++) {
      const open = pair.asked[who].filter(({ question }) => question.kind === kind).at(-1)!
      pair[who].perform(pair[who].ike.answered(open.token, usually(open.question), pair.clock.now))
      pair.clock.advance(500)
    }
    expect(stands(pair)).toBe(true)
  })

  it('holds the set-up of no other', () => {
    const pair = attempt(signedA, { ...signedB, otherwise: later('verify') })
    const asked = pair.asked.b.length
    pair.b.perform(pair.b.ike.handleTimeouts(pair.clock.now))
    expect(pair.asked.b).toHaveLength(asked)
    expect(pair.b.status().map(({ state }) => state)).toEqual(['connecting'])
  })

  it('is asked once, whatever the peer repeats', () => {
    const pair = attempt(signedA, { ...signedB, otherwise: later('verify') }, 40_000)
    expect(pair.a.eventsOf('retransmit').length).toBeGreaterThan(2)
    expect(pair.asked.b.filter(({ question }) => question.kind === 'verify')).toHaveLength(1)
    expect(authMessages(pair)).toHaveLength(1)
  })

  it('is a promise as well', async () => {
    const promised: Otherwise = (question) =>
      question.kind === 'verify' ? Promise.resolve(usually(question)) : undefined
    const pair = attempt(signedA, { ...signedB, otherwise: promised })
    expect(stands(pair)).toBe(false)
    await Promise.resolve()
    pair.clock.advance(500)
    expect(stands(pair)).toBe(true)
  })

  it('is a no when its promise fails', async () => {
    const failing: Otherwise = (question) =>
      question.kind === 'verify' ? Promise.reject(new Error('the disk is full')) : undefined
    const pair = attempt(signedA, { ...signedB, otherwise: failing })
    await new Promise((resolve) => setTimeout(resolve))
    pair.clock.advance(500)
    expect(refusals(pair.b)[0]?.message).toBe('the disk is full')
    expect(authMessages(pair).at(-1)).toBe('< N(AUTHENTICATION_FAILED)')
  })
})

describe('a question that nobody answers', () => {
  it.each(kinds)('(%s of %s) is given up with its IKE_SA', (kind, who, a, b) => {
    const pair = attempt(...withOtherwise(who, a, b, later(kind)), 400_000)
    expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
    const open = pair.asked[who].at(-1)!
    expect(pair[who].ike.answered(open.token, usually(open.question), pair.clock.now)).toEqual([])
    expect(pair[who].eventsOf('ike-established')).toEqual([])
  })

  it('is named in the refusal', () => {
    const pair = attempt({ ...signedA, otherwise: later('sign') }, signedB, 400_000)
    expect(refusals(pair.a)[0]?.message).toContain('nobody answered the question "sign"')
    expect(pair.a.eventsOf('ike-closed')[0]).toMatchObject({ reason: 'timeout' })
  })
})

describe('a question that is answered with no', () => {
  it.each(kinds.slice(0, -1))('(%s of %s) is told on our side with the setting to change', (kind, who, a, b) => {
    const pair = attempt(...withOtherwise(who, a, b, refusing(kind)), 60_000)
    expect(refusals(pair[who])[0]).toMatchObject({
      kind: 'authentication-failed',
      by: 'local',
      message: `${kind} says no`,
      hint: `change ${kind}`,
    })
    expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
    expect(pair[who].eventsOf('ike-closed')[0]).toMatchObject({ reason: 'refused' })
  })

  it('about the child costs the CHILD_SA', () => {
    const pair = attempt(signedA, { ...signedB, asks: { selectChild: true }, otherwise: refusing('select-child') })
    expect(authMessages(pair).at(-1)).toBe('< IDr CERT AUTH N(TS_UNACCEPTABLE)')
    expect(refusals(pair.b)[0]).toMatchObject({ message: 'select-child says no' })
  })
})

describe('an IKE_SA that is deleted while a question is open', () => {
  it.each(kinds)('(%s of %s) is gone, and the answer goes nowhere', (kind, who, a, b) => {
    const pair = attempt(...withOtherwise(who, a, b, later(kind)))
    const open = pair.asked[who].at(-1)!
    const [sa] = pair[who].status()
    pair[who].perform(pair[who].ike.deleteIke(sa!.sa.id, pair.clock.now))
    pair.clock.advance(60_000)
    expect(pair[who].status()).toEqual([])
    expect(pair[who].ike.answered(open.token, usually(open.question), pair.clock.now)).toEqual([])
    pair.clock.advance(300_000)
    expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
  })
})

describe('an answer', () => {
  it('that was given already is passed over', () => {
    const pair = attempt(signedA, signedB)
    const { token, question } = pair.asked.b[0]!
    expect(pair.b.ike.answered(token, usually(question), pair.clock.now)).toEqual([])
    expect(stands(pair)).toBe(true)
  })

  it('to a question that was never asked is passed over', () => {
    const pair = attempt(signedA, signedB)
    expect(pair.b.ike.answered(4711, no('who'), pair.clock.now)).toEqual([])
  })

  it.each([
    ['sign', { ok: true }],
    ['sign', { ok: true, method: 14, data: 'no octets', certificates: [] }],
    ['verify', { ok: 'yes' }],
    ['verify', { ok: false, message: 'without a hint' }],
    ['eap-peer', { ok: true, packet: Uint8Array.of(2, 1, 0, 9) }],
    ['eap-peer', { ok: true, done: true, msk: undefined }],
    ['eap-peer', { ok: true, done: true, msk: new Uint8Array(0), mutual: true }],
    ['eap-server', { ok: true, done: true, packet: Uint8Array.of(3, 1, 0, 4), msk: undefined }],
    ['eap-server', { ok: true, done: true, packet: Uint8Array.of(3, 1, 0, 4), msk: new Uint8Array(63), identity: 'u' }],
    ['eap-server', { ok: false, message: '', hint: '', packet: Uint8Array.of(4) }],
    ['select-child', { ok: true, child: 1 }],
  ] as const)('to "%s" of another kind (%j) is our caller\'s mistake, and the question stays open', (kind, wrong) => {
    const [, who, a, b] = kinds.find(([one]) => one === kind)!
    const pair = attempt(...withOtherwise(who, a, b, later(kind)))
    const open = pair.asked[who].at(-1)!
    expect(() => pair[who].ike.answered(open.token, wrong as unknown as Answer, pair.clock.now)).toThrow(UsageError)
    pair[who].perform(pair[who].ike.answered(open.token, usually(open.question), pair.clock.now))
    expect(pair.asked[who].length + pair[who].eventsOf('ike-established').length).toBeGreaterThan(0)
  })
})

describe('with pre-shared keys alone', () => {
  it('nobody is asked', () => {
    const pair = attempt({ local: psk, remote: psk }, { local: psk, remote: psk })
    expect(stands(pair)).toBe(true)
    expect([...pair.asked.a, ...pair.asked.b]).toEqual([])
  })
})
