import { equalBytes } from '../../../src/bytes/index.ts'
import { HEADROOM, TAILROOM } from '../../../src/datapath/index.ts'
import { EspEncapsulator } from '../../../src/esp/index.ts'
import { FlowStatus, newPacketFlow, parseFlow } from '../../../src/ip/index.ts'
import { mutateOctets } from '../../../src/testing/hostile-octets.ts'
import { PAD_TO_PATH } from '../../../src/xfrm/port.ts'
import { inner, Side, tunnel } from '../../datapath/support.ts'
import { countingRandom, parametersOf, suites } from '../../esp/suites.ts'
import { fastCrypto } from '../fast-crypto.ts'
import { InputDice } from '../input-dice.ts'
import { mutateProgram, readProgram, reduceProgram, writeProgram } from '../program.ts'
import type { Target } from '../target.ts'

const SEND = 0
const DAMAGE = 1
const FORGE = 2
const REPLAY = 3
const SKIP = 4
const TIME = 5
const DUMMY = 6
const PAD = 7
const BURST = 8
const KINDS = 9

const SPI = 0x1000
const contents = [
  inner(),
  inner('fd00:1::1', 'fd00:2::1'),
  inner('10.2.0.9', '10.1.0.1'),
  inner('10.1.0.1', '10.2.0.1', 0),
]
const paddings = [1, 200, 1400, PAD_TO_PATH]
/** Cheap, and what it costs depends on the core alone: AEADs of the fuzzer. CBC and its MAC are real. */
const crypto = fastCrypto()
const flow = newPacketFlow()

/**
 * ESP packets from strangers, damaged ones, and authentic ones of a peer with anything inside, through the whole datapath into one
 * end of a tunnel; and anything from the tunnel device into the other. What comes out must be what the policy names, and nothing
 * beside a packet in its buffer may change.
 */
export const esp: Target = {
  name: 'esp',
  covers: ['esp/', 'datapath/', 'ip/flow', 'ip/header', 'xfrm/'],

  seeds(dice) {
    return Array.from({ length: 200 }, (_, at) => {
      const steps: Uint8Array[] = [Uint8Array.of(at % suites.length, at >>> 3)]
      for (let more = 1 + dice.below(6); more > 0; more--) {
        const packet = dice.pick(contents)
        const octets = dice.chance(60) ? packet : mutateOctets(packet, dice, contents)
        steps.push(dice.chance(60) ? Uint8Array.of(dice.pick([SEND, FORGE, PAD]), 4, ...octets) : dice.octets(5))
      }
      return writeProgram(steps)
    })
  },

  run(input, note) {
    const [head = new Uint8Array(0), ...steps] = readProgram(input)
    const suite = suites[(head[0] ?? 0) % suites.length]!
    const esn = ((head[1] ?? 0) & 1) === 1
    const clock = { now: 0 }
    const [left, right] = [new Side('192.0.2.1', clock, crypto), new Side('198.51.100.2', clock, crypto)]
    const lifetime = ((head[1] ?? 0) & 2) === 2 ? { softPackets: 3, hardPackets: 5, hardMs: 60_000 } : {}
    const tfcPad = ((head[1] ?? 0) & 4) === 4 ? paddings[(head[1] ?? 0) % paddings.length]! : 0
    tunnel(left, right, { suite, esn, lifetime, spi: SPI, tfcPad })
    const forger = new EspEncapsulator(crypto, { ...parametersOf(suite, esn), spi: SPI }, countingRandom())
    const sent: Uint8Array[] = []
    for (const step of steps) {
      const packets = packetsOf(step, { left, forger, sent, clock })
      for (const packet of packets) {
        sent.push(packet)
        receive(right, left, packet, note)
      }
    }
    crypto.sealed.clear()
  },

  mutate: (input, dice, others) =>
    mutateProgram(input, dice, others, (step) => {
      const changed = step.slice()
      changed[dice.below(2)] = dice.below(64)
      return changed
    }),
  reduce: reduceProgram,
}

interface Scene {
  readonly left: Side
  readonly forger: EspEncapsulator
  readonly sent: readonly Uint8Array[]
  readonly clock: { now: number }
}

