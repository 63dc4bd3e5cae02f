import { concat, equalBytes, fromHex, readU32, writeU32 } from '../../src/bytes/index.ts'
import { ExchangeType, encodeMessage, NotifyType } from '../../src/ike/codec/index.ts'
import { parseIp } from '../../src/ip/index.ts'
import { hostileKeValue } from '../../src/testing/hostile-ke.ts'
import { mutateHeader, mutateOctets, repairLength } from '../../src/testing/hostile-octets.ts'
import { hostilePayload, mutatePayloads } from '../../src/testing/hostile-payloads.ts'
import { range } from './attacker.ts'
import type { Attack, Gang } from './attacks.ts'
import type { Datagram } from './gateway.ts'
import { ikeSuites } from './keys.ts'
import { friendAddress, victimAddress } from './world.ts'

const marker = new Uint8Array(4)
const noHints = { spis: [], groups: [14, 19, 31] }

/** Sent from anywhere to one of the victim's ports. */
function stray(gang: Gang, port: 500 | 4500, payload: Uint8Array): Datagram {
  const { dice } = gang
  const address = dice.chance(20) ? friendAddress : `203.0.113.${dice.below(256)}`
  const from = { address: parseIp(address), port: dice.chance(50) ? port : dice.below(65536) }
  return { from, to: { address: parseIp(victimAddress), port }, payload: payload.subarray(0, 65_507) }
}

/** A recorded IKE message, mostly mutated but mostly with a length that is true. */
function mutatedRecord(gang: Gang): Datagram {
  const { dice, corpus } = gang
  const { port, payload } = dice.pick(corpus)
  const others = corpus.slice(dice.below(corpus.length)).slice(0, 1)
  const start = port === 4500 && isIke(payload) ? 4 : 0
  const message = mutateOctets(
    payload.subarray(start),
    dice,
    others.map((other) => other.payload),
  )
  if (dice.chance(80)) repairLength(message)
  return stray(gang, port, concat(payload.subarray(0, start), message))
}

const isIke = (payload: Uint8Array) => payload.length > 4 && payload.subarray(0, 4).every((octet) => octet === 0)

/** About what the honest ones expect next: message ids can be read on the path. */
function nextIdOf({ world }: Gang, SPIi: Uint8Array): number {
  let next = 2
  for (const { payload } of world.overheard) {
    if (payload.length > 32 && equalBytes(payload.subarray(4, 12), SPIi))
      next = Math.max(next, readU32(payload, 24) + 1)
  }
  return next
}

/** With the IKE SPIs of an honest tunnel, which everybody on the path can read. */
function asFriend(gang: Gang): { SPIi: Uint8Array; SPIr: Uint8Array; victimIsInitiator: boolean } {
  const sas = gang.world.victim.ike
    .status()
    .filter(({ sa }) => sa.connection === 'friend' || sa.connection === 'caller')
  const { SPIi, SPIr, role } = gang.dice.pick(sas)
  return { SPIi: fromHex(SPIi), SPIr: fromHex(SPIr), victimIsInitiator: role === 'initiator' }
}

