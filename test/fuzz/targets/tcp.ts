import { concat, toHex } from '../../../src/bytes/index.ts'
import {
  describeFault,
  frameBytes,
  STREAM_PREFIX,
  StreamFault,
  StreamReader,
  writeFrame,
} from '../../../src/nat-t/tcp-encapsulation.ts'
import { mutateOctets } from '../../../src/testing/hostile-octets.ts'
import { reduceOctets } from '../octets.ts'
import type { Target } from '../target.ts'

const MOST_PIECES = 16

/**
 * A stream of RFC 9329 that arrives in pieces. The first octet of an input is how many pieces there are and bit 7 whether a prefix is
 * expected; as many octets of their lengths follow; the rest is the stream, and its last piece what is left.
 */
export const tcp: Target = {
  name: 'tcp',
  covers: ['nat-t/tcp-encapsulation'],

  seeds(dice) {
    return Array.from({ length: 20 }, () => {
      const messages = Array.from({ length: dice.below(4) }, () => framed(dice.octets(dice.below(40)), dice.chance(50)))
      const pieces = dice.below(MOST_PIECES)
      const hasPrefix = dice.chance(80)
      const head = Uint8Array.of((hasPrefix ? 0x80 : 0) | pieces, ...dice.octets(pieces))
      return concat(head, ...(hasPrefix ? [STREAM_PREFIX] : []), ...messages)
    })
  },

  run(input, note) {
    const expectsPrefix = ((input[0] ?? 0) & 0x80) !== 0
    const count = Math.min((input[0] ?? 0) % MOST_PIECES, input.length)
    const lengths = input.subarray(1, 1 + count)
    const stream = input.subarray(1 + count)
    const inPieces = read(piecesOf(stream, lengths), expectsPrefix)
    const whole = read([stream], expectsPrefix)
    if (inPieces.text !== whole.text) throw new Error(`in pieces: ${inPieces.text}; whole: ${whole.text}`)
    if (inPieces.octets > stream.length) throw new Error(`${stream.length} octets gave ${inPieces.octets}`)
    checkAgain(whole.messages)
    note(`${describeFault(whole.fault)}, ${Math.min(whole.messages.length, 3)} messages`)
  },

  mutate: mutateOctets,
  reduce: reduceOctets,
}

function framed(message: Uint8Array, marker: boolean): Uint8Array {
  const target = new Uint8Array(frameBytes(message.length, marker))
  writeFrame(target, 0, message, 0, message.length, marker)
  return target
}

function piecesOf(stream: Uint8Array, lengths: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = []
  let at = 0
  for (const length of lengths) {
    pieces.push(stream.slice(at, at + length))
    at += length
  }
  return [...pieces, stream.slice(at)]
}

function read(pieces: readonly Uint8Array[], expectsPrefix: boolean) {
  const messages: Uint8Array[] = []
  let octets = 0
  const reader = new StreamReader({
    expectsPrefix,
    mostBytes: 4096,
    take: (buffer, offset, length) => {
      if (offset < 0 || offset + length > buffer.length) throw new Error('a message outside its buffer')
      messages.push(buffer.slice(offset, offset + length))
      octets += length
      // As decryption in place would.
      buffer.fill(0xee, offset, offset + length)
    },
  })
  for (const piece of pieces) reader.push(piece)
  const { fault, isInside } = reader
  if (fault !== StreamFault.NONE && reader.push(Uint8Array.of(0, 3, 1)) !== fault) throw new Error('a fault went away')
  return { messages, fault, octets, text: `${messages.map(toHex).join(' ')} ${fault} ${fault === 0 && isInside}` }
}

/** What was read is read again from what we write of it. */
function checkAgain(messages: readonly Uint8Array[]): void {
  const again = read([concat(STREAM_PREFIX, ...messages.map((message) => framed(message, false)))], true)
  if (again.messages.map(toHex).join() !== messages.map(toHex).join()) throw new Error('written and read, it differs')
}
