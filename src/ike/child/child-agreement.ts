import type { ChildConfig } from '../config.ts'
import type { ChildKeys } from '../keys/keymat.ts'
import type { SuitePool } from '../keys/suite-pool.ts'
import type { ChosenProposal } from '../negotiation/proposal.ts'
import { sameSelectors } from '../negotiation/traffic-selector.ts'
import type { PolicySubject } from './child-policies.ts'
import type { ChildSa } from './child-sa.ts'
import type { ChildTerms } from './child-terms.ts'

/** What a negotiation settles for one CHILD_SA. `keys` are handed over and wiped once they are installed. */
export interface ChildAgreement extends ChildTerms {
  readonly config: ChildConfig
  /** Our side of the exchange that made it decides which keys are for which direction. */
  readonly role: 'initiator' | 'responder'
  readonly suite: ChosenProposal
  /** The SPI that the peer wants on packets to it. */
  readonly spiOut: number
  readonly keys: ChildKeys
  /** The CHILD_SA in whose place it is made. RFC 7296 §2.8. */
  readonly replaces?: ChildSa | undefined
}

/** What stays of it. */
export type SettledChild = Omit<ChildAgreement, 'keys'>

/** The same with what many CHILD_SAs have alike in one place. */
export function shareParts(agreement: SettledChild, suites: SuitePool): SettledChild {
  const { config, suite, localTs, remoteTs } = agreement
  return {
    ...agreement,
    suite: suites.share(suite),
    localTs: sameSelectors(localTs, config.localTs) ? config.localTs : localTs,
    remoteTs: sameSelectors(remoteTs, config.remoteTs) ? config.remoteTs : remoteTs,
  }
}

/** Whose policies it shares. `connection`: its name. */
export function policySubject(connection: string, { config, localTs, remoteTs, mode }: SettledChild): PolicySubject {
  return { connection, child: config.name, localTs, remoteTs, mode }
}
