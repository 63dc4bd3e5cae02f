import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectAgreement, expectNoLoss, makeScene, play, propose, type Scene, type Side, settle } from './scene.ts'

/** In the order of A's request, B's answer to it, B's request, A's answer to that. */
const nonceNames = ['Ni of A', 'Nr of B', 'Ni of B', 'Nr of A'] as const
const places = nonceNames.map((name, at) => ({ name, at, winner: at < 2 ? ('B' as const) : ('A' as const) }))

/** Makes the nonce of this place the lowest of the four. */
function lowest(scene: Scene, at: number): void {
  const [NiA, NrB, NiB, NrA] = nonceNames.map((_, place) => (place === at ? 0 : 0x40 + place))
  for (const octet of [NiA!, NrA!]) scene.A.entropy.nextNonceFirstByte(octet)
  for (const octet of [NiB!, NrB!]) scene.B.entropy.nextNonceFirstByte(octet)
}

/** Both sides are to be refused the group that they begin with: each takes only what the other has second. */
function differInGroups(scene: Scene): void {
  propose(scene, 'A', 'aes128gcm16-prfsha256-ecp384-ecp256')
  propose(scene, 'B', 'aes128gcm16-prfsha256-ecp256-ecp384')
}

/** Who asked for the IKE_SA that stays. */
const winnerOf = (scene: Scene): Side => (scene.A.ikeSa.role === 'initiator' ? 'A' : 'B')

/** All is well, and users have seen one rekeying and no end. */
function expectRekeyed(scene: Scene, winner?: Side): void {
  settle(scene)
  expectAgreement(scene)
  expectNoLoss(scene)
  if (winner !== undefined) expect(winnerOf(scene)).toBe(winner)
  for (const peer of [scene.A, scene.B]) {
    expect(peer.eventsOf('ike-rekeyed')).toHaveLength(1)
    expect([...peer.eventsOf('ike-closed'), ...peer.eventsOf('child-closed'), ...peer.eventsOf('refused')]).toEqual([])
    expect(peer.eventsOf('ike-established')).toHaveLength(1)
  }
}

const both = ['A rekeys IKE', 'B rekeys IKE']
const groupsRefused = [...both, 'B gets request', 'A gets request', 'A gets response', 'B gets response']

describe('one side rekeys the IKE_SA', () => {
  it.each(['A', 'B'] as const)('%s', (side) => {
    const scene = makeScene()
    play(scene, [`${side} rekeys IKE`])
    expectRekeyed(scene, side)
  })

  it.each(['A', 'B'] as const)('%s, with a group that the other does not take', (side) => {
    const scene = makeScene()
    differInGroups(scene)
    play(scene, [`${side} rekeys IKE`])
    expectRekeyed(scene, side)
  })

  it.each(['A', 'B'] as const)('%s, and every message is lost at first', (side) => {
    const other = side === 'A' ? 'B' : 'A'
    const scene = makeScene()
    play(scene, [`${side} rekeys IKE`, `${other} loses request`, 'wait 400', `${other} gets request`])
    play(scene, [`${side} loses response`, 'wait 800', `${other} gets request`, `${side} gets response`])
    play(scene, [`${other} loses request`, 'wait 400', `${other} gets request`, `${side} loses response`])
    expectRekeyed(scene, side)
  })
})

describe.each(places)('both rekey the IKE_SA, the lowest nonce is the $name', ({ at, winner }) => {
  it.each([
    ['both notice', ['B gets request', 'A gets request', 'A gets response', 'B gets response']],
    ['the answer to A is late', ['B gets request', 'A gets request', 'B gets response', 'A gets request', 'wait 1000']],
    ['the answer to B is late', ['B gets request', 'A gets request', 'A gets response', 'B gets request', 'wait 1000']],
    ['the answer to A is lost', ['B gets request', 'A gets request', 'A loses response', 'B gets response']],
    ['the answer to B is lost', ['B gets request', 'A gets request', 'B loses response', 'A gets response']],
  ])('%s', (_, steps) => {
    const scene = makeScene()
    lowest(scene, at)
    play(scene, [...both, ...steps])
    expectRekeyed(scene, winner)
  })

  it('after both were told to take another group', () => {
    const scene = makeScene()
    differInGroups(scene)
    lowest(scene, at)
    play(scene, [...groupsRefused, 'B gets request', 'A gets request', 'A gets response', 'B gets response'])
    expectRekeyed(scene, winner)
  })
})

/** The groups of each side's requests: with an additional key exchange, in IKE_FOLLOWUP_KE, where the other side prefers that. */
const kinds = [
  { name: 'both with additional key exchanges', A: 'x25519-ke1_mlkem512', B: 'x25519-ke1_mlkem512' },
  {
    name: 'only that of A with an additional key exchange',
    A: 'x25519-ke1_none-ke1_mlkem512',
    B: 'x25519-ke1_mlkem512-ke1_none',
  },
  {
    name: 'only that of B with an additional key exchange',
    A: 'x25519-ke1_mlkem512-ke1_none',
    B: 'x25519-ke1_none-ke1_mlkem512',
  },
]

