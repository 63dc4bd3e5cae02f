import type { Payload } from './codec/index.ts'

/**
 * One exchange that we begin. A task holds what its next step needs. It may ask for another round (`again`): its next
 * request is built afresh. Errors of the five families that it throws are handled by the IKE_SA.
 */
export interface Task {
  /** For logs. */
  readonly name: string
  readonly exchangeType: number
  buildRequest(): Payload[]
  processResponse(response: ResponseMessage): 'done' | 'again'
  /** The exchange will not be finished: give back what was taken. */
  abandon(): void
}

/** A response as a task sees it. All octets are borrowed from the datagram. */
export interface ResponseMessage {
  readonly payloads: readonly Payload[]
  /** The whole IKE message as received. */
  readonly message: Uint8Array
  readonly SPIr: Uint8Array
}
