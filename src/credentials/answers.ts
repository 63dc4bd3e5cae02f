import type { Handle } from '../ike/config.ts'
import type {
  Answer,
  Answers,
  AssignAnswer,
  AssignQuestion,
  AuthorizeAnswer,
  EapPeerQuestion,
  EapServerQuestion,
  No,
  ProvenPeer,
  Question,
  RecheckQuestion,
  SelectChildQuestion,
  SignQuestion,
  VerifyQuestion,
} from '../ike/questions.ts'
import { type AddressPools, answerAssign } from './pool.ts'

type MaybePromise<T> = T | Promise<T>
type AnswerTo<K extends Question['kind']> = MaybePromise<Answers[K]>

/** A credential that signs: what `PubkeyAuth.credential` holds. */
export interface SigningHandle extends Handle {
  answerSign(question: SignQuestion): AnswerTo<'sign'>
}

/** What verifies a peer: what `PubkeyPeerAuth.trust` holds. */
export interface VerifyingHandle extends Handle {
  answerVerify(question: VerifyQuestion): AnswerTo<'verify'>
  /** Of certificates to which `answerVerify` gave a `fingerprint`. */
  answerRecheck?(question: RecheckQuestion): AnswerTo<'recheck'>
}

/** Our side of EAP: what `EapPeerAuth.methods` holds. */
export interface EapPeerHandle extends Handle {
  answerEapPeer(question: EapPeerQuestion): AnswerTo<'eap-peer'>
  /** Nobody goes on with that conversation: what it holds is wiped. */
  end?(session: number): void
}

/** The server's side of EAP: what `EapServerAuth.methods` holds. */
export interface EapServerHandle extends Handle {
  answerEapServer(question: EapServerQuestion): AnswerTo<'eap-server'>
  /** Nobody goes on with that conversation: what it holds is wiped. */
  end?(session: number): void
}

/** Decisions of the program around the endpoint. Each may take its time; what it throws counts as a no, and is told to `onError`. */
export interface Policy {
  /** May this peer, all of whose proofs are good, come in? A text is a no with its reason, for our log only. */
  readonly authorize?: (peer: ProvenPeer) => MaybePromise<boolean | string | AuthorizeAnswer>
  /** Addresses and attributes for a peer; undefined: those of the pools. */
  readonly assignAddress?: (peer: ProvenPeer, question: AssignQuestion) => MaybePromise<AssignAnswer | undefined>
  /** The name of the child that the peer's selectors are for; undefined: none. */
  readonly selectChild?: (peer: ProvenPeer, question: SelectChildQuestion) => MaybePromise<string | undefined>
}

export interface AnswerParts {
  readonly pools?: AddressPools
  readonly policy?: Policy
  /** The number of a conversation of EAP among those of all endpoints that a handle may serve. Default: `eapSessions()`. */
  readonly eapSession?: (session: number) => number
  /** Told what a handle or a policy threw. Default: nobody is. */
  readonly onError?: (kind: Question['kind'], error: unknown) => void
}

/** Answers every question of the core: by the handles in its configuration, the pools and the policy. Never throws nor rejects. */
export type Answerer = (question: Question) => MaybePromise<Answer>

export function answersOf(parts: AnswerParts): Answerer {
  const eapSession = parts.eapSession ?? eapSessions()
  return (asked) => {
    const isEap = asked.kind === 'eap-peer' || asked.kind === 'eap-server'
    const question = isEap ? { ...asked, session: eapSession(asked.session) } : asked
    const failed = (error: unknown): No => {
      parts.onError?.(question.kind, error)
      return no(`the question "${question.kind}" could not be answered`, 'an error of the program: see the log')
    }
    try {
      const answer = answerTo(question, parts)
      return answer instanceof Promise ? answer.catch(failed) : answer
    } catch (error) {
      return failed(error)
    }
  }
}

/** Each endpoint counts its conversations from one; handles may serve several. */
export function eapSessions(): (session: number) => number {
  const base = SESSIONS_OF_ENDPOINT * endpoints++
  return (session) => base + session
}

let endpoints = 0
const SESSIONS_OF_ENDPOINT = 2 ** 32

function answerTo(question: Question, parts: AnswerParts): MaybePromise<Answer> {
  switch (question.kind) {
    case 'sign': {
      const { credential } = question.auth
      return has(credential, 'answerSign')
        ? (credential as SigningHandle).answerSign(question)
        : nobody(credential, 'signs', 'local.key')
    }
    case 'verify': {
      const { trust } = question.auth
      return has(trust, 'answerVerify')
        ? (trust as VerifyingHandle).answerVerify(question)
        : nobody(trust, 'verifies', 'remote.authorities')
    }
    case 'recheck': {
      const { trust } = question.auth
      return has(trust, 'answerRecheck')
        ? (trust as Required<VerifyingHandle>).answerRecheck(question)
        : nobody(trust, 'looks at certificates again', 'remote.authorities')
    }
    case 'eap-peer': {
      const { methods } = question.auth
      return has(methods, 'answerEapPeer')
        ? (methods as EapPeerHandle).answerEapPeer(question)
        : nobody(methods, 'speaks EAP', 'local.eap')
    }
    case 'eap-server': {
      const { methods } = question.auth
      return has(methods, 'answerEapServer')
        ? (methods as EapServerHandle).answerEapServer(question)
        : nobody(methods, 'speaks EAP', 'remote.eap')
    }
    case 'authorize':
      return authorize(question.peer, parts.policy ?? {})
    case 'assign':
      return assign(question, parts)
    case 'select-child':
      return selectChild(question, parts.policy ?? {})
  }
}

async function authorize(peer: ProvenPeer, policy: Policy): Promise<AuthorizeAnswer> {
  if (policy.authorize === undefined) return { ok: true }
  // Nothing, as of a user who was not found, is no yes.
  const answer = (await policy.authorize(peer)) ?? false
  if (typeof answer === 'object') return answer
  if (answer === true) return { ok: true }
  const why = typeof answer === 'string' && answer !== '' ? `: ${answer}` : ''
  return no(`the peer is not let in${why}`, "authorize, the program's own decision")
}

function assign(question: AssignQuestion, { pools, policy }: AnswerParts): MaybePromise<AssignAnswer> {
  const fromPools = (): AssignAnswer =>
    pools === undefined
      ? no('there are no pools to take an address from', `connections.${question.peer.connection}.remote.pools`)
      : answerAssign(pools, question)
  const own = policy?.assignAddress
  if (own === undefined) return fromPools()
  return Promise.resolve(own(question.peer, question)).then((answer) => answer ?? fromPools())
}

async function selectChild(question: SelectChildQuestion, policy: Policy): Promise<Answers['select-child']> {
  const child = await policy.selectChild?.(question.peer, question)
  if (child !== undefined && question.children.includes(child)) return { ok: true, child }
  const text = child === undefined ? 'none of the children is for this peer' : `there is no child "${child}"`
  return no(text, "selectChild, the program's own decision")
}

/** Whether the handle can do it. What a configuration holds is known to the core only as a `Handle`. */
const has = (handle: Handle, method: string): boolean => typeof Reflect.get(handle, method) === 'function'

const nobody = (handle: Handle, what: string, setting: string): No =>
  no(`${handle.description} is nothing that ${what}`, setting)

const no = (message: string, hint: string): No => ({ ok: false, message, hint })