function proposeKinds(scene: Scene, { A, B }: (typeof kinds)[number]): void {
  propose(scene, 'A', `aes128gcm16-prfsha256-${A}`)
  propose(scene, 'B', `aes128gcm16-prfsha256-${B}`)
}

describe.each(kinds)('rekeyings of the IKE_SA, $name', (kind) => {
  it.each(['A', 'B'] as const)('%s alone', (side) => {
    const scene = makeScene()
    proposeKinds(scene, kind)
    play(scene, [`${side} rekeys IKE`])
    expectRekeyed(scene, side)
  })

  describe.each(places)('both at once, the lowest nonce is the $name', ({ at, winner }) => {
    it.each([
      ['in turn', []],
      ['the answer to A is late', ['B gets request', 'A gets request', 'B gets response']],
      ['the answer to B is late', ['B gets request', 'A gets request', 'A gets response']],
      ['the answer to A is lost', ['B gets request', 'A gets request', 'A loses response', 'B gets response']],
    ])('%s', (_, steps) => {
      const scene = makeScene()
      proposeKinds(scene, kind)
      lowest(scene, at)
      play(scene, [...both, ...steps])
      if (steps.length > 0) scene.clock.advance(1000)
      expectRekeyed(scene, steps.length === 0 ? winner : undefined)
    })
  })

  it.each([0, 2, 3])('the request of A is late, the lowest nonce is number %i', (at) => {
    const scene = makeScene()
    proposeKinds(scene, kind)
    lowest(scene, at)
    play(scene, [...both, 'A gets request', 'B gets response', 'wait 500'])
    expectRekeyed(scene)
  })

  it.each(['A', 'B'] as const)('while the other deletes it (%s rekeys)', (side) => {
    const other = side === 'A' ? 'B' : 'A'
    const scene = makeScene()
    proposeKinds(scene, kind)
    play(scene, [`${side} rekeys IKE`, `${other} gets request`, `${side} gets response`, `${other} deletes IKE`])
    settle(scene)
    expectAgreement(scene, { ikeSas: 0 })
  })
})

describe('rekeyings in whatever order their messages come', () => {
  const choice = fc.constantFrom('A gets', 'B gets', 'A loses', 'B loses')
  const groups = fc.constantFrom(
    'x25519',
    'ecp256-x25519',
    'x25519-ke1_none-ke1_mlkem512',
    'x25519-ke1_mlkem512-ke1_none',
  )

  it('end with one IKE_SA, and no packet is lost', () => {
    fc.assert(
      fc.property(fc.nat(3), groups, groups, fc.array(choice, { maxLength: 16 }), (at, ofA, ofB, choices) => {
        const scene = makeScene()
        proposeKinds(scene, { name: '', A: ofA, B: ofB })
        lowest(scene, at)
        play(scene, both)
        for (const step of choices) {
          const [side, verb] = [step[0] as Side, step.slice(2)]
          const oldest = scene.mail.waiting.find(({ note }) => note?.sender === scene[side === 'A' ? 'B' : 'A'])
          if (oldest === undefined) continue
          if (verb === 'gets') scene.mail.deliver(oldest)
          else scene.mail.drop(oldest)
          scene.clock.advance(20)
        }
        settle(scene)
        expectAgreement(scene)
        expectNoLoss(scene)
        for (const peer of [scene.A, scene.B]) {
          expect(peer.eventsOf('ike-rekeyed').length).toBeGreaterThanOrEqual(1)
          expect(peer.eventsOf('ike-closed')).toEqual([])
        }
      }),
      { numRuns: 40 },
    )
  })
})

/** Only one side notices: the other's request comes when all is done, or never. The nonces do not matter. */
describe.each([0, 2, 3].map((at) => places[at]!))(
  'B alone rekeys the IKE_SA, though A asked too, and the lowest nonce is the $name',
  ({ at }) => {
    it.each([
      ['the request of A is lost', ['B loses request', 'A gets request', 'B gets response', 'A gets request']],
      [
        'the request of A comes before the DELETE is answered',
        ['A gets request', 'B gets response', 'B gets request SA', 'A gets request'],
      ],
      [
        'the answer to it comes before the DELETE',
        ['A gets request', 'B gets response', 'B gets request SA', 'A gets response'],
      ],
      [
        'the request of A comes after all',
        ['A gets request', 'B gets response', 'A gets request', 'B gets response', 'B gets request SA'],
      ],
      ['the retry of A with another group is late', []],
    ])('%s', (name, steps) => {
      const scene = makeScene()
      const isRetry = name.includes('retry')
      if (isRetry) differInGroups(scene)
      lowest(scene, at)
      play(scene, isRetry ? [...groupsRefused, 'A gets request', 'B gets response', 'B gets request SA'] : both)
      play(scene, steps)
      expectRekeyed(scene, 'B')
    })
  },
)
