import { PeerError } from '../../errors.ts'
import type { Flow } from '../asking/flow.ts'
import { ExchangeType, type IkeHeader, NotifyType, type Payload } from '../codec/index.ts'
import { explainProtocolError } from '../explain/explain-peer.ts'
import type { IkeSa } from '../ike-sa.ts'
import { forgetAuth } from '../life/letting-go.ts'
import type { Answer } from '../questions.ts'
import { answerRequest } from '../responder.ts'
import type { Path } from '../runtime.ts'
import { broken } from './contained.ts'
import { hold, release } from './held-requests.ts'
import type { ArrivedMessage } from './message-opening.ts'
import { sendResponse } from './message-sending.ts'
import { notify } from './notifies.ts'
import { checkPayloads } from './payload-rules.ts'

/** A request that has no response yet. */
export interface OpenRequest extends Pick<ArrivedMessage, 'datagram' | 'answerBytes'> {
  readonly header: IkeHeader
  readonly path: Path
}

/** Answers a fresh request, at once or when somebody has answered the questions that it takes: until then it is held. */
export function takeRequest(sa: IkeSa, header: IkeHeader, arrived: ArrivedMessage, path: Path): void {
  const { payloads, datagram, answerBytes } = arrived
  const request = { header, datagram, answerBytes, path }
  answering(sa, request, () => {
    checkPayloads(header.exchangeType, false, payloads)
    const { authFlow } = sa
    if (authFlow !== undefined && header.exchangeType === ExchangeType.IKE_AUTH)
      return goOn(sa, request, authFlow, payloads)
    const answer = answerRequest(sa, header, payloads, path)
    return Array.isArray(answer) ? answer : goOn(sa, request, answer, [])
  })
}

/** Sends what `make` gives, or the error notify for what it throws. Undefined: the request is held. */
function answering(sa: IkeSa, request: OpenRequest, make: () => Payload[] | undefined): void {
  let answer: Payload[] | undefined
  try {
    answer = make()
  } catch (error) {
    if (!(error instanceof PeerError)) return broken(sa, error)
    const type = error.notify || NotifyType.INVALID_SYNTAX
    answer = [notify(type, error.data)]
    // RFC 7296 §2.21.3: INVALID_SYNTAX ends the IKE_SA on both sides; §2.21.2: so does any error before it is established.
    if (type === NotifyType.INVALID_SYNTAX || sa.state === 'connecting') {
      sa.closing = { reason: 'error', refusal: explainProtocolError(error) }
    }
  }
  if (answer !== undefined) respond(sa, request, answer)
}

/** The response that comes of it, undefined when a question is asked first. */
function goOn(
  sa: IkeSa,
  request: OpenRequest,
  flow: Flow<Payload[]>,
  input: Answer | readonly Payload[],
): Payload[] | undefined {
  sa.authFlow = undefined
  const step = flow.next(input)
  if (step.done === true) return step.value
  if ('send' in step.value) {
    sa.authFlow = flow
    sa.waitForInitiator()
    return step.value.send
  }
  const held = hold(sa, request)
  sa.ask(step.value.question, {
    resume(answer) {
      release(sa, held)
      answering(sa, held, () => goOn(sa, held, flow, answer))
      forgetAuth(sa)
    },
    cancel: () => flow.return([]),
  })
  return undefined
}

/** Sends the response to a request; the last word of an IKE_SA is kept. */
export function respond(
  sa: IkeSa,
  { header, datagram, answerBytes, path }: OpenRequest,
  payloads: readonly Payload[],
): void {
  const datagrams = sendResponse(sa, header, payloads, path, answerBytes)
  if (sa.closing === undefined) return
  sa.runtime.lastWords.keep(datagram, datagrams, sa.runtime.now)
  sa.close(sa.closing.reason, sa.closing.refusal)
}
