import type { Flow } from '../asking/flow.ts'
import type { Payload } from '../codec/index.ts'
import type { IkeSa } from '../ike-sa.ts'

/** What a responder says to CFG_REQUEST. */
export interface ConfigAnswer {
  /** What stands between AUTH and SA in the response. */
  readonly payloads: readonly Payload[]
  /** In the place of the CHILD_SA, which is not made. */
  readonly error?: Payload
}

/**
 * As responder, when the peer has proved itself (`sa.provenPeer`) and before the first CHILD_SA is made: answers the CFG_REQUEST
 * among the `payloads` of its first IKE_AUTH request. RFC 7296 §2.19.
 */
// <-- [CP(CFG_REQUEST)]
// biome-ignore lint/correctness/useYield: nothing is given, so that nobody is asked
export function* answerConfigRequest(_sa: IkeSa, _payloads: readonly Payload[]): Flow<ConfigAnswer> {
  return { payloads: [] }
}