/** Attacks of those who have no key. */
export const strangerAttacks: readonly Attack[] = [
  {
    name: 'recorded message, as it was',
    weight: 40,
    aim: (gang) => {
      const { port, payload } = gang.dice.pick(gang.corpus)
      return { datagram: stray(gang, port, payload) }
    },
  },
  { name: 'recorded message, octets mutated', weight: 120, aim: (gang) => ({ datagram: mutatedRecord(gang) }) },
  {
    name: 'recorded message, header mutated',
    weight: 40,
    aim: (gang) => {
      const { port, payload } = gang.dice.pick(gang.corpus)
      const start = port === 4500 && isIke(payload) ? 4 : 0
      const message = mutateHeader(payload.slice(start), gang.dice)
      return { datagram: stray(gang, port, concat(payload.subarray(0, start), message)) }
    },
  },
  {
    name: 'overheard datagram of the honest tunnels, mutated or again',
    weight: 50,
    aim: ({ dice, world }) => {
      if (world.overheard.length === 0) return undefined
      const heard = dice.pick(world.overheard)
      const payload = dice.chance(30) ? heard.payload : mutateOctets(heard.payload, dice)
      if (payload[0] === 0 && payload.length > 32) repairLength(payload.subarray(4))
      const from = dice.chance(70) ? heard.from : { address: parseIp('203.0.113.66'), port: 4500 }
      return { datagram: { from, to: { address: parseIp(victimAddress), port: heard.to.port }, payload } }
    },
  },
  {
    name: 'forged SK message with the SPIs of an honest tunnel',
    weight: 50,
    aim: (gang) => {
      const { dice } = gang
      const { SPIi, SPIr, victimIsInitiator } = asFriend(gang)
      const message = encodeMessage(
        {
          SPIi,
          SPIr,
          majorVersion: 2,
          minorVersion: dice.below(3),
          exchangeType: 34 + dice.below(5),
          flags: { initiator: !victimIsInitiator, response: dice.chance(50), higherVersion: dice.chance(5) },
          messageId: nextIdOf(gang, SPIi) + dice.pick([0, 0, 0, -1, 1, 100]),
        },
        dice.chance(60)
          ? [{ kind: 'SK', critical: false, firstPayload: 33 + dice.below(16), body: dice.octets(dice.below(120)) }]
          : [hostilePayload(dice, noHints), hostilePayload(dice, noHints)],
      )
      return { datagram: stray(gang, 4500, concat(marker, message)) }
    },
  },
  {
    name: 'IKE_SA_INIT, well-formed (flood)',
    weight: 60,
    aim: ({ dice, flooder }) => {
      const payloads = flooder.initRequest(ikeSuites[0]!)
      const datagram = flooder.plain({ SPIi: dice.octets(8), SPIr: new Uint8Array(8) }, payloads)
      return { datagram: { ...datagram, from: { ...datagram.from, port: 1 + dice.below(65535) } } }
    },
  },
  {
    name: 'IKE_SA_INIT with a wrong cookie',
    weight: 20,
    aim: ({ dice, flooder }) => {
      const data = dice.octets(dice.pick([0, 1, 32, 33, 33, 64, 65]))
      const cookie = {
        kind: 'N' as const,
        critical: false,
        protocol: 0,
        spi: new Uint8Array(0),
        notify: NotifyType.COOKIE,
        data,
      }
      const payloads = [cookie, ...flooder.initRequest(ikeSuites[0]!)]
      return { datagram: flooder.plain({ SPIi: dice.octets(8), SPIr: new Uint8Array(8) }, payloads) }
    },
  },
  {
    name: 'IKE_SA_INIT with a right cookie',
    weight: 20,
    aim: ({ dice, flooder, world }) => {
      const SPIi = dice.octets(8)
      const payloads = flooder.initRequest(ikeSuites[0]!)
      const header = { SPIi, SPIr: new Uint8Array(8) }
      world.take(flooder.address)
      world.setUp(flooder.plain(header, payloads))
      const answer = world.take(flooder.address).at(-1)?.payload
      // COOKIE alone: header, notify head, data.
      if (answer === undefined || answer.length < 40 || answer[16] !== 41) return undefined
      const data = answer.slice(36)
      const cookie = {
        kind: 'N' as const,
        critical: false,
        protocol: 0,
        spi: new Uint8Array(0),
        notify: NotifyType.COOKIE,
        data,
      }
      return { datagram: flooder.plain(header, [cookie, ...payloads]) }
    },
  },
  {
    name: 'IKE_SA_INIT, payloads mutated',
    weight: 90,
    aim: ({ dice, flooder }) => {
      const payloads = mutatePayloads(flooder.initRequest(ikeSuites[dice.chance(90) ? 0 : 1]!), dice, noHints)
      const datagram = flooder.plain({ SPIi: dice.octets(8), SPIr: new Uint8Array(8) }, payloads)
      return { datagram: { ...datagram, payload: datagram.payload.subarray(0, 65_507) } }
    },
  },
  {
    name: 'IKE_SA_INIT with a bad key exchange value',
    weight: 30,
    aim: ({ dice, flooder }) => {
      const suite = dice.chance(70) ? ikeSuites[0]! : dice.pick(ikeSuites)
      const payloads = flooder
        .initRequest(suite)
        .map((one) => (one.kind === 'KE' ? { ...one, data: hostileKeValue(one.group, dice) } : one))
      return { datagram: flooder.plain({ SPIi: dice.octets(8), SPIr: new Uint8Array(8) }, payloads) }
    },
  },
  {
    name: 'IKE_SA_INIT as large as a datagram',
    weight: 3,
    aim: ({ dice, flooder }) => {
      // Distinct transform types make the choice look at everything.
      const transforms = Array.from({ length: 255 }, (_, at) => ({ type: (at + 1) & 0xff, id: at, attributes: [] }))
      const proposals = Array.from({ length: 30 }, (_, at) => ({
        number: at + 1,
        protocol: 1,
        spi: new Uint8Array(0),
        transforms,
      }))
      const others = flooder.initRequest(ikeSuites[0]!).slice(1)
      const payloads = [{ kind: 'SA' as const, critical: false, proposals }, ...others]
      return { datagram: flooder.plain({ SPIi: dice.octets(8), SPIr: new Uint8Array(8) }, payloads) }
    },
  },
  {
    name: 'IKE_SA_INIT response that nobody asked for',
    weight: 10,
    aim: ({ dice, flooder, responder }) => {
      const payloads = flooder.initRequest(ikeSuites[0]!)
      const flags = { initiator: dice.chance(20), response: true, higherVersion: false }
      return { datagram: responder.plain({ SPIi: dice.octets(8), SPIr: dice.octets(8), flags }, payloads) }
    },
  },
  {
    name: 'another version or exchange',
    weight: 20,
    aim: (gang) => {
      const { dice } = gang
      const message = encodeMessage(
        {
          SPIi: dice.octets(8),
          SPIr: dice.chance(50) ? new Uint8Array(8) : dice.octets(8),
          majorVersion: dice.pick([0, 1, 2, 3, 15]),
          minorVersion: dice.below(16),
          exchangeType: dice.chance(50) ? ExchangeType.IKE_SA_INIT : dice.below(256),
          flags: { initiator: dice.chance(80), response: dice.chance(20), higherVersion: dice.chance(50) },
          messageId: dice.pick([0, 1, 0xffffffff]),
        },
        [{ kind: 'TSi', critical: false, selectors: [range('0.0.0.0', '255.255.255.255')] }],
      )
      return { datagram: stray(gang, 500, message) }
    },
  },
  {
    name: 'keepalive, runt, noise',
    weight: 40,
    aim: (gang) => {
      const { dice } = gang
      const payload = dice.pick([
        () => Uint8Array.of(0xff),
        () => new Uint8Array(0),
        () => Uint8Array.of(dice.below(255)),
        () => new Uint8Array(dice.below(40)),
        () => dice.octets(dice.below(64)),
        () => concat(marker, dice.octets(28 + dice.below(2000))),
      ])()
      return { datagram: stray(gang, dice.pick([500, 4500]), payload) }
    },
  },
  {
    name: 'ESP with an unknown SPI',
    weight: 20,
    aim: (gang) => ({
      datagram: stray(gang, 4500, concat(Uint8Array.of(0x80), gang.dice.octets(20 + gang.dice.below(100)))),
    }),
  },
  {
    name: 'ESP forged with the SPI of an honest tunnel',
    weight: 30,
    aim: (gang) => {
      const { dice } = gang
      const packet = dice.octets(8 + dice.below(120))
      packet.set(dice.pick(gang.foreignSpis()))
      writeU32(packet, 4, dice.pick([0, 1, 100, 1_000_000, 0xffffffff]))
      return { datagram: stray(gang, 4500, packet) }
    },
  },
]
