import { PeerError } from '../../errors.ts'
import type { Flow } from '../asking/flow.ts'
import { AuthInitiator } from '../auth/auth-initiator.ts'
import { certRequest } from '../auth/certificates.ts'
import type { Gateway } from '../auth/gateway-identity.ts'
import { Refused } from '../auth/refused.ts'
import { ChildOffer } from '../child/child-offer.ts'
import { ExchangeType, NotifyType, type Payload } from '../codec/index.ts'
import type { ChildConfig } from '../config.ts'
import { configRequest, takeConfigReply } from '../config-payload/config-request.ts'
import type { IkeSa } from '../ike-sa.ts'
import { initialContact, settleDuplicates } from '../life/ike-uniqueness.ts'
import { forgetAuth } from '../life/letting-go.ts'
import { find, findErrorNotify, findNotify, need } from '../message/notifies.ts'
import { mobikeAuthPayloads, noteMobikeSupport } from '../path/mobike.ts'
import type { Answer } from '../questions.ts'
import { redirectIn } from '../redirect/redirect-payload.ts'
import { takeTicket, ticketRequest } from '../resumption/resumption.ts'
import { authMethodsPayload } from '../set-up/set-up.ts'
import type { ResponseMessage, Task, TaskResult } from '../task.ts'
import { askForPair } from './child-create.ts'
import { RejectPeer } from './ike-delete.ts'
import { taskFailed } from './task-failed.ts'

/** How long the address of a gateway may take that the peer sends us to. */
const LOOK_UP_MS = 60_000

/** How the peer's last response ends it: `elsewhere` while the address of the gateway that it sends us to is looked up. */
type Ending = 'done' | 'elsewhere'

/**
 * IKE_AUTH as initiator, all its exchanges, with the first CHILD_SA or without any (RFC 6023). It waits while somebody of ours is
 * asked. RFC 7296 §1.2, §2.15, §2.16.
 */
export class AuthTask implements Task {
  readonly name = 'IKE_AUTH'
  readonly exchangeType = ExchangeType.IKE_AUTH
  readonly alone = true
  readonly #sa: IkeSa
  readonly #offer: ChildOffer | undefined
  readonly #flow: Flow<Ending>
  #isRunning = false
  #hasSent = false
  /** The next request. */
  #request: Payload[] | undefined
  /** The token of the answer that it waits for. */
  #token: number | undefined
  #isRedirected = false

  /** `child` is undefined for an IKE_SA that is set up alone. */
  constructor(sa: IkeSa, child: ChildConfig | undefined) {
    this.#sa = sa
    this.#offer = child === undefined ? undefined : new ChildOffer(sa, child, true, { trigger: sa.trigger })
    this.#flow = this.#authenticate()
  }

  get isReady(): boolean {
    return this.#request !== undefined
  }

  get isAsking(): boolean {
    return this.#token !== undefined || this.#isRedirected
  }

  /** Makes the first request, or asks for what it takes. To be called once, when the keys are there. */
  begin(): void {
    this.#goOn([])
  }

  buildRequest(): Payload[] {
    const request = this.#request!
    this.#request = undefined
    this.#hasSent = true
    return request
  }

  processResponse({ payloads }: ResponseMessage): TaskResult {
    const sa = this.#sa
    if (sa.state === 'deleting') return this.#unwanted(payloads)
    // While the address of a name is looked up, our request goes on and is answered in the same way. RFC 5685 §6.
    if (this.#isRedirected) return 'ignore'
    return this.#goOn(payloads)
  }

  abandon(): void {
    this.#offer?.abandon()
    if (this.#token !== undefined) this.#sa.runtime.questions.take(this.#token)
    this.#token = undefined
    // What ends the IKE_SA from within comes to its end by itself.
    if (!this.#isRunning) this.#flow.return('done')
  }

  #goOn(input: Answer | readonly Payload[]): TaskResult {
    const sa = this.#sa
    this.#isRunning = true
    try {
      const step = this.#flow.next(input)
      if (step.done === true) return this.#ended(step.value)
      if ('send' in step.value) {
        this.#request = step.value.send
        return 'again'
      }
      this.#token = sa.ask(step.value.question, {
        resume: (answer) => this.#answered(answer),
        cancel: () => {
          this.#token = undefined
        },
      })
      return 'asking'
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      this.#refused(error)
      return 'done'
    } finally {
      this.#isRunning = false
    }
  }

