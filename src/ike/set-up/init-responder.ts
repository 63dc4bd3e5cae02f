import { toHex } from '../../bytes/index.ts'
import { PeerError } from '../../errors.ts'
import { decodeMessage, ExchangeType, encodeMessage, type IkeHeader, NotifyType, type Payload } from '../codec/index.ts'
import type { DropReason, IkeSaRef } from '../events.ts'
import type { Refusal } from '../explain/refusal.ts'
import { puzzlePayload, puzzlePrf } from '../gate/puzzle.ts'
import { RecentCount } from '../gate/recent-count.ts'
import { type GateLimits, type GateVerdict, ResponderGate } from '../gate/responder-gate.ts'
import type { IkeSa } from '../ike-sa.ts'
import { decodeOr, drop } from '../message/message-drop.ts'
import { emitMessage } from '../message/message-event.ts'
import { find, findNotify, need, notify } from '../message/notifies.ts'
import { checkPayloads } from '../message/payload-rules.ts'
import type { StrayMessages } from '../message/stray-messages.ts'
import { copyEndpoint, type IkeRuntime, type Path } from '../runtime.ts'
import { answerInit } from '../tasks/sa-init-responder.ts'
import { answerResume } from '../tasks/session-resume-responder.ts'
import { heedInit } from './peer-abilities.ts'

/**
 * Octets of an IKE_SA_INIT request. A long one has some hundreds; what is beyond would only cost time, and memory for each
 * half-open IKE_SA, which keeps its request for AUTH.
 */
const MOST_REQUEST_BYTES = 8192

/** So many explanations for strangers in 1 to 2 s: a person reads the first ones, a flood must not cost or write more. */
const MOST_EXPLANATIONS = 5

/** Serves IKE_SA_INIT and IKE_SESSION_RESUME requests of strangers, and answers what belongs to no IKE_SA, without state where it can. */
export class InitResponder {
  readonly #runtime: IkeRuntime
  readonly #gate: ResponderGate
  readonly #explanations = new RecentCount(2000)
  /** IKE_SAs by the attempt that made them, so that a retransmitted request finds its response. */
  readonly #attempts = new Map<string, IkeSa>()

  constructor(runtime: IkeRuntime, limits: GateLimits) {
    this.#runtime = runtime
    this.#gate = new ResponderGate(runtime.crypto, runtime.random, limits)
    if (limits.cookieThreshold > 0) runtime.halfOpen.many = limits.cookieThreshold
  }

  /** Returns a new half-open IKE_SA, or undefined when the request was answered or dropped without one. */
  receive(header: IkeHeader, message: Uint8Array, path: Path, id: number): IkeSa | undefined {
    const runtime = this.#runtime
    const misfit = misfitOf(header, message)
    if (misfit !== undefined) {
      drop(runtime, path, misfit.reason, misfit.detail)
      return undefined
    }
    const attempt = this.#attemptOf(message)
    if (this.#wasRetransmit(attempt, path)) return undefined
    const payloads = decodeOr(() => decodeMessage(message).payloads, runtime, path)
    if (payloads === undefined) return undefined
    try {
      checkPayloads(header.exchangeType, false, payloads)
      emitMessage(runtime, undefined, 'in', path, { header, payloads, encrypted: false, bytes: message.length })
      const pass = this.#checkGate(header, payloads, path)
      if (pass === undefined) return undefined
      const sa = this.#answer(header, payloads, message, path, id)
      if (sa === undefined) return undefined
      sa.attempt = attempt
      this.#attempts.set(attempt, sa)
      runtime.halfOpen.add(sa, path.remote.address, pass.proved)
      pass.used?.()
      return sa
    } catch (error) {
      if (!(error instanceof PeerError)) throw error
      this.#gate.failed(runtime.now)
      drop(runtime, path, 'invalid-syntax', error.message)
      this.#refuse(header, path, [notify(error.notify || NotifyType.INVALID_SYNTAX, error.data)])
      return undefined
    }
  }

  /** The IKE_SA ended, or so long ago began that its request does not come again. */
  forget(sa: IkeSa): void {
    if (sa.attempt === undefined) return
    this.#attempts.delete(sa.attempt)
    sa.attempt = undefined
    if (sa.establishedAt === undefined) this.#gate.failed(this.#runtime.now)
  }

  /** A message of another major version gets INVALID_MAJOR_VERSION, in ours. Responses are never answered. RFC 7296 §2.5. */
  refuseVersion(header: IkeHeader, path: Path, strays: StrayMessages): void {
    drop(this.#runtime, path, 'unsupported-version', `IKE version ${header.majorVersion}.${header.minorVersion}`)
    // IKEv1 peers (major version 1) would not understand an IKEv2 notify, and its flags mean something else.
    if (header.majorVersion < 2 || header.flags.response || !strays.mayAnswer(path)) return
    this.#refuse(header, path, [notify(NotifyType.INVALID_MAJOR_VERSION)])
  }

  /** RFC 7296 §2.1: the same request again gets the same response; after IKE_AUTH it is an old duplicate. */
  #wasRetransmit(attempt: string, path: Path): boolean {
    const known = this.#attempts.get(attempt)
    if (known?.state === 'connecting') {
      this.#runtime.send(copyEndpoint(path.local), copyEndpoint(path.remote), known.init!.initResponse)
    }
    return known !== undefined
  }

  /** The whole request names the attempt: two peers may choose the same SPI, and may share an address. */
  #attemptOf(request: Uint8Array): string {
    return toHex(this.#runtime.crypto.hash('sha256', request))
  }

  #checkGate(
    header: IkeHeader,
    payloads: readonly Payload[],
    path: Path,
  ): Extract<GateVerdict, { kind: 'pass' }> | undefined {
    const runtime = this.#runtime
    const cookie = findNotify(payloads, NotifyType.COOKIE)?.data
    const request = {
      SPIi: header.SPIi,
      Ni: need(payloads, 'Nonce').data,
      cookie,
      ...puzzleOf(payloads),
      remote: path.remote,
    }
    const verdict = this.#gate.check(request, runtime.halfOpen, runtime.now)
    if (verdict.kind === 'pass') return verdict
    if (verdict.kind === 'drop') {
      drop(runtime, path, 'half-open-limit', verdict.detail)
      return undefined
    }
    if (verdict.wasWrong) drop(runtime, path, 'bad-cookie', 'a cookie that is not ours or too old')
    const ofPuzzle = verdict.puzzle === undefined ? [] : [puzzlePayload(verdict.puzzle)]
    // HDR, N(COOKIE), [N(PUZZLE)] -->
    this.#refuse(header, path, [notify(NotifyType.COOKIE, verdict.cookie), ...ofPuzzle])
    return undefined
  }

