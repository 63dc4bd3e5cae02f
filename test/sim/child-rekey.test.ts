import { afterEach, describe, expect, it, vi } from 'vitest'
import { LINGER_MS } from '../../src/ike/child/child-sa.ts'
import { alterPayloads } from '../ike/alter.ts'
import { Duel, type DuelOptions, orientations, type Side } from './child-duel.ts'

afterEach(() => vi.restoreAllMocks())

const group = 'aes128gcm16-x25519'
const more = 'aes128gcm16-x25519-ke1_ecp256'
const both = (esp: string): DuelOptions => ({ esp: { a: [esp], b: [esp] } })
/** Each side begins with the group that the other one likes less. */
const crossed: DuelOptions = { esp: { a: ['aes128gcm16-x25519-ecp256'], b: ['aes128gcm16-ecp256-x25519'] } }

/** At rest one CHILD_SA stands in place of the first, and nothing was lost on the way. */
function expectReplaced(duel: Duel, before: readonly string[]): void {
  duel.expectAtRest(1)
  duel.expectNoLoss()
  expect(duel.spisOf('a')).not.toEqual(before)
}

function spiOf(value: number): Uint8Array {
  const octets = new Uint8Array(4)
  new DataView(octets.buffer).setUint32(0, value)
  return octets
}

describe('one side rekeys', () => {
  it.each([
    ...orientations('without PFS', 'a rekeys, a asks, b answers, a asks, b answers'),
    ...orientations('its request is lost', 'a rekeys, a asks is lost, later, a asks, b answers'),
    ...orientations('the answer is lost', 'a rekeys, a asks, b answers is lost, later, a asks, b answers'),
    ...orientations('the request comes twice', 'a rekeys, a asks, a asks again, b answers, a asks, b answers'),
    ...orientations('its DELETE is lost', 'a rekeys, a asks, b answers, a asks is lost, later, a asks, b answers'),
    ...orientations(
      'the answer to its DELETE is lost',
      'a rekeys, a asks, b answers, a asks, b answers is lost, later',
    ),
    ...orientations('by a soft limit', 'a expires softly, a asks, b answers, a asks, b answers'),
    ...orientations('asked to twice', 'a rekeys, a expires softly, a asks, b answers, a asks, b answers'),
    ...orientations(
      'the responder is asked to as well, later',
      'a rekeys, a asks, b rekeys, b answers, b expires softly',
    ),
    ...orientations(
      'the responder reaches the hard limit',
      'a rekeys, a asks, b answers, b expires, b asks, a answers',
    ),
    ...orientations(
      'the responder deletes the old one first',
      'a rekeys, a asks, b expires, b asks, b answers, a answers',
    ),
    ...orientations(
      'both delete the old one',
      'a rekeys, a asks, b answers, b expires, b asks, a asks, b answers, a answers',
    ),
    ...orientations(
      'the initiator reaches the hard limit',
      'a rekeys, a asks, a expires, b answers, a asks, b answers',
    ),
  ])('%s', (_, script) => {
    const duel = new Duel()
    const before = duel.spisOf('a')
    duel.play(script)
    duel.expectAtRest(1)
    expect(duel.spisOf('a')).not.toEqual(before)
    // A hard limit before its time takes the outbound state away in no database here: only what crosses the DELETE may be lost.
    if (!script.includes('expires,')) duel.expectNoLoss()
    expect(duel.toldOf('a').filter((kind) => kind !== 'child-rekeyed')).toEqual([])
  })

  it.each([
    ['with PFS', both(group)],
    ['with additional key exchanges', both(more)],
    ['with another group than the first', { esp: { a: ['aes128gcm16-x25519-ecp256'], b: ['aes128gcm16-ecp256'] } }],
    [
      'with another group and additional key exchanges',
      { esp: { a: ['aes128gcm16-x25519-ecp256-ke1_x25519'], b: ['aes128gcm16-ecp256-ke1_x25519'] } },
    ],
    ['each with the group that the other likes less', crossed],
  ] as const)('%s', (_, options) => {
    for (const side of ['a', 'b'] as const) {
      const duel = new Duel(options)
      const before = duel.spisOf('a')
      duel.play(`${side} rekeys`)
      expectReplaced(duel, before)
      expect([duel.toldOf('a'), duel.toldOf('b')]).toEqual([['child-rekeyed'], ['child-rekeyed']])
    }
  })

  it.each(['a', 'b'] as const)('again and again, %s', (side) => {
    const duel = new Duel(both(group))
    for (let times = 0; times < 5; times++) duel.play(`${side} rekeys`)
    duel.expectAtRest(1)
    duel.expectNoLoss()
    expect(duel.toldOf('a')).toEqual(Array(5).fill('child-rekeyed'))
  })

  it('the responder sends through the new one when the old one is deleted, and not before', () => {
    const duel = new Duel()
    const [old] = duel.b.status()[0]!.children
    const outbound = () => [...duel.b.databases.states()].filter(({ direction }) => direction === 'out')
    duel.step('a rekeys')
    duel.step('a asks')
    expect(duel.b.status()[0]!.children.map(({ state }) => state)).toEqual(['rekeyed', 'receiving'])
    expect(outbound().map(({ spi }) => spi)).toEqual([old!.spiOut])
    duel.step('b answers')
    duel.step('a asks')
    expect(outbound().map(({ spi }) => spi)).toEqual([duel.b.status()[0]!.children[0]!.spiOut])
    expect(outbound()[0]!.spi).not.toBe(old!.spiOut)
  })

  it.each(['a', 'b'] as const)('%s takes packets through the old one for some seconds, and no longer', (side) => {
    const duel = new Duel()
    const { spiIn } = duel[side].status()[0]!.children[0]!
    const takes = () => [...duel[side].databases.states()].some(({ spi }) => spi === spiIn)
    duel.step('a rekeys')
    duel.rest()
    expect(duel[side].status()[0]!.children).toHaveLength(1)
    expect(takes()).toBe(true)
    duel.clock.advance(LINGER_MS - 200)
    expect(takes()).toBe(true)
    duel.clock.advance(200)
    expect(takes()).toBe(false)
  })

  it('of a peer that deletes the new one and not the old one, goes back to that', () => {
    const duel = new Duel()
    const [old] = duel.b.status()[0]!.children
    for (const step of ['a rekeys', 'a asks']) duel.step(step)
    const fresh = duel.b.status()[0]!.children.find(({ spiIn }) => spiIn !== old!.spiIn)!
    alterPayloads(({ flags }, payloads) =>
      payloads.map((one) => (one.kind === 'D' && !flags.response ? { ...one, spis: [spiOf(fresh.spiOut)] } : one)),
    )
    for (const step of ['b answers', 'a asks']) duel.step(step)
    vi.restoreAllMocks()
    expect(duel.b.status()[0]!.children).toMatchObject([{ state: 'installed', spiIn: old!.spiIn }])
    const outbound = [...duel.b.databases.states()].filter(({ direction }) => direction === 'out')
    expect(outbound.map(({ spi }) => spi)).toEqual([old!.spiOut])
  })

  it.each(['a', 'b'] as const)('one that the peer of %s has lost is set up anew', (side) => {
    const other = side === 'a' ? 'b' : 'a'
    const duel = new Duel()
    alterPayloads((_, payloads) =>
      payloads.map((one) => (one.kind === 'D' ? { ...one, spis: [Uint8Array.of(9, 9, 9, 9)] } : one)),
    )
    for (const step of [`${other} deletes`, `${other} asks`, `${side} answers`]) duel.step(step)
    vi.restoreAllMocks()
    const { reqid } = duel[side].status()[0]!.children[0]!
    duel.step(`${side} rekeys`)
    duel.step(`${side} asks`)
    expect(duel.answerOf(other)).toEqual(['N(CHILD_SA_NOT_FOUND)'])
    duel.play('rest')
    duel.expectAtRest(1)
    expect(duel.toldOf(side)).toEqual(['child-rekeyed'])
    expect(duel[side].status()[0]!.children).toMatchObject([{ reqid }])
  })
})

