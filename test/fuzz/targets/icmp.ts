import { writeU16, writeU32 } from '../../../src/bytes/index.ts'
import { FlowStatus, newIcmpError, newPacketFlow, parseFlow, parseIcmpError } from '../../../src/ip/index.ts'
import { mutateOctets } from '../../../src/testing/hostile-octets.ts'
import { type ModePair, modePair } from '../../datapath/mode-support.ts'
import { inner } from '../../datapath/support.ts'
import { fastCrypto } from '../fast-crypto.ts'
import { mutateProgram, readProgram, reduceProgram, writeProgram } from '../program.ts'
import type { Target } from '../target.ts'

const OUTSIDE = 0
const INSIDE = 1
/** And time. */
const KINDS = 3

/** Octets of an IPv4 header, of a UDP header behind it, and of an ICMP one. */
const IPV4 = 20
const UDP = 8
const ICMP = 8
const LEAST_MTU = 576
const error = newIcmpError()
const flow = newPacketFlow()
const crypto = fastCrypto()

/**
 * ICMP messages of the outer network about the packets of a state, and ones from inside for which the packet decides that they quote: any
 * octets in both. What is believed of the path stays within its bounds, and nothing is delivered that neither names a flow of
 * the policy nor quotes one.
 */
export const icmp: Target = {
  name: 'icmp',
  covers: ['ip/icmp', 'ip/flow', 'datapath/outer-icmp', 'datapath/quotation', 'datapath/path-mtu', 'datapath/too-big'],

  seeds(dice) {
    return Array.from({ length: 100 }, () => {
      const steps: Uint8Array[] = []
      for (let more = 1 + dice.below(5); more > 0; more--) {
        const kind = dice.pick([OUTSIDE, INSIDE])
        const message = kind === OUTSIDE ? tooBig(dice.below(2000), 28 + dice.below(60)) : exceeded(dice.chance(50))
        const octets = dice.chance(50) ? message : mutateOctets(message, dice, [tooBig(1400, 60), exceeded(true)])
        steps.push(Uint8Array.of(dice.chance(90) ? kind : dice.below(KINDS), dice.pick([1, 1, 58]), ...octets))
      }
      return writeProgram(steps)
    })
  },

  run(input, note) {
    const pair = modePair({ extra: { flags: { icmp: true } }, crypto })
    // What the messages may quote.
    pair.left.seal(inner('10.1.0.1', '10.2.0.1', 1400))
    for (const step of readProgram(input)) {
      const octets = step.subarray(2)
      const kind = (step[0] ?? 0) % KINDS
      if (kind === OUTSIDE) fromOutside(pair, octets, step[1] ?? 0, note)
      else if (kind === INSIDE) fromInside(pair, octets, note)
      else pair.left.clock.now += 10_000 * (step[1] ?? 0)
    }
    crypto.sealed.clear()
  },

  mutate: (input, dice, others) =>
    mutateProgram(input, dice, others, (step) => mutateOctets(step, dice, [tooBig(1400, 60), exceeded(true)])),
  reduce: reduceProgram,
}

function fromOutside(
  { left, out }: ModePair,
  octets: Uint8Array,
  protocol: number,
  note: (situation: string) => void,
): void {
  // What was learnt long ago is forgotten.
  const before = left.clock.now >= out.pathMtuUntil ? Number.POSITIVE_INFINITY : out.pathMtu
  const copy = octets.slice()
  const lowered = left.datapath.receiveIcmp(copy, 0, copy.length, protocol, left.clock.now)
  note(`outside ${lowered} ${parseIcmpError(copy, 0, copy.length, protocol, error)}`)
  if (copy.some((octet, at) => octet !== octets[at])) throw new Error('a message was changed')
  if (lowered && !(out.pathMtu < before)) throw new Error('a path MTU was not lowered')
  if (!lowered && out.pathMtu > before) throw new Error('a path MTU was raised')
  if (out.pathMtu < LEAST_MTU) throw new Error('a path MTU below the least')
}

function fromInside({ left, right }: ModePair, octets: Uint8Array, note: (situation: string) => void): void {
  const sent = left.sent.length
  const status = left.send(octets.subarray(0, 2000))
  note(`inside ${status}`)
  for (const one of left.sent.slice(sent)) right.take(one, left.socket)
  for (const packet of right.delivered.splice(0)) {
    if (!mayPass(packet)) throw new Error('a packet that no policy names was delivered')
  }
  left.delivered.length = 0
}

/** Between the two networks, or an error about a packet that went the other way between them. */
function mayPass(packet: Uint8Array): boolean {
  if (parseFlow(packet, 0, packet.length, flow) !== FlowStatus.OK || flow.family !== 4) return false
  if (isFrom(flow.source, 1) && isFrom(flow.destination, 2)) return true
  const at = flow.transportOffset
  if (!parseIcmpError(packet, at, packet.length - at, flow.protocol, error)) return false
  return isFrom(error.quoted.source, 2) && isFrom(error.quoted.destination, 1)
}

const isFrom = (address: Uint8Array, net: number): boolean => address[0] === 10 && address[1] === net

/** A "fragmentation needed" about the first packet of the pair, which it quotes as far as its outer headers and ESP's go. */
function tooBig(mtu: number, quoted: number): Uint8Array {
  const message = new Uint8Array(ICMP + quoted)
  message.set([3, 4])
  writeU16(message, 6, mtu)
  const outer = new Uint8Array(IPV4 + UDP + 60)
  outer.set([0x45, 0, 1500 >>> 8, 1500 & 0xff, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2])
  writeU16(outer, IPV4, 4500)
  writeU16(outer, IPV4 + 2, 4500)
  writeU32(outer, IPV4 + UDP, 0x1000)
  writeU32(outer, IPV4 + UDP + 4, 1)
  message.set(outer.subarray(0, quoted), ICMP)
  return message
}

/** "Time exceeded" of a router inside, about a packet between the two networks; `back`: in the direction that it may be told of. */
function exceeded(back: boolean): Uint8Array {
  const about = back ? inner('10.2.0.1', '10.1.0.1') : inner('10.1.0.1', '10.2.0.1')
  const packet = new Uint8Array(IPV4 + ICMP + 48)
  packet.set([0x45, 0, 0, packet.length, 0, 0, 0x40, 0, 64, 1, 0, 0, 172, 16, 0, 1, 10, 2, 0, 1, 11])
  packet.set(about.subarray(0, 48), IPV4 + ICMP)
  return packet
}
