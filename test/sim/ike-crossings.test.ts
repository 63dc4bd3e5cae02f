import { describe, expect, it } from 'vitest'
import { expectAgreement, expectNoLoss, makeScene, play, type Scene, settle } from './scene.ts'

describe('one side rekeys the IKE_SA while the other deletes it', () => {
  it.each([
    ['the rekeying is answered first', ['B gets request', 'A gets request']],
    ['the deletion is answered first', ['A gets request', 'B gets request']],
    [
      'the answers come the other way round',
      ['B gets request', 'A gets request', 'B gets response', 'A gets response'],
    ],
    ['the DELETE is lost', ['A loses request', 'B gets request', 'A gets response']],
    ['the rekeying is lost', ['B loses request', 'A gets request']],
    ['the answer to the rekeying is lost', ['B gets request', 'A loses response']],
  ])('%s', (_, steps) => {
    const scene = makeScene()
    play(scene, ['A rekeys IKE', 'B deletes IKE', ...steps])
    settle(scene)
    expectAgreement(scene, { ikeSas: 0 })
    expect(scene.A.eventsOf('ike-closed')).toMatchObject([{ reason: 'peer' }])
    expect(scene.B.eventsOf('ike-closed')).toMatchObject([{ reason: 'local' }])
  })
})

describe('the user deletes an IKE_SA', () => {
  it.each([
    ['while its own rekeying is under way', ['A rekeys IKE', 'A deletes IKE']],
    ['while that is answered', ['A rekeys IKE', 'B gets request', 'A deletes IKE']],
    ['that the peer is done with rekeying', ['A rekeys IKE', 'B gets request', 'B deletes IKE']],
    ['when the old one is not gone', ['A rekeys IKE', 'B gets request', 'A gets response', 'A deletes IKE']],
    ['that both rekey', ['A rekeys IKE', 'B rekeys IKE', 'B gets request', 'A gets request', 'A deletes IKE']],
  ])('%s', (_, steps) => {
    const scene = makeScene()
    play(scene, steps)
    settle(scene)
    expectAgreement(scene, { ikeSas: 0 })
    for (const peer of [scene.A, scene.B]) expect(peer.eventsOf('ike-closed')).toHaveLength(1)
  })

  it('on both sides at once', () => {
    const scene = makeScene()
    play(scene, ['A deletes IKE', 'B deletes IKE', 'A gets request', 'B gets request', 'A gets response'])
    settle(scene)
    expectAgreement(scene, { ikeSas: 0 })
  })
})

describe('one side rekeys the IKE_SA while the other', () => {
  it.each([
    ['both requests cross', ['B gets request', 'A gets request']],
    ['the CHILD_SA is asked for first', ['A gets request', 'B gets request']],
    ['the request for the CHILD_SA is late', ['B gets request', 'A gets response', 'A gets request']],
    ['the answers are late', ['B gets request', 'A gets request', 'B gets response']],
  ])('makes a CHILD_SA: %s', (_, steps) => {
    const scene = makeScene()
    play(scene, ['A rekeys IKE', 'B makes second', ...steps])
    settle(scene)
    expectNoLoss(scene)
    expectAgreement(scene, { children: ['net', 'second'] })
    for (const peer of [scene.A, scene.B]) expect(peer.eventsOf('ike-rekeyed')).toHaveLength(1)
  })

  it.each([
    ['both requests cross', ['B gets request', 'A gets request']],
    ['the DELETE comes first', ['A gets request', 'B gets request']],
    ['the DELETE is answered first', ['A gets request', 'B gets response', 'B gets request']],
    ['the DELETE is lost', ['A loses request', 'B gets request']],
  ])('deletes a CHILD_SA: %s', (_, steps) => {
    const scene = makeScene()
    play(scene, ['A rekeys IKE', 'B deletes child', ...steps])
    settle(scene)
    expectAgreement(scene, { children: [] })
    for (const peer of [scene.A, scene.B]) expect(peer.eventsOf('ike-rekeyed')).toHaveLength(1)
  })

  it.each([
    ['asked for before', ['A makes second', 'A rekeys IKE']],
    ['asked for afterwards', ['A rekeys IKE', 'A makes second']],
    ['asked for while the answer is under way', ['A rekeys IKE', 'B gets request', 'A makes second']],
    [
      'asked for by the other when it has answered',
      ['A rekeys IKE', 'B gets request', 'B makes second', 'A gets request'],
    ],
  ])('waits, a CHILD_SA comes up on the one that is there: %s', (_, steps) => {
    const scene = makeScene()
    play(
      scene,
      steps.filter((step) => step !== 'A gets request'),
    )
    settle(scene)
    expectNoLoss(scene)
    expectAgreement(scene, { children: ['net', 'second'] })
    for (const peer of [scene.A, scene.B]) expect(peer.eventsOf('refused')).toEqual([])
  })
})