const lowest = [
  ['its own nonce in its request', [0x10, 0x50, 0x50, 0x50]],
  ['its nonce in its answer', [0x50, 0x10, 0x50, 0x50]],
  ['the nonce of the peer in its request', [0x50, 0x50, 0x10, 0x50]],
  ['the nonce of the peer in its answer', [0x50, 0x50, 0x50, 0x10]],
] as const

/** Who loses: whose exchange has the lowest nonce. a's exchange has a's first nonce and b's second one. */
const loserOf = ([niA, nrA, niB, nrB]: readonly number[]): Side =>
  Math.min(niA!, nrB!) < Math.min(niB!, nrA!) ? 'a' : 'b'

const crossings: readonly [name: string, script: string, options?: DuelOptions][] = [
  ['at once', 'a rekeys, b rekeys, a asks, b asks, a answers, b answers'],
  ['at once, answered the other way round', 'a rekeys, b rekeys, b asks, a asks, b answers, a answers'],
  ['the answer to a comes late', 'a rekeys, b rekeys, a asks, b asks, a answers, b asks, a answers, b answers'],
  ['the answer to a is lost', 'a rekeys, b rekeys, a asks, b asks, b answers is lost, a answers, b asks, later'],
  ['the answer to b comes late', 'a rekeys, b rekeys, b asks, a asks, b answers, a asks, b answers, a answers'],
  ['both answers are lost', 'a rekeys, b rekeys, a asks, b asks, b answers is lost, a answers is lost, later'],
  ['both requests are lost', 'a rekeys, b rekeys, a asks is lost, b asks is lost, later'],
  ['the request of b is lost', 'a rekeys, b rekeys, b asks is lost, a asks, b answers, later'],
  ['the request of b comes when a is done', 'a rekeys, b rekeys, a asks, b answers, b asks, a answers'],
  [
    'the same, and a has deleted the old one',
    'a rekeys, b rekeys, a asks, b answers, a asks, b asks, a answers, b answers',
  ],
  ['the same, and b has agreed to that', 'a rekeys, b rekeys, a asks, b answers, a asks, b answers, b asks, a answers'],
  ['the request of a comes when b is done', 'a rekeys, b rekeys, b asks, a answers, a asks, b answers'],
  [
    'the same, and b has deleted the old one',
    'a rekeys, b rekeys, b asks, a answers, b asks, a asks, b answers, a answers',
  ],
  ['the same, and a has agreed to that', 'a rekeys, b rekeys, b asks, a answers, b asks, a answers, a asks, b answers'],
  ['with PFS', 'a rekeys, b rekeys, a asks, b asks, a answers, b answers', both(group)],
  [
    'both are asked for another group',
    'a rekeys, b rekeys, a asks, b asks, a answers, b answers, a asks, b asks, a answers, b answers',
    crossed,
  ],
  [
    'the other group of b comes late',
    'a rekeys, b rekeys, a asks, b asks, a answers, b answers, a asks, b answers, b asks, a answers',
    crossed,
  ],
  [
    'the other group of b comes when a is done',
    'a rekeys, b rekeys, a asks, b asks, a answers, b answers, a asks, b answers, a asks, b answers, b asks',
    crossed,
  ],
  [
    'that b wants another group comes late',
    'a rekeys, b rekeys, a asks, b asks, a answers, b asks, a answers, b answers',
    crossed,
  ],
  ['with additional key exchanges', 'a rekeys, b rekeys, a asks, b asks, a answers, b answers', both(more)],
  [
    'with additional key exchanges, the answer to a comes late',
    'a rekeys, b rekeys, a asks, b asks, a answers, b asks?, a answers?, b answers',
    both(more),
  ],
  [
    'with additional key exchanges, the last answer to a comes late',
    'a rekeys, b rekeys, a asks, b answers, a asks, b asks, a answers, b asks?, a answers?, b asks?, a answers?, b answers',
    both(more),
  ],
  [
    'with additional key exchanges, the request of b comes after the first',
    'a rekeys, b rekeys, a asks, b answers, b asks, a answers, a asks, b answers',
    both(more),
  ],
  [
    'with additional key exchanges, the request of b comes when a is done',
    'a rekeys, b rekeys, a asks, b answers, a asks, b answers, b asks, a answers',
    both(more),
  ],
  [
    'with additional key exchanges of b alone',
    'a rekeys, b rekeys, a asks, b asks, a answers, b answers',
    { esp: { a: [more, group], b: [group, more] } },
  ],
  [
    'the same, the answer to a comes late',
    'a rekeys, b rekeys, a asks, b asks, a answers, b asks?, a answers?, b answers',
    { esp: { a: [more, group], b: [group, more] } },
  ],
]

