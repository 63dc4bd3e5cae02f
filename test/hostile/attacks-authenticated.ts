import { ExchangeType, type Payload, ProtocolId, type TrafficSelector } from '../../src/ike/codec/index.ts'
import { parseIp } from '../../src/ip/index.ts'
import { hostileKeValue } from '../../src/testing/hostile-ke.ts'
import { mutateOctets } from '../../src/testing/hostile-octets.ts'
import { encodeInner, hostilePayload, mutatePayloads } from '../../src/testing/hostile-payloads.ts'
import { range } from './attacker.ts'
import type { Attack, Gang, Shot } from './attacks.ts'
import { selectors } from './initiator.ts'
import { espSuites, proposalOf } from './keys.ts'
import { friendAddress } from './world.ts'

const { IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL } = ExchangeType
const response = { initiator: true, response: true, higherVersion: false }

const hintsOf = (gang: Gang) => ({ spis: gang.foreignSpis(), groups: [14, 19, 31] })

/** An established attacker's request. */
function request(
  gang: Gang,
  exchangeType: number,
  payloads: (one: NonNullable<ReturnType<Gang['ready']>>) => Payload[],
): Shot | undefined {
  const one = gang.ready()
  if (one === undefined) return undefined
  const made = payloads(one)
  one.dropOffer()
  return { datagram: one.protected({ exchangeType }, made), claim: 'protected', after: () => one.absorb() }
}

const createBase = (gang: Gang, one: NonNullable<ReturnType<Gang['ready']>>): Payload[] => {
  const { dice } = gang
  if (dice.chance(60)) return one.createRequest()
  const group = dice.pick([31, 31, 31, 19, 14])
  const [SA, Nonce, ...TS] = one.createRequest()
  if (SA?.kind !== 'SA') return []
  const [proposal] = SA.proposals
  const transforms = [...proposal!.transforms, { type: 4, id: group, attributes: [] }]
  return [
    { ...SA, proposals: [{ ...proposal!, transforms }] },
    Nonce!,
    { kind: 'KE', critical: false, group, data: hostileKeValue(group, dice) },
    ...TS,
  ]
}

