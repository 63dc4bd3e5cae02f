import { Writer } from '../bytes/index.ts'
import {
  encodePayloads,
  IdType,
  NotifyType,
  type Payload,
  type Proposal,
  ProtocolId,
  type TrafficSelector,
  type Transform,
} from '../ike/codec/index.ts'
import type { Dice } from './hostile-dice.ts'
import { hostileKeValue } from './hostile-ke.ts'

/** What an attacker knows and aims at. */
export interface HostileHints {
  /** ESP SPIs to name in deletes and proposals, 4 octets each. */
  readonly spis: readonly Uint8Array[]
  /** Key exchange groups that the victim takes. */
  readonly groups: readonly number[]
}

const notifyTypes = Object.values(NotifyType)
const idTypes = Object.values(IdType)
const length = (dice: Dice) => dice.pick([0, 1, 2, 3, 4, 7, 8, 16, 20, 32, 33, 64, 255, 256, 257, 1000])
const flag = (dice: Dice) => dice.chance(10)
const spi = (dice: Dice, hints: HostileHints): Uint8Array => {
  if (hints.spis.length > 0 && dice.chance(60)) return dice.pick(hints.spis)
  return dice.octets(dice.pick([4, 4, 4, 0, 1, 2, 3, 8]))
}

const makers: readonly ((dice: Dice, hints: HostileHints) => Payload)[] = [
  (dice, hints) => ({ kind: 'SA', critical: flag(dice), proposals: proposals(dice, hints) }),
  (dice, hints) => {
    const group = dice.chance(80) ? dice.pick(hints.groups) : dice.below(40)
    return { kind: 'KE', critical: flag(dice), group, data: hostileKeValue(group, dice) }
  },
  (dice) => id(dice.pick(['IDi', 'IDr']), dice),
  (dice) => ({ kind: 'CERT', critical: flag(dice), encoding: dice.below(20), data: dice.octets(length(dice)) }),
  (dice) => ({ kind: 'CERTREQ', critical: flag(dice), encoding: 4, data: dice.octets(20 * dice.below(4)) }),
  (dice) => ({ kind: 'AUTH', critical: flag(dice), method: dice.below(16), data: dice.octets(length(dice)) }),
  (dice) => ({ kind: 'Nonce', critical: flag(dice), data: dice.octets(dice.pick([16, 32, 256])) }),
  (dice, hints) => notify(dice, hints),
  (dice, hints) => deletion(dice, hints),
  (dice) => ({ kind: 'V', critical: flag(dice), data: dice.octets(length(dice)) }),
  (dice) => ({ kind: dice.pick(['TSi', 'TSr']), critical: flag(dice), selectors: selectors(dice) }),
  (dice) => ({
    kind: 'CP',
    critical: flag(dice),
    cfgType: dice.below(6),
    attributes: Array.from({ length: dice.below(5) }, () => ({
      type: dice.below(30),
      value: dice.octets(dice.pick([0, 4, 16, 17])),
    })),
  }),
  (dice) => ({
    kind: 'EAP',
    critical: flag(dice),
    code: dice.below(6),
    identifier: dice.below(256),
    data: dice.octets(length(dice)),
  }),
  (dice) => ({
    kind: 'unknown',
    critical: dice.chance(30),
    type: dice.pick([1, 2, 32, 49, 50, 54, 55, 128, 255]),
    data: dice.octets(length(dice)),
  }),
]

/** A payload of any kind that may stand inside SK{}, well-formed, with fields that need not make sense. */
export function hostilePayload(dice: Dice, hints: HostileHints): Payload {
  return dice.pick(makers)(dice, hints)
}

/** A changed copy of a list of payloads: some removed, repeated, replaced, exchanged, added, or very many of one. */
export function mutatePayloads(payloads: readonly Payload[], dice: Dice, hints: HostileHints): Payload[] {
  const mutated = [...payloads]
  for (let left = 1 + dice.below(3); left > 0; left--) {
    const at = dice.below(mutated.length)
    const one = mutated[at]
    switch (dice.below(8)) {
      case 0:
        mutated.splice(at, 1)
        break
      case 1:
        if (one !== undefined) mutated.splice(dice.below(mutated.length), 0, one)
        break
      case 2:
        mutated[at] = hostilePayload(dice, hints)
        break
      case 3:
        if (one !== undefined) mutated[at] = sibling(one, dice, hints)
        break
      case 4:
        mutated.reverse()
        break
      case 5:
        for (let many = dice.pick([8, 9, 19, 20, 21, 99, 100, 101]); many > 0; many--) {
          mutated.push(many % 2 === 0 || one === undefined ? notify(dice, hints) : one)
        }
        return mutated
      default:
        mutated.splice(dice.below(mutated.length + 1), 0, hostilePayload(dice, hints))
    }
  }
  return mutated
}

/** The payloads as the octets inside SK{}, and the type of the first. */
export function encodeInner(payloads: readonly Payload[]): { first: number; inner: Uint8Array } {
  const writer = new Writer(512)
  const first = encodePayloads(payloads, writer)
  return { first, inner: writer.finish() }
}

