import { readU32, writeU32 } from '../../src/bytes/index.ts'
import { parseIp } from '../../src/ip/index.ts'
import { mutateOctets } from '../../src/testing/hostile-octets.ts'
import type { Attacker } from './attacker.ts'
import type { Attack, Gang } from './attacks.ts'
import { type EspForger, forgeGood, forgeMalformed } from './esp-forger.ts'

/** An SA whose ESP keys an attacker has. */
function armed(gang: Gang): { attacker: Attacker; forger: EspForger } | undefined {
  const attacker = gang.dice.chance(85) ? gang.ready() : gang.responder
  if (attacker === undefined) return undefined
  // Only those that the victim still holds.
  const inbound = new Set(gang.world.victim.states().map(({ spi }) => spi))
  const forgers = attacker.forgers.filter(({ spi }) => inbound.has(spi))
  return forgers.length === 0 ? undefined : { attacker, forger: gang.dice.pick(forgers) }
}

/** Attacks on the data plane by those who have keys. */
export const espAttacks: readonly Attack[] = [
  {
    name: 'ESP with a good ICV, malformed inside',
    weight: 180,
    aim: (gang) => {
      const one = armed(gang)
      if (one === undefined) return undefined
      const datagram = one.attacker.to4500(forgeMalformed(one.forger, gang.dice))
      // From elsewhere: the victim may follow, or not, but must live.
      if (gang.dice.chance(3))
        return { datagram: { ...datagram, from: { address: parseIp('203.0.113.50'), port: 9 } }, claim: 'esp' }
      gang.spent.push(datagram)
      if (gang.spent.length > 32) gang.spent.shift()
      return { datagram, claim: 'esp' }
    },
  },
  {
    name: 'ESP that is good',
    weight: 15,
    aim: (gang) => {
      const one = armed(gang)
      return one && { datagram: one.attacker.to4500(forgeGood(one.forger)) }
    },
  },
  {
    name: 'ESP again',
    weight: 20,
    aim: ({ spent, dice }) => (spent.length === 0 ? undefined : { datagram: dice.pick(spent) }),
  },
  {
    name: 'ESP tampered with',
    weight: 30,
    aim: (gang) => {
      const one = armed(gang)
      if (one === undefined) return undefined
      const { dice } = gang
      const payload = mutateOctets(forgeGood(one.forger), dice)
      // Mostly the sequence number or the text; the SPI leads to the SA.
      if (payload.length >= 8 && readU32(payload, 0) !== one.forger.spi && dice.chance(80))
        writeU32(payload, 0, one.forger.spi)
      return { datagram: one.attacker.to4500(payload) }
    },
  },
]
