import type { Payload } from './codec/index.ts'
import type { ChildConfig } from './config.ts'
import type { IkeSa } from './ike-sa.ts'
import type { Path } from './runtime.ts'

/**
 * `done`: the exchange is over. `again`: another request is built and sent, as soon as
 * the peer's window allows. `ignore`: this was
 * not the answer to the request that is under way, which goes on being retransmitted. `asking`: it was the answer, and what follows
 * waits for somebody of ours; the task stays active and goes on by itself.
 */
export type TaskResult = 'done' | 'again' | 'ignore' | 'asking'

/** One exchange that we begin. A task holds what its next step needs. A `PeerError` that it throws ends the IKE_SA. */
export interface Task {
  /** For logs. */
  readonly name: string
  readonly exchangeType: number
  /** True: begins only when nothing is under way, and nothing else begins beside it, whatever the peer's window. */
  readonly alone?: boolean
  /** What the exchange is about, such as a CHILD_SA: of tasks with the same subject one begins after the other. */
  readonly subject?: object
  /** The CHILD_SA that it is to bring up, if any. */
  readonly makes?: ChildConfig | undefined
  /** False while the next request is not ready: `work` is called until it is. */
  readonly isReady?: boolean
  /** True while somebody of ours is asked, and nothing of it is under way. */
  readonly isAsking?: boolean
  /** Does a bit of what the request takes, in some ms. */
  work?(): void
  buildRequest(): Payload[]
  processResponse(response: ResponseMessage): TaskResult
  /** Retransmissions before the peer is given up, where the connection's number is too many. */
  readonly mostRetransmissions?: number | undefined
  /** Nobody answered. True: another way is taken, and the IKE_SA goes on. Left out: the peer is given up. */
  unanswered?(): boolean
  /** Where its transmissions go in turn, when not on the IKE_SA's path. */
  paths?(): readonly Path[]
  /** The IKE_SA was rekeyed before this began: it is to begin on `sa`. Tasks without it stay where they are. RFC 7296 §2.8. */
  moveTo?(sa: IkeSa): void
  /** The exchange will not be finished: give back what was taken. Called at most once more after it is over. */
  abandon(): void
}

/** A response as a task sees it. All octets are borrowed from the datagram. */
export interface ResponseMessage {
  readonly payloads: readonly Payload[]
  /** The whole IKE message as received. */
  readonly message: Uint8Array
  readonly SPIr: Uint8Array
  /** Where it came to and from. */
  readonly path: Path
}
