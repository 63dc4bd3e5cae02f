import { PeerError } from '../../errors.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import type { Refusal } from '../explain/refusal.ts'
import { notify } from '../message/notifies.ts'

/** Somebody did not authenticate. `answer` is all that the peer learns of it, in the response to its request. */
export class Refused extends PeerError {
  readonly refusal: Refusal
  readonly answer: Payload[]

  constructor(refusal: Refusal, answer: Payload[] = [notify(NotifyType.AUTHENTICATION_FAILED)]) {
    super('AUTHENTICATION_FAILED', refusal.message, {
      notify: NotifyType.AUTHENTICATION_FAILED,
      explanation: refusal,
    })
    this.refusal = refusal
    this.answer = answer
  }
}
