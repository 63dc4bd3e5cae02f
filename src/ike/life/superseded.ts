import type { IkeSa } from '../ike-sa.ts'

/** So many of them wait for their DELETEs: a peer that rekeys without a pause and deletes nothing makes no more. */
const MOST_WAITING = 16

/** The IKE_SAs whose place others have, until they end, by the id that they share with those. RFC 7296 §2.8. */
export class Superseded {
  readonly #sas = new Map<number, Set<IkeSa>>()

  /** When they are too many the oldest one ends, without a word to the peer. */
  add(sa: IkeSa): void {
    const sas = this.#sas.get(sa.id) ?? new Set()
    this.#sas.set(sa.id, sas.add(sa))
    const [oldest] = sas
    if (sas.size > MOST_WAITING) oldest!.close('local')
  }

  /** Does nothing for one that is not here. */
  delete(sa: IkeSa): void {
    const sas = this.#sas.get(sa.id)
    if (sas?.delete(sa) === true && sas.size === 0) this.#sas.delete(sa.id)
  }
}
