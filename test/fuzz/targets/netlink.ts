import fc from 'fast-check'
import { equalBytes } from '../../../src/bytes/index.ts'
import { DecodeError, UsageError } from '../../../src/errors.ts'
import { mutateOctets } from '../../../src/testing/hostile-octets.ts'
import { formatXfrmMessage } from '../../../src/xfrm/format/index.ts'
import {
  type ByteOrder,
  decodeXfrmMessage,
  decodeXfrmMessages,
  encodeXfrmMessage,
} from '../../../src/xfrm/netlink/index.ts'
import { events, requests } from '../../xfrm/netlink/arbitraries.ts'
import { reduceOctets } from '../octets.ts'
import type { Target } from '../target.ts'

/**
 * Messages of the kernel's XFRM netlink interface. The first octet of an input tells the byte order. What can be decoded is the same again
 * when it was encoded, and has a text.
 */
export const netlink: Target = {
  name: 'netlink',
  covers: [
    'xfrm/netlink/algorithm',
    'xfrm/netlink/attributes',
    'xfrm/netlink/layout',
    'xfrm/netlink/message',
    'xfrm/format/',
  ],

  seeds(dice) {
    return [...events, ...requests].flatMap((arbitrary, at) =>
      fc
        .sample(arbitrary, { seed: dice.u32(), numRuns: 4 })
        .map((message) => Uint8Array.of(at & 1, ...encodeXfrmMessage(message, { byteOrder: orderOf(at) }))),
    )
  },

  run(input, note) {
    const byteOrder = orderOf(input[0] ?? 0)
    const octets = input.subarray(1)
    for (const { message, header } of decodedAll(octets, byteOrder)) {
      note(message.type)
      const again = encodeXfrmMessage(message, { ...header, byteOrder })
      const decoded = decodeXfrmMessage(again, byteOrder)
      if (!equalBytes(encodeXfrmMessage(decoded.message, { ...decoded.header, byteOrder }), again)) {
        throw new Error('another message came out of the octets of this one')
      }
      for (const options of [{}, { keys: true, stats: true, direction: true }]) checkText(message, options)
    }
  },

  mutate(input, dice, others) {
    const mutated = mutateOctets(input, dice, others)
    if (mutated.length >= 5 && dice.chance(80)) {
      const view = new DataView(mutated.buffer, mutated.byteOffset)
      view.setUint32(1, mutated.length - 1, orderOf(mutated[0]!) === 'little')
    }
    return mutated
  },

  reduce: reduceOctets,
}

const orderOf = (octet: number): ByteOrder => ((octet & 1) === 0 ? 'little' : 'big')

function decodedAll(octets: Uint8Array, byteOrder: ByteOrder): ReturnType<typeof decodeXfrmMessages> {
  try {
    return decodeXfrmMessages(octets, byteOrder)
  } catch (error) {
    if (error instanceof DecodeError) return []
    throw error
  }
}

function checkText(...[message, options]: Parameters<typeof formatXfrmMessage>): void {
  try {
    const text = formatXfrmMessage(message, options)
    if (text !== '' && !text.endsWith('\n')) throw new Error('a text without an end')
  } catch (error) {
    // A deletion that does not say of what.
    if (!(error instanceof UsageError)) throw error
  }
}