/** A payload of the same kind with other contents. */
function sibling(payload: Payload, dice: Dice, hints: HostileHints): Payload {
  switch (payload.kind) {
    case 'SA':
      return { ...payload, proposals: dice.chance(50) ? proposals(dice, hints) : payload.proposals.map(twisted(dice)) }
    case 'KE':
      return { ...payload, data: hostileKeValue(payload.group, dice) }
    case 'Nonce':
      return { ...payload, data: dice.octets(dice.pick([0, 15, 16, 256, 257])) }
    case 'TSi':
    case 'TSr':
      return { ...payload, selectors: selectors(dice) }
    case 'IDi':
    case 'IDr':
      return id(payload.kind, dice)
    case 'AUTH':
      return { ...payload, method: dice.below(16), data: dice.octets(length(dice)) }
    case 'D':
      return deletion(dice, hints)
    default:
      return notify(dice, hints)
  }
}

const twisted =
  (dice: Dice) =>
  (proposal: Proposal): Proposal => {
    switch (dice.below(4)) {
      case 0:
        return { ...proposal, number: dice.below(256) }
      case 1:
        return { ...proposal, protocol: dice.below(5) }
      case 2:
        return { ...proposal, spi: dice.octets(dice.pick([0, 1, 4, 8, 255])) }
      default:
        return { ...proposal, transforms: [...proposal.transforms, ...proposal.transforms.slice(0, 20)].slice(0, 255) }
    }
  }

const id = (kind: 'IDi' | 'IDr', dice: Dice): Payload => ({
  kind,
  critical: flag(dice),
  idType: dice.chance(70) ? dice.pick(idTypes) : dice.below(256),
  reserved: dice.chance(90) ? 0 : dice.below(1 << 24),
  data: dice.octets(length(dice)),
})

function notify(dice: Dice, hints: HostileHints): Payload {
  return {
    kind: 'N',
    critical: flag(dice),
    protocol: dice.below(5),
    spi: dice.chance(50) ? new Uint8Array(0) : spi(dice, hints),
    notify: dice.chance(85) ? dice.pick(notifyTypes) : dice.below(65536),
    data: dice.octets(length(dice)),
  }
}

function deletion(dice: Dice, hints: HostileHints): Payload {
  // Deleting the IKE_SA ends every attack, so it is rare.
  const protocol = dice.chance(3) ? ProtocolId.IKE : dice.pick([ProtocolId.ESP, ProtocolId.ESP, ProtocolId.AH, 4, 0])
  if (protocol === ProtocolId.IKE) return { kind: 'D', critical: false, protocol, spiSize: 0, spis: [] }
  const first = spi(dice, hints)
  if (first.length === 0) return { kind: 'D', critical: false, protocol, spiSize: 0, spis: [] }
  const others = Array.from({ length: dice.pick([0, 0, 1, 20, 250]) }, () => dice.octets(first.length))
  return { kind: 'D', critical: flag(dice), protocol, spiSize: first.length, spis: [first, ...others] }
}

function proposals(dice: Dice, hints: HostileHints): Proposal[] {
  const count = dice.chance(90) ? 1 + dice.below(3) : dice.pick([16, 100, 255])
  const transforms = dice.chance(90) ? dice.below(6) : dice.pick([20, 255])
  // The whole must fit a payload.
  if (count * transforms > 500) return proposals(dice, hints)
  return Array.from({ length: count }, (_, at) => ({
    number: dice.chance(80) ? at + 1 : dice.below(256),
    protocol: dice.pick([ProtocolId.ESP, ProtocolId.ESP, ProtocolId.IKE, ProtocolId.AH, 0, 9]),
    spi: dice.chance(80) ? spi(dice, hints) : dice.octets(dice.pick([0, 4, 8, count > 100 ? 9 : 255])),
    transforms: Array.from({ length: transforms }, () => transform(dice)),
  }))
}

function transform(dice: Dice): Transform {
  const attributes = Array.from({ length: dice.pick([0, 0, 1, 1, 2, 16]) }, () => ({
    type: dice.chance(80) ? 14 : dice.below(0x8000),
    value: dice.chance(80) ? dice.pick([0, 1, 127, 128, 256, 65535]) : dice.octets(dice.below(5)),
  }))
  return {
    type: dice.chance(90) ? 1 + dice.below(6) : dice.below(256),
    id: dice.chance(90) ? dice.below(32) : dice.below(65536),
    attributes,
  }
}

function selectors(dice: Dice): TrafficSelector[] {
  const count = dice.chance(85) ? 1 + dice.below(3) : dice.pick([16, 64, 254, 255])
  return Array.from({ length: count }, () => selector(dice))
}

function selector(dice: Dice): TrafficSelector {
  if (dice.chance(10)) {
    return {
      tsType: dice.pick([0, 6, 9, 10, 255]),
      unknown: true,
      protocol: dice.below(256),
      data: dice.octets(length(dice)),
    }
  }
  const v6 = dice.chance(25)
  const ports = dice.pick([
    [0, 65535],
    [65535, 0],
    [80, 80],
    [443, 22],
    [dice.below(65536), dice.below(65536)],
  ])
  return {
    tsType: v6 ? 8 : 7,
    protocol: dice.pick([0, 0, 1, 6, 17, 58, 132, 135, dice.below(256)]),
    startPort: ports[0]!,
    endPort: ports[1]!,
    startAddress: address(dice, v6, 0),
    endAddress: address(dice, v6, 0xff),
  }
}

function address(dice: Dice, v6: boolean, edge: number): Uint8Array {
  const octets = new Uint8Array(v6 ? 16 : 4).fill(edge)
  if (dice.chance(30)) return octets
  const fixed = v6 ? [0xfd, 0x66] : [10, dice.pick([1, 2, 66])]
  octets.set(dice.chance(80) ? fixed : dice.octets(2))
  if (dice.chance(50)) octets.set(dice.octets(2), octets.length - 2)
  return octets
}
