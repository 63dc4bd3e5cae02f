import { describe, expect, it } from 'vitest'
import { Duel, orientations } from './child-duel.ts'

const more = 'aes128gcm16-x25519-ke1_ecp256'

describe('a further CHILD_SA for the same traffic', () => {
  it.each([
    ...orientations('by one side', 'a creates, a asks, b answers'),
    ...orientations('the answer is lost', 'a creates, a asks, b answers is lost, later'),
    ...orientations(
      'while the IKE_SA is rekeyed, that first',
      'a creates, b rekeys ike, b asks, a asks, a answers, b answers',
    ),
    ...orientations(
      'while the IKE_SA is rekeyed, it first',
      'a creates, b rekeys ike, a asks, b asks, b answers, a answers',
    ),
    ...orientations('while the first is rekeyed', 'a creates, b rekeys, a asks, b asks, a answers, b answers'),
  ])('%s: there are two', (_, script) => {
    const duel = new Duel()
    duel.play(script)
    duel.expectAtRest(2)
    duel.expectNoLoss()
  })

  it('by both sides at once: there are three, and none is lost', () => {
    const duel = new Duel()
    duel.play('a creates, b creates, a asks, b asks, a answers, b answers')
    duel.expectAtRest(3)
    duel.expectNoLoss()
  })

  it.each(['a', 'b'] as const)('with additional key exchanges, by %s', (side) => {
    const duel = new Duel({ esp: { a: [more], b: [more] } })
    duel.play(`${side} creates`)
    duel.expectAtRest(2)
    duel.expectNoLoss()
    expect(duel.toldOf(side)).toEqual(['child-established'])
  })

  it.each(['a', 'b'] as const)('each can be rekeyed by %s without the other', (side) => {
    const duel = new Duel()
    duel.play('a creates')
    const before = duel.spisOf('a')
    duel.play(`${side} rekeys`)
    duel.expectAtRest(2)
    duel.expectNoLoss()
    expect(duel.spisOf('a').filter((spis) => before.includes(spis))).toHaveLength(1)
  })
})