describe('both sides rekey', () => {
  describe.each(crossings)('%s', (_, script, options) => {
    it.each(lowest)('the lowest is for a %s', (__, nonces) => {
      const duel = new Duel(options)
      const before = duel.spisOf('a')
      duel.nonces('a', nonces[0], nonces[1])
      duel.nonces('b', nonces[2], nonces[3])
      duel.play(script)
      expectReplaced(duel, before)
      for (const side of ['a', 'b'] as const) {
        expect(duel.toldOf(side).filter((kind) => kind !== 'child-rekeyed')).toEqual([])
      }
    })
  })

  it.each(lowest)('the loser is who has the lowest nonce in its exchange: for a %s', (_, nonces) => {
    const duel = new Duel()
    duel.nonces('a', nonces[0], nonces[1])
    duel.nonces('b', nonces[2], nonces[3])
    for (const step of 'a rekeys, b rekeys, a asks, b asks, b answers, a answers'.split(', ')) duel.step(step)
    const loser = loserOf(nonces)
    const winner = loser === 'a' ? 'b' : 'a'
    // The winner has begun to send, the loser goes on as before, until the old one is deleted.
    expect(duel.toldOf(winner)).toEqual(['child-rekeyed'])
    expect(duel.toldOf(loser)).toEqual([])
    duel.play('rest')
    expect(duel.toldOf(loser)).toEqual(['child-rekeyed'])
  })

  it('the old one is deleted by the loser at its hard limit', () => {
    for (const [, nonces] of lowest) {
      const duel = new Duel()
      duel.nonces('a', nonces[0], nonces[1])
      duel.nonces('b', nonces[2], nonces[3])
      duel.play('a rekeys, b rekeys, a asks, b asks, a expires, b expires, b answers, a answers')
      duel.expectAtRest(1)
    }
  })

  it.each(lowest)('and b deletes what there is before the answer to a comes: nothing stays, for a %s', (_, nonces) => {
    const duel = new Duel()
    duel.nonces('a', nonces[0], nonces[1])
    duel.nonces('b', nonces[2], nonces[3])
    duel.play(
      'a rekeys, b rekeys, a asks, b asks, a answers, b asks, a answers, b deletes, b asks?, a answers?, b asks?, a answers?, b answers',
    )
    duel.expectAtRest(0)
  })
})
