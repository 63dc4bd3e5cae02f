import { NotifyType } from './notify-types.ts'
import { ExchangeType, PayloadType } from './numbers.ts'
import type { Payload } from './payload.ts'

const invert = (table: Readonly<Record<string, number>>): ReadonlyMap<number, string> =>
  new Map(Object.entries(table).map(([name, value]) => [value, name]))

const exchangeNames = invert(ExchangeType)
const notifyNames = invert(NotifyType)
const payloadNotation = new Map([
  ...invert(PayloadType),
  [PayloadType.NONCE, 'Ni/Nr'],
  [PayloadType.NOTIFY, 'N'],
  [PayloadType.DELETE, 'D'],
  [PayloadType.VENDOR, 'V'],
])

/** The registry's name of an exchange type, or for example `EXCHANGE_250`. */
export const exchangeName = (exchangeType: number): string =>
  exchangeNames.get(exchangeType) ?? `EXCHANGE_${exchangeType}`

/** The notation of a payload type in RFC 7296 §3.2 (`SA`, `Ni/Nr`, `N`), or for example `PAYLOAD_200`. */
export const payloadName = (type: number): string => payloadNotation.get(type) ?? `PAYLOAD_${type}`

/** The registry's name of a notify type, or for example `NOTIFY_12345`. */
export const notifyName = (notify: number): string => notifyNames.get(notify) ?? `NOTIFY_${notify}`

/**
 * Names a payload as the RFC's message diagrams do, without its contents: `SA`, `N(COOKIE)`, `unknown(200)`. A nonce
 * is `Nr` in a response and `Ni` in a request.
 */
export function describePayload(payload: Payload, response: boolean): string {
  switch (payload.kind) {
    case 'Nonce':
      return response ? 'Nr' : 'Ni'
    case 'N':
      return `N(${notifyName(payload.notify)})`
    case 'SKF':
      return `SKF(${payload.fragmentNumber}/${payload.totalFragments})`
    case 'unknown':
      return `unknown(${payload.type})`
    default:
      return payload.kind
  }
}
