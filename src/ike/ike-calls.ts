import type { IkeAction } from './events.ts'
import type { IkeSa } from './ike-sa.ts'
import type { IkeSas } from './ike-sas.ts'
import { tidy } from './life/letting-go.ts'
import { contained } from './message/contained.ts'
import { pump } from './message/ike-messages.ts'
import type { IkeRuntime } from './runtime.ts'
import type { InitResponder } from './set-up/init-responder.ts'

/** What every call of the endpoint comes to: time goes on, work is done, and what follows from it is handed out. */
export class IkeCalls {
  readonly #runtime: IkeRuntime
  readonly #sas: IkeSas
  readonly #responder: InitResponder

  constructor(runtime: IkeRuntime, sas: IkeSas, responder: InitResponder) {
    this.#runtime = runtime
    this.#sas = sas
    this.#responder = responder
  }

  /** Does `work` at `now`, absolute ms, and all that follows; gives the actions in order. */
  at(now: number, work: () => void): IkeAction[] {
    this.#runtime.now = now
    work()
    for (let sa = this.#runtime.nextReady(); sa !== undefined; sa = this.#runtime.nextReady()) this.#serveReady(sa)
    for (const sa of this.#runtime.takeClosed()) {
      this.#sas.delete(sa)
      this.#responder.forget(sa)
    }
    for (const sa of this.#runtime.leftovers.take(now)) {
      this.#responder.forget(sa)
      if (tidy(sa)) this.#runtime.leftovers.add(sa, now)
    }
    return this.#runtime.takeActions()
  }

  /** The same for one IKE_SA, by the order of our user, who hears of what fails. */
  change(sa: IkeSa, now: number, change: () => void): IkeAction[] {
    return this.at(now, () => begin(sa, change))
  }

  /** It may be new. */
  #serveReady(sa: IkeSa): void {
    if (sa.state === 'closed') return
    this.#sas.add(sa)
    contained(sa, () => pump(sa))
  }
}

/** Changes something about an IKE_SA, and begins the exchanges that this asks for. */
export function begin(sa: IkeSa, change: () => void): void {
  change()
  pump(sa)
}

/** The same for what comes from outside: what fails ends the IKE_SA, and no other. */
export const beginContained = (sa: IkeSa, change: () => void): void => contained(sa, () => begin(sa, change))