/** Attacks of those who have an IKE_SA with the victim, or are about to. */
export const authenticatedAttacks: readonly Attack[] = [
  {
    name: 'SK IKE_AUTH, mutated',
    weight: 30,
    aim: (gang) => {
      const one = gang.newcomer
      if (!one.ensure(false)) return undefined
      const base = one.authRequest()
      const payloads = mutatePayloads(base, gang.dice, hintsOf(gang))
      one.dropOffer()
      const exchangeType = gang.dice.chance(95) ? IKE_AUTH : gang.dice.pick([CREATE_CHILD_SA, INFORMATIONAL, 43])
      return { datagram: one.protected({ exchangeType }, payloads), claim: 'protected', after: () => one.forget() }
    },
  },
  {
    name: 'SK CREATE_CHILD_SA, mutated',
    weight: 100,
    aim: (gang) =>
      request(gang, CREATE_CHILD_SA, (one) => mutatePayloads(createBase(gang, one), gang.dice, hintsOf(gang))),
  },
  {
    name: 'SK CREATE_CHILD_SA, bad key exchange value',
    weight: 20,
    aim: (gang) => request(gang, CREATE_CHILD_SA, (one) => createBase(gang, one)),
  },
  {
    name: 'SK CREATE_CHILD_SA, many traffic selectors',
    weight: 15,
    aim: (gang) =>
      request(gang, CREATE_CHILD_SA, (one) => {
        const count = gang.dice.pick([16, 63, 64, 65, 255])
        const list = (prefix: string): TrafficSelector[] =>
          Array.from({ length: count }, (_, at) => ({
            ...range(`${prefix}.${at}.${gang.dice.below(256)}`, `${prefix}.${at}.255`),
            protocol: gang.dice.pick([0, 6]),
          }))
        const [SA, Nonce] = one.createRequest()
        return [SA!, Nonce!, selectors('TSi', list('10.66')), selectors('TSr', list('10.1'))]
      }),
  },
  {
    name: 'SK CREATE_CHILD_SA with an SPI that is in use',
    weight: 30,
    aim: (gang) => request(gang, CREATE_CHILD_SA, (one) => one.createRequest(gang.dice.pick(gang.foreignSpis()))),
  },
  {
    name: 'SK CREATE_CHILD_SA, one more (hoarding)',
    weight: 20,
    aim: (gang) => {
      const one = gang.ready()
      if (one === undefined) return undefined
      const payloads = one.createRequest()
      return { datagram: one.protected({ exchangeType: CREATE_CHILD_SA }, payloads), after: () => one.absorb() }
    },
  },
  {
    name: 'SK CREATE_CHILD_SA, rekeying',
    weight: 30,
    aim: (gang) =>
      request(gang, CREATE_CHILD_SA, (one) => {
        const { dice } = gang
        const spi = dice.chance(50) ? dice.pick(gang.foreignSpis()) : dice.octets(4)
        const rekey: Payload = {
          kind: 'N',
          critical: false,
          protocol: ProtocolId.ESP,
          spi,
          notify: 16393,
          data: new Uint8Array(0),
        }
        if (dice.chance(50)) return [rekey, ...one.createRequest()]
        const proposal = proposalOf({ ...espSuites[0]!, prf: 5, ke: 31 }, ProtocolId.IKE, dice.octets(8))
        return [
          { kind: 'SA', critical: false, proposals: [proposal] },
          { kind: 'Nonce', critical: false, data: dice.octets(32) },
          { kind: 'KE', critical: false, group: 31, data: dice.octets(32) },
        ]
      }),
  },
  {
    name: 'SK INFORMATIONAL, random payloads',
    weight: 130,
    aim: (gang) =>
      request(gang, INFORMATIONAL, () =>
        Array.from({ length: gang.dice.below(6) }, () => hostilePayload(gang.dice, hintsOf(gang))),
      ),
  },
  {
    name: 'SK INFORMATIONAL, deletes',
    weight: 20,
    aim: (gang) =>
      request(gang, INFORMATIONAL, () => {
        const { dice } = gang
        const spiSize = dice.pick([4, 4, 4, 1, 2, 8, 255])
        const spis = Array.from({ length: dice.pick([1, 2, 250]) }, (_, at) =>
          spiSize === 4 && at === 0 ? dice.pick(gang.foreignSpis()) : dice.octets(spiSize),
        )
        return [{ kind: 'D', critical: false, protocol: ProtocolId.ESP, spiSize, spis }]
      }),
  },
  {
    name: 'SK with mutated octets inside',
    weight: 25,
    aim: (gang) => {
      const one = gang.ready()
      if (one === undefined) return undefined
      const { dice } = gang
      const { first, inner } = encodeInner(createBase(gang, one))
      one.dropOffer()
      const mutated = mutateOctets(inner, dice, [dice.octets(64)])
      const exchangeType = dice.chance(60) ? CREATE_CHILD_SA : INFORMATIONAL
      const datagram = one.protectedRaw({ exchangeType }, dice.chance(80) ? first : dice.below(64), mutated)
      return { datagram, claim: 'protected', after: () => one.absorb() }
    },
  },
  {
    name: 'SK with padding that lies or is long',
    weight: 12,
    aim: (gang) => {
      const one = gang.ready()
      if (one === undefined) return undefined
      const { dice } = gang
      const { first, inner } = encodeInner(dice.chance(50) ? [] : [hostilePayload(dice, hintsOf(gang))])
      one.dropOffer()
      const good = one.protectedRaw({}, first, inner, dice.pick([0, 1, 254, 255]))
      const datagram = dice.chance(50) ? one.withPadLength(good, dice.below(256)) : good
      return { datagram, claim: 'protected', after: () => one.absorb() }
    },
  },
  {
    name: 'SK with another exchange, flag, version or message id',
    weight: 25,
    aim: (gang) => {
      const one = gang.ready()
      if (one === undefined) return undefined
      const { dice } = gang
      one.dropOffer()
      const flags = { initiator: dice.chance(80), response: dice.chance(30), higherVersion: dice.chance(30) }
      const header = {
        exchangeType: dice.chance(70) ? 34 + dice.below(11) : dice.below(256),
        minorVersion: dice.below(16),
        messageId: dice.chance(50) ? one.nextId : dice.pick([0, 1, one.nextId + 1, 0xffffffff, dice.u32()]),
        flags,
      }
      return { datagram: one.protected(header, [hostilePayload(dice, hintsOf(gang))]), after: () => one.absorb() }
    },
  },
  {
    name: 'SK request again, with other contents',
    weight: 40,
    aim: (gang) => {
      const one = gang.ready()
      if (one === undefined || one.nextId < 2) return undefined
      one.dropOffer()
      const payloads = mutatePayloads(one.createRequest(), gang.dice, hintsOf(gang))
      one.dropOffer()
      const header = { exchangeType: CREATE_CHILD_SA, messageId: one.nextId - 1 }
      return { datagram: one.protected(header, payloads), claim: 'protected', after: () => one.absorb() }
    },
  },
  {
    name: 'SK answer to a request of the victim (liveness), mutated',
    weight: 10,
    aim: (gang) => {
      const one = gang.initiators.find((initiator) => initiator.established && initiator.asked.length > 0)
      const asked = one?.asked.pop()
      if (one === undefined || asked === undefined || !one.ensure(true)) return undefined
      const payloads = mutatePayloads([], gang.dice, hintsOf(gang))
      const header = { exchangeType: asked.exchange, messageId: asked.messageId, flags: response }
      return { datagram: one.protected(header, payloads), after: () => one.absorb() }
    },
  },
  {
    name: "SK from a friend's address, with an SPI of that friend's",
    weight: 10,
    aim: (gang) => {
      const { dice, world } = gang
      const one = gang.ready()
      if (one === undefined) return undefined
      // What the victim sends to the friend carries the friend's SPI: everybody on the path knows it.
      const outbound = world.victim
        .states()
        .find(({ direction, label }) => direction === 'out' && label.startsWith('friend'))
      const spi = outbound!.spi
      const octets = Uint8Array.of(spi >>> 24, spi >>> 16, spi >>> 8, spi)
      world.setUp(one.protected({ exchangeType: CREATE_CHILD_SA }, one.createRequest(octets)))
      one.absorb()
      if (!one.ensure(true)) return undefined
      const { to, payload } = one.protected({}, [])
      const from = { address: parseIp(dice.chance(80) ? friendAddress : '203.0.113.77'), port: dice.pick([4500, 4501]) }
      return { datagram: { from, to, payload }, claim: 'protected', after: () => one.forget() }
    },
  },
  {
    name: 'IKE_SA_INIT response to the victim, mutated',
    weight: 10,
    aim: ({ responder }) => {
      const asked = responder.nextRequest()
      if (asked?.exchange !== ExchangeType.IKE_SA_INIT) {
        if (asked !== undefined) responder.asked.push(asked)
        return undefined
      }
      const datagram = responder.answerInit(asked, (payloads) => responder.mutated(payloads))
      responder.forget()
      return { datagram, after: () => responder.absorb() }
    },
  },
  {
    name: 'SK response to the victim, mutated',
    weight: 70,
    aim: (gang) => {
      const { responder, world, dice } = gang
      let asked = responder.nextRequest()
      if (asked?.exchange === ExchangeType.IKE_SA_INIT) {
        world.setUp(responder.answerInit(asked))
        asked = responder.nextRequest()
      }
      const payloads = asked && responder.answerPayloads(asked)
      if (asked === undefined || payloads === undefined) return undefined
      if (asked.exchange === IKE_AUTH && dice.chance(60)) {
        world.setUp(responder.response(asked, payloads))
        return undefined
      }
      const mutated = responder.mutated(payloads)
      return { datagram: responder.response(asked, mutated), claim: 'protected', after: () => responder.absorb() }
    },
  },
  {
    name: 'SK response to the victim with very many traffic selectors',
    weight: 5,
    aim: ({ responder, dice }) => {
      const asked = responder.nextRequest()
      const payloads = asked && responder.answerPayloads(asked)
      if (asked === undefined || payloads === undefined) return undefined
      const count = dice.pick([16, 64, 255])
      const list = (prefix: string) =>
        Array.from({ length: count }, (_, at) => range(`${prefix}.${at}.0`, `${prefix}.${at}.255`))
      const many = payloads.map((one) =>
        one.kind === 'TSi'
          ? selectors('TSi', list('10.1'))
          : one.kind === 'TSr'
            ? selectors('TSr', list('10.67'))
            : one,
      )
      return { datagram: responder.response(asked, many), claim: 'protected', after: () => responder.absorb() }
    },
  },
  {
    name: 'SK request of the peer that was called',
    weight: 30,
    aim: (gang) => {
      const { responder, dice } = gang
      responder.absorb()
      const { sa } = responder
      if (sa === undefined || !gang.world.stands(sa.SPIi)) return undefined
      const payloads = Array.from({ length: dice.below(4) }, () => hostilePayload(dice, hintsOf(gang)))
      const exchangeType = dice.pick([CREATE_CHILD_SA, INFORMATIONAL, INFORMATIONAL])
      return {
        datagram: responder.protected({ exchangeType }, payloads),
        claim: 'protected',
        after: () => responder.absorb(),
      }
    },
  },
]
