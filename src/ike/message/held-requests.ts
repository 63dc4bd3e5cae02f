import type { IkeSa } from '../ike-sa.ts'
import type { OpenRequest } from './request-answering.ts'

/** The response to a request waits for somebody of ours. Returns the request with octets of its own. */
export function hold(sa: IkeSa, { header, datagram, answerBytes, path }: OpenRequest): OpenRequest {
  const held = { header: { ...header }, datagram: datagram.slice(), answerBytes, path: sa.runtime.keepPath(path) }
  sa.held = [...sa.held, held]
  return held
}

/** It waits no longer. `request` is what `hold` returned. */
export function release(sa: IkeSa, request: OpenRequest): void {
  sa.held = sa.held.filter((one) => one !== request)
}

/** True while the response to the request with this message id waits. */
export const isHolding = (sa: IkeSa, messageId: number): boolean =>
  sa.held.some(({ header }) => header.messageId === messageId)