  #answer(
    header: IkeHeader,
    payloads: readonly Payload[],
    message: Uint8Array,
    path: Path,
    id: number,
  ): IkeSa | undefined {
    const answering = header.exchangeType === ExchangeType.IKE_SESSION_RESUME ? answerResume : answerInit
    const answer = answering(this.#runtime, { header, payloads, message, path }, id)
    if (answer.sa === undefined) {
      if (answer.isElsewhere !== true) this.#gate.failed(this.#runtime.now)
      if (answer.explain !== undefined) this.#explain(answer.explain, path)
      this.#refuse(header, path, answer.payloads)
      return undefined
    }
    heedInit(answer.sa, payloads)
    this.#send(answer.response, { ...header, flags: responseFlags }, answer.payloads, path, answer.sa.ref)
    return answer.sa
  }

  #explain(explain: () => Refusal, path: Path): void {
    const runtime = this.#runtime
    if (this.#explanations.count(runtime.now) >= MOST_EXPLANATIONS) {
      return drop(runtime, path, 'refused', 'IKE_SA_INIT; the refusals before it are explained')
    }
    this.#explanations.add(runtime.now)
    runtime.emit({ kind: 'refused', sa: undefined, remote: copyEndpoint(path.remote), refusal: explain() })
  }

  /** A response without an IKE_SA: the responder's SPI stays zero. */
  #refuse(header: IkeHeader, path: Path, payloads: readonly Payload[]): void {
    const answer: IkeHeader = { ...header, majorVersion: 2, minorVersion: 0, flags: responseFlags }
    this.#send(encodeMessage(answer, payloads), answer, payloads, path, undefined)
  }

  #send(
    message: Uint8Array,
    header: IkeHeader,
    payloads: readonly Payload[],
    path: Path,
    sa: IkeSaRef | undefined,
  ): void {
    this.#runtime.send(copyEndpoint(path.local), copyEndpoint(path.remote), message)
    emitMessage(this.#runtime, sa, 'out', path, { header, payloads, encrypted: false, bytes: message.length })
  }
}

/** What a request has to do with puzzles. */
function puzzleOf(payloads: readonly Payload[]): { readonly prf: number; readonly solution: Uint8Array | undefined } {
  const prf = puzzlePrf(find(payloads, 'SA')?.proposals ?? [])
  return { prf, solution: find(payloads, 'PS')?.data }
}

const responseFlags = { initiator: false, response: true, higherVersion: false } as const

const isZero = (spi: Uint8Array): boolean => spi.every((octet) => octet === 0)

/** What keeps a message from being a first request, as far as its header tells. RFC 7296 §3.1. */
function misfitOf(
  header: IkeHeader,
  message: Uint8Array,
): { readonly reason: DropReason; readonly detail: string } | undefined {
  if (header.messageId !== 0 || !header.flags.initiator || !isZero(header.SPIr)) {
    return { reason: 'unexpected-exchange', detail: 'a first request with a message id or a responder SPI' }
  }
  if (isZero(header.SPIi)) return { reason: 'invalid-syntax', detail: "the initiator's SPI is zero" }
  if (message.length <= MOST_REQUEST_BYTES) return undefined
  return { reason: 'too-long', detail: `a first request of ${message.length} octets` }
}
