import { describe, expect, it } from 'vitest'
import { Duel, type DuelOptions, orientations } from './child-duel.ts'

const more: DuelOptions = { esp: { a: ['aes128gcm16-x25519-ke1_ecp256'], b: ['aes128gcm16-x25519-ke1_ecp256'] } }

describe('a CHILD_SA that is deleted is gone on both sides', () => {
  it.each([
    ...orientations('by one of them', 'a deletes, a asks, b answers'),
    ...orientations('the request is lost', 'a deletes, a asks is lost, later, a asks, b answers'),
    ...orientations('the answer is lost', 'a deletes, a asks, b answers is lost, later'),
    ...orientations('by both at once', 'a deletes, b deletes, a asks, b asks, a answers, b answers'),
    ...orientations('by both, one request is lost', 'a deletes, b deletes, a asks, b asks is lost, b answers, later'),
  ])('%s', (_, script) => {
    const duel = new Duel()
    duel.play(script)
    duel.expectAtRest(0)
    expect([duel.toldOf('a'), duel.toldOf('b')]).toEqual([['child-closed'], ['child-closed']])
  })

  it('by both at once: neither answer names it', () => {
    const duel = new Duel()
    for (const step of ['a deletes', 'b deletes', 'a asks', 'b asks']) duel.step(step)
    expect([duel.answerOf('a'), duel.answerOf('b')]).toEqual([[], []])
  })
})

const crossings: readonly (readonly [name: string, script: string])[] = [
  ...orientations('the DELETE arrives first', 'a rekeys, b deletes, b asks, a asks, a answers, b answers'),
  ...orientations('the rekeying arrives first', 'a rekeys, b deletes, a asks, b asks, b answers, a answers'),
  ...orientations('the answers the other way round', 'a rekeys, b deletes, a asks, b asks, a answers, b answers'),
  ...orientations('the DELETE is lost', 'a rekeys, b deletes, b asks is lost, a asks, b answers, later'),
  ...orientations(
    'the DELETE is lost, and the rekeying tried again before it comes',
    'a rekeys, b deletes, b asks is lost, a asks, b answers, later, a asks, b asks',
  ),
  ...orientations('the rekeying is lost', 'a rekeys, b deletes, a asks is lost, b asks, a answers, later'),
  ...orientations(
    'the answer to the rekeying comes late',
    'a rekeys, a asks, b deletes, b asks, a answers, b asks?, a answers?, b answers',
  ),
  ...orientations(
    'the answer to the rekeying is lost',
    'a rekeys, a asks, b deletes, b answers is lost, b asks, a answers, later',
  ),
  ...orientations('the one that rekeys deletes as well', 'a rekeys, a deletes, a asks, b answers'),
  ...orientations('the one that rekeys deletes when the answer is under way', 'a rekeys, a asks, a deletes, b answers'),
  ...orientations(
    'the responder deletes before the old one is',
    'a rekeys, a asks, b answers, b deletes, a asks, b asks',
  ),
]

describe('one side deletes what is being rekeyed: nothing stays', () => {
  it.each(crossings)('%s', (_, script) => {
    const duel = new Duel()
    duel.play(script)
    duel.expectAtRest(0)
    for (const side of ['a', 'b'] as const) expect(duel.toldOf(side).at(-1)).toBe('child-closed')
  })

  it.each([
    ...crossings,
    ...orientations(
      'between the key exchanges',
      'a rekeys, a asks, b answers, b deletes, a asks, b asks, b answers, a answers',
    ),
    ...orientations(
      'between the key exchanges, the DELETE first',
      'a rekeys, a asks, b answers, b deletes, b asks, a asks, b answers, a answers',
    ),
  ])('with additional key exchanges, %s', (_, script) => {
    const duel = new Duel(more)
    duel.play(script.replaceAll(/(?<=deletes.*)(asks|answers)(?=,|$)/g, '$1?'))
    duel.expectAtRest(0)
  })

  it.each([
    [0x10, 0x50],
    [0x50, 0x10],
  ])('both rekey and one deletes, with the nonces %i and %i', (ofA, ofB) => {
    for (const script of [
      'a rekeys, b rekeys, a asks, b asks, b deletes, a answers, b answers',
      'a rekeys, b rekeys, a asks, b asks, a deletes, a answers, b answers',
      'a rekeys, b rekeys, a asks, b asks, b answers, b deletes, b asks?, a asks, a answers',
    ]) {
      const duel = new Duel()
      duel.nonces('a', ofA, 0x60)
      duel.nonces('b', ofB, 0x60)
      duel.play(script)
      duel.expectAtRest(0)
    }
  })

  it('a rekeying that meets a DELETE is told to wait', () => {
    const duel = new Duel()
    for (const step of ['b deletes', 'a rekeys', 'a asks']) duel.step(step)
    expect(duel.answerOf('b')).toEqual(['N(TEMPORARY_FAILURE)'])
  })

  it('a DELETE that meets a rekeying is answered as ever', () => {
    const duel = new Duel()
    for (const step of ['a rekeys', 'b deletes', 'b asks']) duel.step(step)
    expect(duel.answerOf('a')).toEqual(['D'])
  })
})

