import type { KeyExchange } from '../../crypto/provider.ts'
import { PeerError } from '../../errors.ts'
import { ExchangeType, NotifyType, type Payload } from '../codec/index.ts'
import { explainPeerNotify } from '../explain/explain-peer.ts'
import type { IkeSa } from '../ike-sa.ts'
import { findErrorNotify, kePayload, need } from '../message/notifies.ts'
import type { ResponseMessage, Task } from '../task.ts'

/** The additional key exchanges between IKE_SA_INIT and IKE_AUTH, as initiator. RFC 9370 §2.2.2, RFC 9242. */
export class IntermediateKe implements Task {
  readonly name = 'IKE_INTERMEDIATE'
  readonly exchangeType = ExchangeType.IKE_INTERMEDIATE
  readonly #sa: IkeSa
  readonly #onDone: () => void
  #keyExchange: KeyExchange | undefined

  /** `onDone` runs when all keys are there: it enqueues IKE_AUTH. */
  constructor(sa: IkeSa, onDone: () => void) {
    this.#sa = sa
    this.#onDone = onDone
  }

  // HDR, SK {KEi(n)} -->
  buildRequest(): Payload[] {
    const { runtime, intermediate } = this.#sa
    this.#keyExchange = runtime.crypto.keyExchange(intermediate!.nextGroup!, runtime.random)
    return [kePayload(this.#keyExchange.group, this.#keyExchange.publicValue)]
  }

  // <-- HDR, SK {KEr(n)}
  processResponse({ payloads }: ResponseMessage): 'done' | 'again' {
    const { intermediate } = this.#sa
    const error = findErrorNotify(payloads)
    if (error !== undefined) return this.#refused(error.notify)
    const KEr = need(payloads, 'KE')
    const keyExchange = this.#keyExchange!
    if (KEr.group !== keyExchange.group) throw wrongGroup(KEr.group, keyExchange.group)
    intermediate!.agreed(keyExchange.finish(KEr.data))
    keyExchange.destroy()
    intermediate!.finish()
    if (intermediate!.nextGroup !== undefined) return 'again'
    this.#onDone()
    return 'done'
  }

  abandon(): void {
    this.#keyExchange?.destroy()
  }

  #refused(type: number): 'done' {
    const sa = this.#sa
    const refusal = explainPeerNotify(type, this.name)
    sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal })
    sa.close('refused', refusal)
    return 'done'
  }
}

/**
 * IKE_INTERMEDIATE as responder: exactly the additional key exchanges that were agreed on, in their order. Each costs the stranger
 * a key exchange and a message that verifies, as it costs us, and half-open IKE_SAs are bounded. RFC 9370 §2.2.2.
 */
// <-- HDR, SK {KEi(n)}
export function answerIntermediate(sa: IkeSa, payloads: readonly Payload[]): Payload[] {
  const { crypto, random } = sa.runtime
  const group = sa.intermediate?.nextGroup
  if (group === undefined) {
    throw new PeerError('UNEXPECTED_INTERMEDIATE', 'an IKE_INTERMEDIATE that was not agreed on', {
      notify: NotifyType.INVALID_SYNTAX,
    })
  }
  const KEi = need(payloads, 'KE')
  if (KEi.group !== group) throw wrongGroup(KEi.group, group)
  const answer = crypto.respondKeyExchange(group, KEi.data, random)
  // At most seven times: the set-up may take longer, but not for ever.
  sa.waitForInitiator()
  sa.intermediate!.agreed(answer.sharedSecret)
  // HDR, SK {KEr(n)} -->
  return [kePayload(group, answer.publicValue)]
}

const wrongGroup = (got: number, wanted: number): PeerError =>
  new PeerError('WRONG_KE_GROUP', `KE in IKE_INTERMEDIATE is of group ${got}, the next one agreed on is ${wanted}`, {
    notify: NotifyType.INVALID_SYNTAX,
  })
