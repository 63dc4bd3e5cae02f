import { decodeMessage, ExchangeType, encodeMessage, type Payload } from '../../src/ike/codec/index.ts'
import type { VirtualPath } from '../../src/testing/virtual-network.ts'

type Change = (payloads: readonly Payload[]) => readonly Payload[]

const EXCHANGE_OFFSET = 18

/** A path on which somebody replaces payloads of the messages that are not encrypted, on the plain IKE port. */
export function alterInit(
  which: 'request' | 'response',
  change: Change,
  exchange: number = ExchangeType.IKE_SA_INIT,
): VirtualPath {
  return (datagram) => {
    const { payload, to, from } = datagram
    if (to.port !== 500 || from.port !== 500 || payload[EXCHANGE_OFFSET] !== exchange) return [datagram]
    const { header, payloads } = decodeMessage(payload)
    if (header.flags.response !== (which === 'response')) return [datagram]
    return [{ ...datagram, payload: encodeMessage(header, change(payloads)) }]
  }
}

/** Takes the notifies of one type out. */
export const withoutNotify =
  (type: number): Change =>
  (payloads) =>
    payloads.filter((payload) => payload.kind !== 'N' || payload.notify !== type)