describe('one side rekeys the IKE_SA while the other rekeys a CHILD_SA', () => {
  it.each([
    ['both requests cross', ['B gets request', 'A gets request']],
    ['the CHILD_SA comes first', ['A gets request', 'B gets request']],
    ['the CHILD_SA is late', ['B gets request', 'A gets response', 'A gets request']],
    ['the IKE_SA is late', ['A gets request', 'B gets response', 'B gets request']],
    ['the CHILD_SA is lost', ['A loses request', 'B gets request']],
    ['the IKE_SA is lost', ['B loses request', 'A gets request']],
  ])('%s', (_, steps) => {
    const scene = makeScene()
    const [before] = scene.A.ikeSa.children
    play(scene, ['A rekeys IKE', 'B rekeys child', ...steps])
    scene.mail.release()
    // Who was told to wait comes back after some seconds.
    scene.clock.advance(20_000)
    settle(scene)
    expectNoLoss(scene)
    expectAgreement(scene)
    for (const peer of [scene.A, scene.B]) {
      expect(peer.eventsOf('ike-rekeyed')).toHaveLength(1)
      expect(peer.eventsOf('child-rekeyed')).toHaveLength(1)
    }
    expect(scene.A.ikeSa.children[0]!.spiIn).not.toBe(before!.spiIn)
  })

  it('or both do both, by turns', () => {
    const scene = makeScene()
    play(scene, [
      'A rekeys IKE',
      'B rekeys child',
      'B gets request',
      'A gets request',
      'A gets response',
      'B gets response',
    ])
    play(scene, [
      'A rekeys child',
      'B rekeys IKE',
      'B gets request',
      'A gets request',
      'A gets response',
      'B gets response',
    ])
    scene.mail.release()
    scene.clock.advance(60_000)
    settle(scene)
    expectNoLoss(scene)
    expectAgreement(scene)
  })
})

describe('one side deletes the IKE_SA while the other', () => {
  it.each(['deletes child', 'rekeys child', 'makes second', 'rekeys IKE', 'reauthenticates'])(
    '%s: all is gone on both sides',
    (what) => {
      for (const steps of [
        ['A gets request', 'B gets request'],
        ['B gets request', 'A gets request'],
        ['B gets request', 'A gets response', 'A gets request'],
        ['A gets request', 'B gets response', 'B gets request'],
        ['A loses request', 'B gets request'],
        ['B loses request', 'A gets request'],
      ]) {
        const scene = makeScene()
        play(scene, ['A deletes IKE', `B ${what}`])
        for (const step of steps) if (waits(scene, step)) play(scene, [step])
        settle(scene)
        const isAnew = what === 'reauthenticates'
        expectAgreement(scene, isAnew ? { ikeSas: scene.A.status().length } : { ikeSas: 0 })
      }
    },
  )
})

describe('CHILD_SAs that both sides delete', () => {
  it.each([
    ['at once', ['A deletes child', 'B deletes child', 'A gets request', 'B gets request']],
    ['one after the other', ['A deletes child', 'B gets request', 'A gets response']],
    ['and one DELETE is lost', ['A deletes child', 'B deletes child', 'A loses request', 'B gets request']],
  ])('%s are gone, and the IKE_SA stands', (_, steps) => {
    const scene = makeScene()
    play(scene, steps)
    settle(scene)
    expectAgreement(scene, { children: [] })
  })
})

/** False for a delivery of what was not sent. */
function waits({ mail, A, B }: Scene, step: string): boolean {
  const [, side, kind] = /^([AB]) (?:gets|loses) (request|response)$/.exec(step)!
  return mail.has({ from: side === 'A' ? B : A, response: kind === 'response' })
}
