import { concat, readU16, writeU16, writeU32 } from '../bytes/index.ts'
import type { Dice } from './hostile-dice.ts'

/** One way of damaging octets; may return its argument, changed. */
type Damage = (octets: Uint8Array, dice: Dice, others: readonly Uint8Array[]) => Uint8Array

/** Values at which length and count fields go wrong. */
const edgesU8 = [0, 1, 3, 4, 7, 8, 0x7f, 0x80, 0xfe, 0xff]
const edgesU16 = [0, 1, 3, 4, 7, 8, 0x7fff, 0x8000, 0xfffe, 0xffff]

const damages: readonly Damage[] = [
  function flipBit(octets, dice) {
    const at = dice.below(octets.length)
    octets[at] = octets[at]! ^ (1 << dice.below(8))
    return octets
  },
  function setOctet(octets, dice) {
    octets[dice.below(octets.length)] = dice.chance(50) ? dice.pick(edgesU8) : dice.u32()
    return octets
  },
  function setField(octets, dice) {
    if (octets.length >= 2) writeU16(octets, dice.below(octets.length - 1), dice.pick(edgesU16))
    return octets
  },
  function nudgeField(octets, dice) {
    if (octets.length < 2) return octets
    // Payload lengths mostly stand at even offsets.
    const at = dice.below(octets.length >>> 1) * 2
    writeU16(octets, at, readU16(octets, at) + dice.pick([-4, -1, 1, 4]))
    return octets
  },
  function truncate(octets, dice) {
    return octets.slice(0, dice.below(octets.length))
  },
  function extend(octets, dice) {
    return concat(octets, dice.octets(1 + dice.below(40)))
  },
  function removeRange(octets, dice) {
    const from = dice.below(octets.length)
    return concat(octets.subarray(0, from), octets.subarray(from + 1 + dice.below(16)))
  },
  function repeatRange(octets, dice) {
    const from = dice.below(octets.length)
    const to = from + 1 + dice.below(64)
    return concat(octets.subarray(0, to), octets.subarray(from))
  },
  function splice(octets, dice, others) {
    if (others.length === 0) return octets
    const other = dice.pick(others)
    return concat(octets.subarray(0, dice.below(octets.length)), other.subarray(dice.below(other.length)))
  },
  function clearRange(octets, dice) {
    const from = dice.below(octets.length)
    octets.fill(dice.chance(50) ? 0 : 0xff, from, from + 1 + dice.below(16))
    return octets
  },
]

/** A damaged copy of `octets`: one to four changes, some of which splice in a piece of one of the `others`. */
export function mutateOctets(octets: Uint8Array, dice: Dice, others: readonly Uint8Array[] = []): Uint8Array {
  let mutated: Uint8Array = octets.slice()
  for (let left = 1 + dice.below(4); left > 0 && mutated.length > 0; left--) {
    mutated = dice.pick(damages)(mutated, dice, others)
  }
  return mutated
}

const headerBytes = 28
const lengthAt = 24

/** Makes the length field of an IKE header true, in place, so that a mutated message gets behind the first check. */
export function repairLength(message: Uint8Array): Uint8Array {
  if (message.length >= headerBytes) writeU32(message, lengthAt, message.length)
  return message
}

/** Changes fields of an IKE header, in place: SPIs, version, exchange, flags, message id. RFC 7296 §3.1. */
export function mutateHeader(message: Uint8Array, dice: Dice): Uint8Array {
  if (message.length < headerBytes) return message
  const fields: readonly (() => void)[] = [
    () => message.set(dice.octets(8), 0),
    () => message.set(dice.chance(30) ? new Uint8Array(8) : dice.octets(8), 8),
    () => (message[16] = dice.chance(50) ? 33 + dice.below(22) : dice.u32()),
    () => (message[17] = dice.pick([0x10, 0x20, 0x21, 0x2f, 0x30, 0xf0, 0x00])),
    () => (message[18] = dice.chance(70) ? 34 + dice.below(11) : dice.u32()),
    () => (message[19] = dice.chance(70) ? dice.pick([0x00, 0x08, 0x20, 0x28, 0x10, 0x18, 0xff]) : dice.u32()),
    () => writeU32(message, 20, dice.chance(60) ? dice.below(4) : dice.pick([0xffffffff, 0x80000000, dice.u32()])),
  ]
  for (let left = 1 + dice.below(3); left > 0; left--) dice.pick(fields)()
  return message
}
