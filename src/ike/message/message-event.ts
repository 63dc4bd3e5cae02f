import { describePayload, exchangeName, type IkeHeader, type Payload } from '../codec/index.ts'
import type { IkeSaRef } from '../events.ts'
import { copyEndpoint, type IkeRuntime, type Path } from '../runtime.ts'

/** A message as it was taken apart or put together; everything is borrowed. */
export interface SeenMessage {
  readonly header: Pick<IkeHeader, 'exchangeType' | 'flags' | 'messageId'>
  /** The inner ones of an encrypted message. */
  readonly payloads: readonly Payload[]
  readonly encrypted: boolean
  /** Octets of the whole message. */
  readonly bytes: number
}

/** Tells of a message in or out; `sa` is undefined for one that belongs to no IKE_SA. */
export function emitMessage(
  runtime: IkeRuntime,
  sa: IkeSaRef | undefined,
  direction: 'in' | 'out',
  path: Path,
  { header, payloads, encrypted, bytes }: SeenMessage,
): void {
  const { response } = header.flags
  runtime.emit({
    kind: 'message',
    direction,
    sa,
    local: copyEndpoint(path.local),
    remote: copyEndpoint(path.remote),
    exchange: exchangeName(header.exchangeType),
    response,
    messageId: header.messageId,
    payloads: payloads.map((payload) => describePayload(payload, response)),
    encrypted,
    bytes,
  })
}
