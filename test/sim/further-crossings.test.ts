import { afterEach, describe, expect, it, vi } from 'vitest'
import type { PskConnection } from '../../src/config/connection.ts'
import type { AddressRangeSelector } from '../../src/ike/codec/index.ts'
import { alterPayloads } from '../ike/alter.ts'
import { leftConnection, rightConnection } from '../ike/support.ts'
import { expectAgreement, expectNoLoss, makeScene, play, type Scene, settle } from './scene.ts'

afterEach(() => vi.restoreAllMocks())

/** Two children, whichever comes up first. */
const twoChildren = (of: PskConnection, settings: object = {}) => {
  const [localTs, remoteTs] = of === leftConnection ? ['10.3.0.0/16', '10.4.0.0/16'] : ['10.4.0.0/16', '10.3.0.0/16']
  const second = { name: 'second', localTs: [localTs!], remoteTs: [remoteTs!], espProposals: ['aes128gcm16'] }
  return [...of.children, second].map((child) => ({ ...child, ...settings }))
}

/** Delivers what waits until nothing follows, one message after the other. */
function deliverAll(scene: Scene): void {
  for (let rounds = 0; rounds < 200 && scene.mail.waiting.length > 0; rounds++) {
    scene.mail.deliver(scene.mail.waiting[0]!)
    scene.clock.advance(5)
  }
}

describe('both ends make a CHILD_SA with a key exchange at once', () => {
  const esp = 'aes128gcm16-x25519'
  const changes = {
    A: { children: twoChildren(leftConnection, { espProposals: [esp] }) },
    B: { children: twoChildren(rightConnection, { espProposals: [esp] }) },
  }

  it.each([
    ['the answer to A comes first', ['A gets response', 'A gets request']],
    ['the request of B comes first', ['A gets request', 'A gets response']],
    ['the answer to A is lost', ['A loses response', 'A gets request']],
    ['the request of B is lost', ['A loses request', 'A gets response']],
  ])('%s: both stand, each with keys of its own', (_, steps) => {
    const scene = makeScene(changes)
    play(scene, ['A makes second', 'B gets request', 'B makes second', ...steps])
    settle(scene)
    expectAgreement(scene, { children: ['net', 'second', 'second'] })
    expectNoLoss(scene)
    for (const peer of [scene.A, scene.B]) expect(peer.eventsOf('refused')).toEqual([])
  })
})

describe('a CHILD_SA that B rekeys before A has the answer that makes it', () => {
  it.each(['late', 'lost'])('stands at both ends when that answer is %s', (how) => {
    const scene = makeScene({
      A: { children: twoChildren(leftConnection) },
      B: { children: twoChildren(rightConnection) },
    })
    play(scene, ['A makes second', 'B gets request'])
    const made = scene.B.ikeSa.children.find(({ name }) => name === 'second')!
    scene.B.perform(scene.B.ike.rekeyChild(scene.B.ikeSa.sa.id, made.spiIn, scene.B.now))
    play(scene, ['A gets request', ...(how === 'lost' ? ['A loses response TSi'] : []), 'B gets response'])
    settle(scene)
    expectAgreement(scene, { children: ['net', 'second'] })
    expectNoLoss(scene)
  })
})

describe.each(['replace', 'keep', 'never'] as const)(
  'each end sets another CHILD_SA of the connection up from nothing, where the policy is %s',
  (uniqueness) => {
    const begin = () =>
      makeScene({
        A: { uniqueness, children: twoChildren(leftConnection) },
        B: { uniqueness, children: twoChildren(rightConnection) },
        before: () => {},
        silent: true,
      })

    it.each([
      ['both IKE_SA_INITs are answered', ['B gets request', 'A gets response']],
      ['the IKE_SA_INIT of A is lost until that of B stands', ['B loses request']],
      ['the answer to the IKE_SA_INIT of A is lost', ['B gets request', 'A loses response']],
    ])('%s: both stand', (_, steps) => {
      const scene = begin()
      scene.A.initiate('office', 'net')
      scene.B.initiate('branch', 'second')
      play(scene, steps)
      play(scene, ['A gets request', 'B gets response', 'A gets request IDi'])
      deliverAll(scene)
      scene.mail.release()
      scene.clock.advance(60_000)
      settle(scene)
      const ikeSas = scene.A.status().length
      expect(ikeSas).toBeLessThanOrEqual(uniqueness === 'never' ? 2 : 1)
      expectAgreement(scene, { ikeSas, children: ['net', 'second'] })
    })
  },
)

