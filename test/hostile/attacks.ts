import type { Dice } from '../../src/testing/hostile-dice.ts'
import { authenticatedAttacks } from './attacks-authenticated.ts'
import { espAttacks } from './attacks-esp.ts'
import { strangerAttacks } from './attacks-stranger.ts'
import type { Recorded } from './corpus.ts'
import type { Datagram } from './gateway.ts'
import { HostileInitiator } from './initiator.ts'
import { AttackerKeyPairs } from './keys.ts'
import { HostileResponder } from './responder.ts'
import type { World } from './world.ts'

/** One hostile datagram, and what it claims to be. */
export interface Shot {
  readonly datagram: Datagram
  /** `protected`: an SK message under the keys of an IKE_SA that the victim holds, its contents mutated. `esp`: a good ICV around a malformed inside. */
  readonly claim?: 'protected' | 'esp'
  /** Runs when the victim has had it. */
  readonly after?: () => void
}

export interface Attack {
  readonly name: string
  readonly weight: number
  /** Undefined when it is not possible at the moment. */
  readonly aim: (gang: Gang) => Shot | undefined
}

/** Everybody who is against the victim. */
export class Gang {
  readonly world: World
  readonly dice: Dice
  readonly corpus: readonly Recorded[]
  readonly initiators: readonly HostileInitiator[]
  readonly responder: HostileResponder
  /** Never gets through IKE_AUTH. */
  readonly newcomer: HostileInitiator
  /** They send floods of IKE_SA_INIT: many, because one address alone gets few places. */
  readonly flooders: readonly HostileInitiator[]
  /** ESP packets that the victim took already. */
  readonly spent: Datagram[] = []

  constructor(world: World, corpus: readonly Recorded[]) {
    this.world = world
    this.dice = world.dice
    this.corpus = corpus
    const pairs = new AttackerKeyPairs(world.dice.octets)
    this.initiators = [1, 2, 3, 4, 5, 6].map((n) => new HostileInitiator(world, `203.0.113.${n}`, pairs))
    this.newcomer = new HostileInitiator(world, '203.0.113.99', pairs)
    this.flooders = Array.from({ length: 30 }, (_, n) => new HostileInitiator(world, `203.0.113.${100 + n}`, pairs))
    this.responder = new HostileResponder(world, pairs)
  }

  get flooder(): HostileInitiator {
    return this.dice.pick(this.flooders)
  }

  /** SPIs that are not the attackers' to delete or to use: those of the honest tunnels, as they stand in ESP packets on the wire. */
  foreignSpis(): Uint8Array[] {
    return this.world.victim
      .states()
      .slice(0, 4)
      .map(({ spi }) => Uint8Array.of(spi >>> 24, spi >>> 16, spi >>> 8, spi))
  }

  /** An initiator with an established IKE_SA. */
  ready(): HostileInitiator | undefined {
    const one = this.dice.pick(this.initiators)
    one.absorb()
    return one.ensure(true) ? one : undefined
  }
}

export const attacks: readonly Attack[] = [...strangerAttacks, ...authenticatedAttacks, ...espAttacks]

/** Every attack as often as it weighs. */
const lottery = attacks.flatMap((attack) => new Array<Attack>(attack.weight).fill(attack))

/** An attack by weight. */
export const pickAttack = (dice: Dice): Attack => dice.pick(lottery)

/** Fills the responder up to its limit of half-open IKE_SAs when it comes in bursts. */
export const burstAttack = attacks.find(({ name }) => name === 'IKE_SA_INIT with a right cookie')!
