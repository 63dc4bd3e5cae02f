import type { ChosenProposal } from '../negotiation/proposal.ts'

const noSpi = new Uint8Array(0)

/** What was agreed on is one of a few: all IKE_SAs and CHILD_SAs of an endpoint share one object for each. */
export class SuitePool {
  readonly #suites = new Map<string, ChosenProposal>()

  /** The same without its SPI. */
  share(chosen: ChosenProposal): ChosenProposal {
    const key = `${chosen.protocol}/${chosen.number}/${chosen.suite}`
    const known = this.#suites.get(key)
    if (known !== undefined) return known
    const shared = { ...chosen, spi: noSpi }
    this.#suites.set(key, shared)
    return shared
  }
}
