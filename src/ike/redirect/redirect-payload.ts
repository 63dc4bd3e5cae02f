import { decodeGateway, type Gateway } from '../auth/gateway-identity.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import { findNotify } from '../message/notifies.ts'

/** Where a message of the responder sends us; undefined when it does not, or says it in a way that nobody can follow. RFC 5685 §7. */
export function redirectIn(
  payloads: readonly Payload[],
): { readonly gateway: Gateway; readonly nonce: Uint8Array } | undefined {
  const data = findNotify(payloads, NotifyType.REDIRECT)?.data
  return data === undefined ? undefined : decodeGateway(data)
}
