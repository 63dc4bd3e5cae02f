import { PeerError } from '../../errors.ts'
import type { Flow } from '../asking/flow.ts'
import { acceptChild, chooseChild } from '../child/child-choice.ts'
import { selectChildren } from '../child/child-selection.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import type { ChildConfig } from '../config.ts'
import { checkAddress } from '../config-payload/no-address.ts'
import { explainTooManyChildren } from '../explain/explain-child.ts'
import type { IkeSa } from '../ike-sa.ts'
import { findNotify } from '../message/notifies.ts'
import { answerRekey } from './child-rekey-responder.ts'
import { answerCreate, answeredBefore } from './create-responder.ts'
import { answerIkeRekey, isIkeRekey } from './ike-rekey-responder.ts'
import { placeWorker } from './place-worker.ts'

/** CHILD_SAs that a peer may set up on one IKE_SA, beside those for one worker; each costs states, policies and an SPI. RFC 7296 §1.3. */
const MOST_CHILDREN = 64

/** CREATE_CHILD_SA as responder: a further CHILD_SA. RFC 7296 §1.3.1. */
// <-- HDR, SK {SA, Ni, [KEi,] TSi, TSr}
export function answerCreateChild(sa: IkeSa, payloads: readonly Payload[]): Payload[] | Flow<Payload[]> {
  const before = answeredBefore(sa, payloads)
  if (before !== undefined) return before
  if (isIkeRekey(payloads)) return answerIkeRekey(sa, payloads)
  requireTime(sa)
  const rekeySa = findNotify(payloads, NotifyType.REKEY_SA)
  if (rekeySa !== undefined) return answerRekey(sa, rekeySa, payloads)
  checkAddress(sa)
  if (sa.children.filter(({ worker }) => worker === undefined).length >= MOST_CHILDREN) throw tooManyChildren(sa)
  return sa.runtime.asks.selectChild === true ? answerSelected(sa, payloads) : answerOneOf(sa, payloads)
}

/** Somebody of ours says first which child it is. */
function* answerSelected(sa: IkeSa, payloads: readonly Payload[]): Flow<Payload[]> {
  const children = yield* selectChildren(sa, payloads)
  requireTime(sa)
  return answerOneOf(sa, payloads, children)
}

function answerOneOf(sa: IkeSa, payloads: readonly Payload[], children?: readonly ChildConfig[]): Payload[] {
  const choice = placeWorker(sa, chooseChild(sa, payloads, false, children), payloads)
  return answerCreate(sa, payloads, choice.suite, () => acceptChild(sa, choice))
}

/** RFC 7296 §2.25. */
function requireTime(sa: IkeSa): void {
  if (sa.state === 'established' && sa.rekeying?.isOursUnderWay !== true) return
  throw new PeerError('BUSY', `the IKE_SA is ${sa.state}`, { notify: NotifyType.TEMPORARY_FAILURE })
}

function tooManyChildren(sa: IkeSa): PeerError {
  const refusal = explainTooManyChildren(MOST_CHILDREN)
  sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal, child: '' })
  return new PeerError('TOO_MANY_CHILDREN', refusal.message, {
    notify: NotifyType.NO_ADDITIONAL_SAS,
    explanation: refusal,
  })
}
