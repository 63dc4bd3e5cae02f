import { describe, expect, it } from 'vitest'
import { type Answerer, answersOf } from '../../src/credentials/answers.ts'
import { Conversations } from '../../src/credentials/conversations.ts'
import { EapMethods, type EapMethodsOptions } from '../../src/credentials/eap.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { gtc, md5Challenge, mschapv2, passwordOf, usersOf } from '../../src/eap/index.ts'
import type { EapServerAnswer } from '../../src/ike/questions.ts'
import { worldWith } from '../eap/conversation.ts'
import { authenticate, peerQuestion, serverQuestion } from './eap-rounds.ts'

const { random } = worldWith()
const base = { crypto: nodeProvider, random, setting: 'connections.office.remote.eap' }
const password = 'correct horse'

const newMethods = (options: Partial<EapMethodsOptions>) => new EapMethods({ ...base, ...options })

const server = newMethods({ server: { methods: [mschapv2, md5Challenge], credentials: usersOf({ alice: password }) } })
const alice = (secret = password) =>
  newMethods({
    setting: 'connections.home.local.eap',
    peer: { methods: [mschapv2], credentials: passwordOf(secret), identity: 'alice' },
  })

describe('EapMethods', () => {
  it('answers as server and as peer up to the same key', async () => {
    const answers = await authenticate(server, alice())
    expect(answers.server).toMatchObject({ ok: true, done: true, identity: 'alice', packet: expect.any(Uint8Array) })
    expect(answers.peer).toMatchObject({ ok: true, done: true, mutual: true })
    if (!answers.server.ok || !('done' in answers.server) || !answers.peer.ok || !('done' in answers.peer)) return
    expect(answers.server.msk).toHaveLength(64)
    expect(answers.peer.msk).toEqual(answers.server.msk)
  })

  it('keeps the conversations of several endpoints apart that count them from the same number', async () => {
    const shared = newMethods({ server: { methods: [mschapv2], credentials: usersOf({ alice: password, bob: 'y' }) } })
    const bob = newMethods({ peer: { methods: [mschapv2], credentials: passwordOf('y'), identity: 'bob' } })
    const sides = [
      { ask: answersOf({}), peer: alice(), packet: undefined, end: undefined },
      { ask: answersOf({}), peer: bob, packet: undefined, end: undefined },
    ] as { ask: Answerer; peer: EapMethods; packet: Uint8Array | undefined; end: EapServerAnswer | undefined }[]
    for (let turn = 0; turn < 10; turn++) {
      for (const side of sides.filter(({ end }) => end === undefined)) {
        const asked = (await side.ask(serverQuestion(shared, 1, side.packet))) as EapServerAnswer
        if (!asked.ok || 'done' in asked) {
          side.end = asked
          continue
        }
        const answered = await side.peer.answerEapPeer(peerQuestion(side.peer, 1, asked.packet))
        side.packet = answered.ok && 'packet' in answered ? answered.packet : undefined
      }
    }
    expect(sides.map(({ end }) => end)).toMatchObject([{ identity: 'alice' }, { identity: 'bob' }])
  })

  it('answers in the same turn with methods that need not wait', () => {
    const answer = server.answerEapServer(serverQuestion(server, 2, undefined))
    expect(answer).not.toBeInstanceOf(Promise)
    server.end(2)
  })

  it('takes the IKE identity as the name where it is told to', async () => {
    const role = { methods: [md5Challenge], credentials: usersOf({ 'alice@example.org': 'x' }) }
    const byIke = newMethods({ server: { ...role, identity: 'ike' } })
    const peer = newMethods({ peer: { methods: [md5Challenge], credentials: passwordOf('x') } })
    const { server: answer } = await authenticate(byIke, peer, 1, 'alice@example.org')
    expect(answer).toMatchObject({ done: true, identity: 'alice@example.org', msk: undefined })
  })

  it('takes the users alone that are named, whoever they say to be in IKE', async () => {
    const role = { methods: [mschapv2], credentials: usersOf({ alice: password, boss: 'y' }) }
    const { server: refused } = await authenticate(newMethods({ server: role, users: ['boss'] }), alice(), 1, 'boss')
    expect(refused).toMatchObject({ ok: false, message: 'EAP: alice is not among the users that are taken here' })
    const { server: taken } = await authenticate(newMethods({ server: role, users: ['alice'] }), alice(), 1, 'boss')
    expect(taken).toMatchObject({ ok: true, identity: 'alice' })
  })

  it('takes nobody who proves to be another than the IKE identity that it was told to take', async () => {
    const role = { methods: [mschapv2], credentials: usersOf({ alice: password, boss: 'y' }), identity: 'ike' } as const
    const { server: refused } = await authenticate(newMethods({ server: role }), alice(), 1, 'boss')
    expect(refused).toMatchObject({ ok: false, message: 'EAP: boss proved to be alice' })
    expect((await authenticate(newMethods({ server: role }), alice(), 1, 'Alice')).server.ok).toBe(true)
  })

  it('says what was wrong and where to change it, and never the password', async () => {
    const { server: refused, peer } = await authenticate(server, alice('hunter2'))
    expect(refused).toMatchObject({
      ok: false,
      message: 'EAP: wrong password of alice',
      hint: expect.stringContaining('connections.office.remote.eap'),
      packet: expect.any(Uint8Array),
    })
    expect(peer).toMatchObject({
      ok: false,
      message: expect.stringContaining('error 691'),
      hint: expect.stringContaining('connections.home.local.eap'),
    })
    const texts = JSON.stringify([refused, peer, server, alice('hunter2')])
    expect(texts).not.toContain('hunter2')
    expect(texts).not.toContain(password)
  })

  it('hands a conversation to another server of EAP', async () => {
    const seen: (Uint8Array | undefined)[] = []
    const passing = newMethods({
      server: ({ connection }) => ({
        next(packet) {
          seen.push(packet)
          return packet === undefined
            ? { ok: true, packet: Uint8Array.of(1, 0, 0, 5, 1) }
            : { ok: true, done: true, packet: Uint8Array.of(3, 0, 0, 4), msk: undefined, identity: connection }
        },
        destroy: () => seen.push(undefined),
      }),
    })
    await passing.answerEapServer(serverQuestion(passing, 7, undefined))
    const end = await passing.answerEapServer(serverQuestion(passing, 7, Uint8Array.of(2, 0, 0, 5, 1)))
    expect(end).toMatchObject({ done: true, identity: 'office' })
    expect(seen).toEqual([undefined, Uint8Array.of(2, 0, 0, 5, 1), undefined])
    expect(await passing.answerEapServer(serverQuestion(passing, 7, Uint8Array.of(2)))).toMatchObject({ ok: false })
  })

  it('says so when the role is not set', async () => {
    expect(alice().answerEapServer(serverQuestion(server, 1, undefined))).toMatchObject({ ok: false })
    expect(server.answerEapPeer(peerQuestion(server, 1, Uint8Array.of(1, 1, 0, 5, 1)))).toMatchObject({ ok: false })
  })

  it('names its methods', () => {
    expect([server.description, alice().description]).toEqual(['eap-mschapv2,md5', 'eap-mschapv2'])
    expect(newMethods({ peer: { methods: [gtc], credentials: {} } }).description).toBe('eap-gtc')
  })
})

describe('conversations', () => {
  class Tracked {
    ended = false
    destroy(): void {
      this.ended = true
    }
  }
  const tracked = () => new Tracked()

  it('end when they rest too long, and when another one takes their number', () => {
    let now = 0
    const all = new Conversations<Tracked>({ now: () => now, idleMs: 100, maxConversations: 3 })
    const [a, b, c, d] = [tracked(), tracked(), tracked(), tracked()] as const
    all.add(1, a)
    all.add(2, b)
    now = 60
    expect(all.find(1)).toBe(a)
    now = 110
    all.add(3, c)
    expect([a.ended, b.ended]).toEqual([false, true])
    all.add(3, d)
    expect([c.ended, d.ended, all.size]).toEqual([true, false, 2])
  })

  it('are refused above the limit', () => {
    const all = new Conversations<Tracked>({ now: () => 0, maxConversations: 2 })
    expect([1, 2, 3].map((id) => all.add(id, tracked()))).toEqual([true, true, false])
    all.end(1)
    expect(all.add(4, tracked())).toBe(true)
  })
})
