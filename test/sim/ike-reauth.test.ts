import { describe, expect, it } from 'vitest'
import type { PskConnection } from '../../src/config/connection.ts'
import type { MessageFilter } from '../../src/testing/index.ts'
import { expectAgreement, expectNoLoss, makeScene, play, type Scene, settle } from './scene.ts'

const sides = ['A', 'B'] as const
const policies = ['replace', 'keep', 'never'] as const

const withSecond = (uniqueness: PskConnection['uniqueness']) => ({
  A: { uniqueness: uniqueness! },
  B: { uniqueness: uniqueness! },
  before: ({ A, clock }: Pick<Scene, 'A' | 'clock'>) => {
    A.initiate('office')
    clock.advance(100)
    A.initiate('office', 'second')
    clock.advance(60_000)
  },
})

describe.each(sides)('%s reauthenticates: the new IKE_SA stands beside the old one before that is deleted', (side) => {
  it.each(policies)('where the policy is %s', (uniqueness) => {
    const scene = makeScene(withSecond(uniqueness))
    const before = scene[side].ikeSa
    play(scene, [`${side} reauthenticates`])
    settle(scene)
    expectAgreement(scene, { children: ['net', 'second'] })
    expectNoLoss(scene)
    const peer = scene[side]
    expect(peer.ikeSa.role).toBe('initiator')
    expect(peer.ikeSa.children.map(({ spiIn }) => spiIn)).not.toContain(before.children[0]!.spiIn)
    expect(peer.eventsOf('ike-closed')).toMatchObject([{ sa: before.sa, reason: 'replaced', by: peer.ikeSa.sa }])
  })

  it('though every first message is lost', () => {
    const scene = makeScene(withSecond('replace'))
    const seen = new Set<string>()
    scene.network.drop(({ note, payload }) => {
      if (note?.kind !== 'ike') return false
      const key = payload.join()
      if (seen.has(key)) return false
      seen.add(key)
      return true
    })
    play(scene, [`${side} reauthenticates`])
    scene.mail.release()
    scene.clock.advance(60_000)
    settle(scene)
    expectAgreement(scene, { children: ['net', 'second'] })
    expectNoLoss(scene)
  })

  // The peer has the new one before we have: what it deletes meanwhile is all that we have.
  it('though the old one is rekeyed while the last answer for the new one is late', () => {
    const scene = makeScene()
    const other = side === 'A' ? 'B' : 'A'
    play(scene, [`${side} reauthenticates`, `${other} gets request`, `${side} gets response`, `${other} gets request`])
    play(scene, [`${side} rekeys IKE`])
    const others: MessageFilter = ({ note }) => note?.kind === 'ike' && note.exchange !== 'IKE_AUTH'
    for (let ms = 0; ms < 2_000; ms += 100) {
      while (scene.mail.has(others)) scene.mail.deliver(others)
      scene.clock.advance(100)
    }
    expect(scene[side].eventsOf('ike-rekeyed')).toHaveLength(1)
    expect(scene[side].status().map(({ state }) => state)).toEqual(['connecting', 'established'])
    settle(scene)
    expectAgreement(scene)
    expectNoLoss(scene)
  })

  it('and goes on with the old one when the peer refuses', () => {
    const scene = makeScene()
    const { sa } = scene[side].ikeSa
    Object.assign(scene.connections[side === 'A' ? 'B' : 'A'].remote.auth, { secret: new Uint8Array(8) })
    play(scene, [`${side} reauthenticates`])
    scene.mail.release()
    scene.clock.advance(60_000)
    scene.traffic.stop()
    expect(scene[side].status().map((one) => one.sa)).toEqual([sa])
    expect(scene[side].eventsOf('refused')).toMatchObject([{ refusal: { kind: 'authentication-failed' } }])
    scene.clock.advance(1000)
    expectNoLoss(scene)
  })
})

describe('both reauthenticate at once', () => {
  it.each(policies)('and one IKE_SA is left where the policy is %s', (uniqueness) => {
    const scene = makeScene(withSecond(uniqueness))
    play(scene, ['A reauthenticates', 'B reauthenticates'])
    settle(scene)
    expectNoLoss(scene)
    expectAgreement(scene, {
      ikeSas: uniqueness === 'never' ? 2 : 1,
      children: uniqueness === 'never' ? ['net', 'net', 'second', 'second'] : ['net', 'second'],
    })
  })
})