describe('both ends set everything up by themselves', () => {
  const starts = (settings: object) => ({
    A: { children: twoChildren(leftConnection, settings) },
    B: { children: twoChildren(rightConnection, settings) },
  })
  const quick = { livenessDelayMs: 5_000, keyingTries: 0 }

  it.each([0, 3, 700])('when both are switched on, the other %i ms later', (ms) => {
    const { A, B } = starts({ startAction: 'start' })
    const scene = makeScene({ A, B, before: () => {}, silent: true })
    scene.mail.release()
    scene.A.begin()
    scene.clock.advance(ms)
    scene.B.begin()
    scene.clock.advance(20_000)
    scene.traffic.start()
    settle(scene)
    // What both ask for at the same moment may stand twice (RFC 7296 §2.8.1 knows no loser there).
    const { children } = scene.A.ikeSa
    expect([...new Set(children.map(({ name }) => name))].sort()).toEqual(['net', 'second'])
    expect(children.length).toBeLessThanOrEqual(3)
    expectAgreement(scene, { children: children.map(({ name }) => name) })
    expectNoLoss(scene)
  })

  it.each(['A', 'B'] as const)('when %s was switched off and on again', (side) => {
    const { A, B } = starts({ startAction: 'start', dpdAction: 'restart' })
    const scene = makeScene({ A: { ...A, ...quick }, B: { ...B, ...quick }, silent: true })
    scene.mail.release()
    scene[side].crash()
    scene.clock.advance(2_000)
    scene[side].restart()
    scene[side].begin()
    scene.clock.advance(120_000)
    for (const peer of [scene.A, scene.B]) {
      expect(peer.status().map(({ state }) => state)).toEqual(['established'])
      expect(peer.ikeSa.children.map(({ name }) => name).sort()).toEqual(['net', 'second'])
    }
    scene.traffic.start()
    scene.clock.advance(5_000)
    scene.traffic.stop()
    scene.clock.advance(1_000)
    expectNoLoss(scene)
  })

  it.each(['A', 'B'] as const)('and again when %s deletes the IKE_SA that is left', (side) => {
    const { A, B } = starts({ startAction: 'start', closeAction: 'start' })
    const scene = makeScene({ A, B, before: () => {}, silent: true })
    scene.A.begin()
    scene.B.begin()
    deliverAll(scene)
    scene.mail.release()
    scene.clock.advance(20_000)
    const other = side === 'A' ? 'B' : 'A'
    scene[side].perform(scene[side].ike.deleteIke(scene[side].ikeSa.sa.id, scene.clock.now))
    scene.clock.advance(60_000)
    settle(scene)
    expectAgreement(scene, { children: ['net', 'second'] })
    expect(scene[other].ikeSa.role).toBe('initiator')
  })
})