  /** Somebody of ours has answered. */
  #answered(answer: Answer): void {
    const sa = this.#sa
    this.#token = undefined
    sa.timers.clear('half-open')
    try {
      const result = this.#goOn(answer)
      if (sa.state === 'closed' || !sa.activeTasks.includes(this)) return
      if (result === 'again') sa.taskContinues(this)
      if (result === 'done') sa.taskDone(this)
      if (result === 'ignore') sa.timers.set('half-open', sa.runtime.now + LOOK_UP_MS)
      forgetAuth(sa)
    } catch (error) {
      if (!(error instanceof PeerError)) throw error
      taskFailed(sa, this, error)
    }
  }

  #ended(ending: Ending): 'done' | 'ignore' {
    if (ending === 'done') return 'done'
    this.#isRedirected = true
    return 'ignore'
  }

  // HDR, SK {IDi, [CERT,] [N(INITIAL_CONTACT),] [CERTREQ,] [IDr,] [AUTH,] [CP,] [SAi2, TSi, TSr]} -->
  // <-- HDR, SK {IDr, [CERT,] AUTH, [CP,] [SAr2, TSi, TSr]} | SK {IDr, AUTH, N(child error)} | SK {IDr, AUTH, N(REDIRECT)} | SK {N(AUTHENTICATION_FAILED)}
  *#authenticate(): Flow<Ending> {
    const sa = this.#sa
    const { connection, setUp } = sa
    const response = yield* new AuthInitiator(sa).prove({
      early: [...initialContact(sa), ...certRequest([connection])],
      late: [
        ...configRequest(sa),
        ...(this.#offer === undefined ? [] : [this.#offer.saPayload(), ...this.#offer.termsPayloads()]),
        ...mobikeAuthPayloads(sa, true),
        ...(setUp?.peerAuthMethods === undefined ? [] : authMethodsPayload([connection])),
        ...ticketRequest(connection),
      ],
    })
    const elsewhere = redirectIn(response)
    if (elsewhere !== undefined) return this.#redirected(elsewhere.gateway)
    this.#established(response)
    return 'done'
  }

  /** The peer has proved itself. */
  #established(response: readonly Payload[]): void {
    const sa = this.#sa
    const error = findErrorNotify(response)
    if (this.#offer !== undefined && error === undefined) need(response, 'SA')
    noteMobikeSupport(sa, response)
    sa.established()
    takeTicket(sa, response)
    takeConfigReply(sa, response)
    if (sa.state !== 'established') return this.#offer?.abandon()
    if (this.#offer !== undefined) this.#finishChild(this.#offer, response, error?.notify)
    if (sa.state !== 'established') return
    sa.onEstablished?.()
    sa.onEstablished = undefined
    settleDuplicates(sa, findNotify(response, NotifyType.INITIAL_CONTACT) !== undefined)
  }

  /** RFC 5685 §6. */
  #redirected(gateway: Gateway): Ending {
    const sa = this.#sa
    sa.runtime.goElsewhere(sa, gateway)
    if (sa.state === 'connecting') return 'elsewhere'
    this.#offer?.abandon()
    return 'done'
  }

  /** The caller deleted the IKE_SA while this was under way: the DELETE that waits follows if the peer has one to delete. */
  #unwanted(payloads: readonly Payload[]): 'done' {
    const hasPeer = find(payloads, 'AUTH') !== undefined && find(payloads, 'EAP') === undefined
    if (hasPeer) this.abandon()
    else this.#sa.close('local')
    return 'done'
  }

  /** One of us does not take the other's proof, or has none. */
  #refused({ refusal }: Refused): void {
    const sa = this.#sa
    sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal })
    this.#offer?.abandon()
    if (refusal.by === 'peer' || !this.#hasSent) sa.close('refused', refusal)
    else sa.delete('refused', refusal, new RejectPeer(sa, 'refused', refusal))
  }

  #finishChild(offer: ChildOffer, payloads: readonly Payload[], error: number | undefined): void {
    const sa = this.#sa
    if (error === undefined) {
      const { Ni, Nr } = sa.init!
      offer.complete(payloads, offer.verify(payloads), { Ni, Nr, secrets: [] })
      return
    }
    if (askForPair(sa, offer.config, sa.trigger, error)) return offer.abandon()
    const refusal = offer.refused(error)
    // An IKE_SA that carries nothing is of no use to an initiator that wanted this CHILD_SA.
    if (sa.children.length === 0 && sa.isLastTask) sa.delete('refused', refusal)
  }
}
