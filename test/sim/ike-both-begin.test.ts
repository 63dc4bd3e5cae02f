import { describe, expect, it } from 'vitest'
import type { PskConnection } from '../../src/config/connection.ts'
import { expectAgreement, expectNoLoss, makeScene, play, type Scene, settle } from './scene.ts'

type Policy = NonNullable<PskConnection['uniqueness']>

/** Nothing stands yet, and both sides know where the other is. */
const atFirst = (uniqueness: Policy) => ({
  A: { uniqueness },
  B: { uniqueness },
  before: () => {},
  silent: true as const,
})

/** Each letter is one round trip of the IKE_SA that A (`a`) or B (`b`) begins: IKE_SA_INIT, then IKE_AUTH. */
const interleavings = ['aabb', 'abab', 'abba', 'baab', 'baba', 'bbaa'] as const

/** In the same notation with three steps for each: both messages of IKE_SA_INIT and the request of IKE_AUTH; its answer comes last. */
const crossings = ['aaabbb', 'aababb', 'aabbab', 'aabbba', 'abaabb', 'ababab', 'ababba', 'abbaba', 'bbbaaa'] as const

function roundTrip(scene: Scene, letter: string): void {
  const [initiator, responder] = letter === 'a' ? (['A', 'B'] as const) : (['B', 'A'] as const)
  const request = scene.mail.waiting.find(
    ({ note }) => note?.kind === 'ike' && note.sender === scene[initiator] && !note.response,
  )
  if (request === undefined) return
  scene.mail.deliver(request)
  const { lastResponse } = scene[responder]
  if (scene.mail.has(lastResponse)) scene.mail.deliver(lastResponse)
  scene.clock.advance(5)
}

/** The next message of the conversation that the letter names, whichever way it goes. */
function oneMessage(scene: Scene, letter: string): void {
  const initiator = letter === 'a' ? scene.A : scene.B
  const next = scene.mail.waiting.find(
    ({ note }) =>
      note?.kind === 'ike' && (note.sender === initiator) === !note.response && note.exchange.startsWith('IKE_'),
  )
  if (next !== undefined) scene.mail.deliver(next)
  scene.clock.advance(5)
}

/**
 * What A handles, in the order of the letters, once B has answered its IKE_SA_INIT: `e`, the requests of the IKE_SA that B began
 * (IKE_SA_INIT, IKE_AUTH); `w`, its own one (the answer to IKE_SA_INIT, then B's handling of its IKE_AUTH, then the answer to that).
 */
const eastAndWest = ['eewww', 'eweww', 'ewwew', 'ewwwe', 'weeww', 'wewew', 'wewwe', 'wweew', 'wwewe', 'wwwee'] as const

function eastWestStep(scene: Scene, letter: string): void {
  const [requester, responder] = letter === 'e' ? [scene.B, scene.A] : [scene.A, scene.B]
  const next = scene.mail.waiting.find(
    ({ note }) => note?.kind === 'ike' && note.sender === (note.response ? responder : requester),
  )
  expect(next).toBeDefined()
  scene.mail.deliver(next!)
  // What goes on at B does so at once.
  const { lastResponse } = responder
  if (letter === 'e' && scene.mail.has(lastResponse)) scene.mail.deliver(lastResponse)
  scene.clock.advance(5)
}

function expectOne(scene: Scene, uniqueness: Policy): void {
  scene.mail.release()
  // The end that has to delete one of the two gives traffic some seconds to go over.
  scene.clock.advance(15_000)
  settle(scene)
  expectAgreement(scene, uniqueness === 'never' ? { ikeSas: 2, children: ['net', 'net'] } : {})
  for (const peer of [scene.A, scene.B]) expect(peer.eventsOf('ike-established').length).toBeLessThanOrEqual(2)
}

describe.each(['replace', 'keep', 'never'] as const)(
  'both ends begin at once, where the policy is %s',
  (uniqueness) => {
    it.each(interleavings)('in round trips %s', (order) => {
      const scene = makeScene(atFirst(uniqueness))
      play(scene, ['A initiates', 'B initiates'])
      for (const letter of order) roundTrip(scene, letter)
      expectOne(scene, uniqueness)
    })

    it.each(crossings)('in messages %s', (order) => {
      const scene = makeScene(atFirst(uniqueness))
      play(scene, ['A initiates', 'B initiates'])
      for (const letter of order) oneMessage(scene, letter)
      expectOne(scene, uniqueness)
    })

    it.each(eastAndWest)('where one end handles %s', (order) => {
      const scene = makeScene(atFirst(uniqueness))
      play(scene, ['A initiates', 'B initiates', 'B gets request'])
      for (const letter of order) eastWestStep(scene, letter)
      expectOne(scene, uniqueness)
    })

    it('and traffic that goes from the moment when one stands loses nothing', () => {
      const scene = makeScene(atFirst(uniqueness))
      play(scene, ['A initiates', 'B initiates'])
      for (const letter of 'abab') roundTrip(scene, letter)
      scene.traffic.start()
      expectOne(scene, uniqueness)
      expectNoLoss(scene)
    })
  },
)
