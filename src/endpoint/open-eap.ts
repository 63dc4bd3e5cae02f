import type { EapPeerHandle, EapServerHandle } from '../credentials/answers.ts'
import type { Handle } from '../ike/config.ts'
import type { IkeEvent } from '../ike/events.ts'
import type { AskAction } from '../ike/questions.ts'

/** The conversations of EAP by the IKE_SA that each is for: those of peers that went away half-way end with it, not minutes later. */
export class OpenEap {
  readonly #session: (session: number) => number
  readonly #bySa = new Map<number, { readonly methods: Handle; readonly session: number }>()

  /** `session`: by what number the handles know a conversation of this endpoint. */
  constructor(session: (session: number) => number) {
    this.#session = session
  }

  asked({ sa, question }: Pick<AskAction, 'sa' | 'question'>): void {
    if (question.kind !== 'eap-peer' && question.kind !== 'eap-server') return
    this.#bySa.set(sa.id, { methods: question.auth.methods, session: this.#session(question.session) })
  }

  notice(event: IkeEvent): void {
    if (event.kind !== 'ike-closed' && event.kind !== 'ike-established') return
    const open = this.#bySa.get(event.sa.id)
    if (open === undefined) return
    this.#bySa.delete(event.sa.id)
    // Handles of EAP may have it; what a program made itself need not.
    ;(open.methods as Partial<EapPeerHandle & EapServerHandle>).end?.(open.session)
  }
}
