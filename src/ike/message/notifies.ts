import { PeerError } from '../../errors.ts'
import { isErrorNotify, NotifyType, type Payload, ProtocolId } from '../codec/index.ts'

export type NotifyPayload = Extract<Payload, { kind: 'N' }>
/** TSi and TSr (IDi and IDr) share one interface: the intersection picks one of them. */
type PayloadOf<Kind extends Payload['kind']> = Payload & { readonly kind: Kind }

/** A Notify payload about the IKE_SA, or about nothing in particular. */
export function notify(type: number, data: Uint8Array = new Uint8Array(0)): NotifyPayload {
  return { kind: 'N', critical: false, protocol: ProtocolId.NONE, spi: new Uint8Array(0), notify: type, data }
}

export function findNotify(payloads: readonly Payload[], type: number): NotifyPayload | undefined {
  return payloads.find((payload): payload is NotifyPayload => payload.kind === 'N' && payload.notify === type)
}

/** The first error notify (types below 16384), if any. */
export function findErrorNotify(payloads: readonly Payload[]): NotifyPayload | undefined {
  return payloads.find((payload): payload is NotifyPayload => payload.kind === 'N' && isErrorNotify(payload.notify))
}

/** The first payload of a kind; message rules have checked how many there may be. */
export function find<Kind extends Payload['kind']>(
  payloads: readonly Payload[],
  kind: Kind,
): PayloadOf<Kind> | undefined {
  return payloads.find((payload): payload is PayloadOf<Kind> => payload.kind === kind)
}

/** The same where the rules of the exchange guarantee that it is there. */
export function need<Kind extends Payload['kind']>(payloads: readonly Payload[], kind: Kind): PayloadOf<Kind> {
  const payload = find(payloads, kind)
  if (payload === undefined)
    throw new PeerError('MISSING_PAYLOAD', `the message has no ${kind} payload`, { notify: NotifyType.INVALID_SYNTAX })
  return payload
}

/** INVALID_KE_PAYLOAD's data: the group that is wanted, two octets. RFC 7296 §1.3. */
export function invalidKePayload(group: number): NotifyPayload {
  return notify(NotifyType.INVALID_KE_PAYLOAD, Uint8Array.of(group >>> 8, group & 0xff))
}

/** A KE payload; `data` is borrowed. RFC 7296 §3.4. */
export const kePayload = (group: number, data: Uint8Array): Payload => ({ kind: 'KE', critical: false, group, data })