/** The ESP packets that a step sends to the right side. */
function packetsOf(step: Uint8Array, { left, forger, sent, clock }: Scene): Uint8Array[] {
  const octets = step.subarray(2)
  switch ((step[0] ?? 0) % KINDS) {
    case SEND:
      return sentFromDevice(left, octets)
    case DAMAGE: {
      const dice = new InputDice(step.subarray(1))
      const packet = sent.at(-1 - dice.below(8))
      return packet === undefined ? [dice.octets(dice.below(200))] : [mutateOctets(packet, dice, [...sent])]
    }
    case FORGE:
      return [sealed(forger, octets, step[1] ?? 0)].filter((packet) => packet !== undefined)
    case REPLAY:
      return sent.slice(-1 - ((step[1] ?? 0) % 16), sent.length).slice(0, 1)
    case SKIP:
      forger.skip(2 ** ((step[1] ?? 0) % 33))
      return []
    case DUMMY: {
      const before = left.sent.length
      const state = [...left.xfrm.states()].find(({ direction }) => direction === 'out')
      if (state !== undefined) left.datapath.sendDummy(state, 8 * (step[1] ?? 0), clock.now)
      return left.sent.slice(before).map(({ packet }) => packet)
    }
    case PAD:
      return [sealed(forger, octets, step[1] ?? 0, octets.length + 3 * (step[1] ?? 0))].filter(
        (one) => one !== undefined,
      )
    case BURST: {
      // So many packets of one kind that the receiver looks for its sequence number elsewhere.
      const one = sealed(forger, octets, 4)
      if (one === undefined) return []
      if (((step[1] ?? 0) & 1) === 1) one[one.length - 1] = one[one.length - 1]! ^ 1
      return new Array<Uint8Array>(130).fill(one)
    }
    case TIME:
      clock.now += 1000 * (step[1] ?? 0)
  }
  return []
}

function sentFromDevice(left: Side, octets: Uint8Array): Uint8Array[] {
  const before = left.sent.length
  left.send(octets.subarray(0, 2000))
  const packets = left.sent.slice(before).map(({ packet }) => packet)
  if (packets.length > 0 && !mayPass(octets, 1)) throw new Error('a packet that no policy names was sent')
  return packets
}

function sealed(forger: EspEncapsulator, octets: Uint8Array, nextHeader: number, padTo = 0): Uint8Array | undefined {
  const text = octets.subarray(0, 2000)
  const buffer = new Uint8Array(HEADROOM + Math.max(text.length, padTo) + TAILROOM)
  buffer.set(text, HEADROOM)
  const length = forger.encapsulatePadded(buffer, HEADROOM, text.length, nextHeader, padTo)
  return length < 0 ? undefined : buffer.slice(HEADROOM - forger.headerBytes, HEADROOM - forger.headerBytes + length)
}

function receive(right: Side, left: Side, packet: Uint8Array, note: (situation: string) => void): void {
  const buffer = new Uint8Array(packet.length + 16).fill(0xa5)
  buffer.set(packet, 8)
  const before = right.delivered.length
  const status = right.datapath.receiveEsp(buffer, 8, packet.length, left.socket, right.socket, right.clock.now)
  note(`status ${status}`)
  const around = [...buffer.subarray(0, 8), ...buffer.subarray(8 + packet.length)]
  if (around.some((octet) => octet !== 0xa5)) throw new Error('octets beside the packet were changed')
  for (const one of right.delivered.slice(before)) {
    if (!mayPass(one, 1) || !equalBytes(one, one.subarray(0, flow.totalLength)))
      throw new Error('a packet that no policy names was delivered')
  }
}

/** A whole IPv4 packet from the network `from` to the other one. */
function mayPass(octets: Uint8Array, from: number): boolean {
  if (parseFlow(octets, 0, octets.length, flow) !== FlowStatus.OK || flow.family !== 4) return false
  const [source, destination] = [flow.source, flow.destination]
  return source[0] === 10 && source[1] === from && destination[0] === 10 && destination[1] === 3 - from
}
