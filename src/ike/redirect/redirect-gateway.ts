import { decodeGateway, encodeGateway, type Gateway, isSameGateway, parseGateway } from '../auth/gateway-identity.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import type { ConnectionConfig } from '../config.ts'
import type { IkeSa } from '../ike-sa.ts'
import { findNotify, need, notify } from '../message/notifies.ts'

/** An IKE_SA whose initiator was sent elsewhere is deleted by us after so long, when it has not done so. RFC 5685 §5. */
const PATIENCE_MS = 60_000

/** True for an initiator that goes where it is sent. RFC 5685 §3. */
export const goesElsewhere = (request: readonly Payload[]): boolean =>
  findNotify(request, NotifyType.REDIRECT_SUPPORTED) !== undefined ||
  findNotify(request, NotifyType.REDIRECTED_FROM) !== undefined

/**
 * IKE_SA_INIT as responder: where the initiator is sent, when all connections that it may be for send it to the same place.
 * Undefined: it is served here, as far as that is known. RFC 5685 §3.
 */
// HDR, N(REDIRECT, new gateway, Ni) -->
export function redirectInInit(
  connections: readonly ConnectionConfig[],
  request: readonly Payload[],
): Payload[] | undefined {
  const [first] = connections
  const to = first === undefined ? undefined : targetFor(first, request)
  if (to === undefined || connections.some(({ redirect }) => redirect.to !== first!.redirect.to)) return undefined
  return [notify(NotifyType.REDIRECT, encodeGateway(to, need(request, 'Nonce').data))]
}

/** Where the initiator of a request is sent; not back to where it was sent to us from. RFC 5685 §3. */
export function targetFor({ redirect }: ConnectionConfig, request: readonly Payload[]): Gateway | undefined {
  if (redirect.to === undefined || !goesElsewhere(request)) return undefined
  const to = parseGateway(redirect.to)
  const from = findNotify(request, NotifyType.REDIRECTED_FROM)
  const gateway = from === undefined ? undefined : decodeGateway(from.data)?.gateway
  return gateway !== undefined && isSameGateway(gateway, to) ? undefined : to
}

/** The initiator is told to go elsewhere, inside an encrypted message: it is to delete this IKE_SA, or we do. RFC 5685 §§5, 6. */
export function sendElsewhere(sa: IkeSa, to: Gateway): Payload {
  sa.timers.set('linger', sa.runtime.now + PATIENCE_MS)
  return notify(NotifyType.REDIRECT, encodeGateway(to))
}
