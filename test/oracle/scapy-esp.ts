import { randomInt } from 'node:crypto'
import { readU32, toHex } from '../../src/bytes/index.ts'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { DecapStatus, EspDecapsulator, EspEncapsulator, newDecapResult } from '../../src/esp/index.ts'
import type { Form, Way } from './scapy-form.ts'
import { octets } from './scapy-octets.ts'

const IPV4 = 4
const IPV6 = 41
const UDP = 17

/** `src/esp` alone, over either provider. */
export const espAlone: Way = {
  seal(sa, form, inner, padTo, low, high) {
    const { payload, nextHeader } = insideOf(form, inner)
    const out = new EspEncapsulator(randomInt(2) === 0 ? nodeProvider : nobleProvider, sa, octets)
    out.startAfter(low - 1, high)
    const buffer = new Uint8Array(out.headerBytes + Math.max(payload.length, padTo) + out.maxTrailerBytes)
    buffer.set(payload, out.headerBytes)
    const length = out.encapsulatePadded(buffer, out.headerBytes, payload.length, nextHeader, padTo)
    if (length < 0 || readU32(buffer, 4) !== low) throw new Error(`encapsulate: ${length}`)
    return buffer.slice(0, length)
  },

  open(sa, form, packet, inner, low, high) {
    const { payload, nextHeader } = insideOf(form, inner)
    for (const crypto of [nodeProvider, nobleProvider]) {
      const copy = packet.slice()
      const decapsulator = new EspDecapsulator(crypto, sa)
      decapsulator.replay.low = low - 1
      decapsulator.replay.high = high
      const result = newDecapResult()
      const status = decapsulator.decapsulate(copy, 0, copy.length, result)
      if (status !== DecapStatus.OK) return `status ${status} over ${crypto.name}`
      const opened = toHex(copy.subarray(result.offset, result.offset + result.length))
      if (opened !== toHex(payload) || result.nextHeader !== nextHeader) return `${opened} is not ${toHex(payload)}`
    }
    return undefined
  },
}

/** What stands inside of ESP: the whole packet, or what follows its header. */
function insideOf({ mode, family }: Form, inner: Uint8Array): { payload: Uint8Array; nextHeader: number } {
  if (mode === 'tunnel') return { payload: inner, nextHeader: family === 4 ? IPV4 : IPV6 }
  return { payload: inner.subarray(family === 4 ? 20 : 40), nextHeader: UDP }
}