describe('many CHILD_SAs that are rekeyed and deleted at once', () => {
  const count = 20
  const nets = Array.from({ length: count }, (_, i) => i)
  const many = (local: number, remote: number) =>
    nets.map((i) => ({
      name: `net${i}`,
      localTs: [`10.${local}.${i}.0/24`],
      remoteTs: [`10.${remote}.${i}.0/24`],
      espProposals: ['aes128gcm16'],
    }))
  const names = nets.map((i) => `net${i}`)

  const begin = (windowSize = 1) => {
    const scene = makeScene({
      A: { children: many(1, 2), windowSize },
      B: { children: many(2, 1), windowSize },
      before: ({ A, clock }) => {
        for (const name of names) A.initiate('office', name)
        clock.advance(5_000)
      },
    })
    expect(scene.A.ikeSa.children).toHaveLength(count)
    return scene
  }
  const rekeyAll = (scene: Scene, side: 'A' | 'B') => {
    const peer = scene[side]
    for (const { spiIn } of peer.ikeSa.children) peer.perform(peer.ike.rekeyChild(peer.ikeSa.sa.id, spiIn, peer.now))
  }

  it.each([
    [1, 0],
    [1, 3],
    [4, 3],
  ])('each has a successor, with a window of %i, when every answer is late and %i are lost', (windowSize, losses) => {
    const scene = begin(windowSize)
    const before = scene.A.ikeSa.children.map(({ spiIn }) => spiIn)
    rekeyAll(scene, 'A')
    scene.clock.advance(20)
    for (let lost = 0; lost < losses; lost++) {
      play(scene, ['B gets request', 'A loses response'])
      scene.clock.advance(600)
    }
    scene.mail.release()
    scene.network.configure({ latencyMs: 150 })
    scene.clock.advance(60_000)
    settle(scene)
    expectAgreement(scene, { children: names })
    expectNoLoss(scene)
    expect(scene.A.ikeSa.children.filter(({ spiIn }) => before.includes(spiIn))).toEqual([])
    for (const peer of [scene.A, scene.B]) {
      expect(peer.eventsOf('child-rekeyed')).toHaveLength(count)
      expect(peer.eventsOf('child-closed')).toEqual([])
    }
  })

  it('from both sides: none is lost', () => {
    const scene = begin()
    rekeyAll(scene, 'A')
    rekeyAll(scene, 'B')
    deliverAll(scene)
    scene.mail.release()
    scene.clock.advance(120_000)
    settle(scene)
    expectAgreement(scene, { children: names })
    expectNoLoss(scene)
    for (const peer of [scene.A, scene.B]) expect(peer.eventsOf('child-closed')).toEqual([])
  })

  it('DELETEs wait their turn behind rekeyings, and message ids go up by one', () => {
    const scene = begin()
    const { A } = scene
    const { sa, children } = A.ikeSa
    const [first, second, third] = children
    A.perform(A.ike.rekeyChild(sa.id, first!.spiIn, A.now))
    A.perform(A.ike.deleteChild(sa.id, second!.spiIn, A.now))
    A.perform(A.ike.rekeyChild(sa.id, third!.spiIn, A.now))
    const from = A.events.length
    settle(scene)
    expectAgreement(scene, { children: names.filter((name) => name !== second!.name) })
    const sent = A.events
      .slice(from)
      .filter((one) => one.kind === 'message')
      .filter(({ direction, response }) => direction === 'out' && !response)
    expect(sent).toHaveLength(4)
    const ids = sent.map(({ messageId }) => messageId)
    expect(ids).toEqual(ids.map((_, i) => ids[0]! + i))
  })

  it('when no answer comes any more all end together, and nothing of what waited is left', () => {
    const scene = begin()
    rekeyAll(scene, 'A')
    scene.network.configure({ loss: 1 })
    scene.mail.release()
    scene.clock.advance(300_000)
    expect(scene.A.status()).toEqual([])
    expect(scene.A.eventsOf('ike-closed')).toHaveLength(1)
    expect([...scene.A.databases.states()]).toEqual([])
  })
})

describe('a peer that rekeys with wider selectors than the CHILD_SA has', () => {
  it.each(['A', 'B'] as const)('gets what it had: %s asks for everything', (side) => {
    const scene = makeScene()
    const before = scene[side].ikeSa.children[0]!
    const everything: AddressRangeSelector = {
      tsType: 7,
      protocol: 0,
      startPort: 0,
      endPort: 65_535,
      startAddress: new Uint8Array(4),
      endAddress: Uint8Array.of(255, 255, 255, 255),
    }
    alterPayloads(({ flags }, payloads) =>
      payloads.map((one) =>
        !flags.response && (one.kind === 'TSi' || one.kind === 'TSr') ? { ...one, selectors: [everything] } : one,
      ),
    )
    play(scene, [`${side} rekeys child`])
    settle(scene)
    vi.restoreAllMocks()
    expectAgreement(scene)
    expectNoLoss(scene)
    for (const peer of [scene.A, scene.B]) expect(peer.eventsOf('child-rekeyed')).toHaveLength(1)
    const after = scene[side].ikeSa.children[0]!
    expect(after.spiIn).not.toBe(before.spiIn)
    expect([after.localTs, after.remoteTs]).toEqual([before.localTs, before.remoteTs])
  })
})