describe('while the IKE_SA is rekeyed', () => {
  it.each([
    ...orientations(
      'a CHILD_SA is rekeyed, the IKE_SA first',
      'a rekeys, b rekeys ike, b asks, a asks, a answers, b answers',
    ),
    ...orientations('a CHILD_SA is rekeyed, it first', 'a rekeys, b rekeys ike, a asks, b asks, b answers, a answers'),
    ...orientations(
      'a CHILD_SA is rekeyed, the answer late',
      'a rekeys, b rekeys ike, a asks, b asks, a answers, b answers',
    ),
    ...orientations(
      'a CHILD_SA is rekeyed, a request is lost',
      'a rekeys, b rekeys ike, a asks is lost, b asks, a answers, later',
    ),
    ...orientations('a CHILD_SA is rekeyed by the same side', 'a rekeys, a rekeys ike, a asks, b answers'),
    ...orientations('a CHILD_SA is rekeyed by the same side, next', 'a rekeys ike, a rekeys, a asks, b answers'),
    ...orientations(
      'a CHILD_SA was rekeyed, and the old one is there',
      'a rekeys, a asks, b rekeys ike, b answers, b asks',
    ),
  ])('%s', (_, script) => {
    const duel = new Duel()
    const before = duel.spisOf('a')
    duel.play(script)
    duel.expectAtRest(1)
    duel.expectNoLoss()
    expect(duel.spisOf('a')).not.toEqual(before)
    expect(duel.a.status()).toHaveLength(1)
  })

  it.each([
    ...orientations('the IKE_SA first', 'a deletes, b rekeys ike, b asks, a asks, a answers, b answers'),
    ...orientations('it first', 'a deletes, b rekeys ike, a asks, b asks, b answers, a answers'),
  ])('a CHILD_SA is deleted, %s', (_, script) => {
    const duel = new Duel()
    duel.play(script)
    duel.expectAtRest(0)
    expect([duel.a.status(), duel.b.status()].map((sas) => sas.map(({ state }) => state))).toEqual([
      ['established'],
      ['established'],
    ])
  })
})

describe('while the IKE_SA is deleted', () => {
  it.each([
    ...orientations('a CHILD_SA is rekeyed, the IKE_SA first', 'a rekeys, b deletes ike, b asks, a asks?, a answers'),
    ...orientations('a CHILD_SA is rekeyed, it first', 'a rekeys, b deletes ike, a asks, b asks, b answers, a answers'),
    ...orientations('a CHILD_SA is rekeyed, the answer is late', 'a rekeys, a asks, b deletes ike, b asks, a answers'),
    ...orientations('a CHILD_SA is deleted, the IKE_SA first', 'a deletes, b deletes ike, b asks, a asks?, a answers'),
    ...orientations(
      'a CHILD_SA is deleted, it first',
      'a deletes, b deletes ike, a asks, b asks, b answers, a answers',
    ),
  ])('%s: nothing stays', (_, script) => {
    const duel = new Duel()
    duel.play(script)
    duel.expectAtRest(0)
    expect([duel.a.status(), duel.b.status()]).toEqual([[], []])
  })
})
