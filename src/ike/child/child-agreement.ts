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

/** What we ask for when a worker is to have a CHILD_SA of its own. RFC 9611. */
export interface WorkerWish {
  readonly worker: number
  /** The one for all workers: this one is to carry the same. */
  readonly like: SettledChild
  /** It is over. `full`: the peer has enough of them. `refused`: it has none, or not like this. `dropped`: nothing is known. */
  settled(outcome: 'made' | 'full' | 'refused' | 'dropped'): void
}

/** What is made in place of another is for the same worker, whether that was said again or not. RFC 9611 §4. */
export function inheritWorker(agreement: SettledChild): SettledChild {
  const old = agreement.replaces?.agreement
  return old === undefined ? agreement : { ...agreement, forWorkers: old.forWorkers === true, worker: old.worker }
}

/** True when both are for the same traffic. */
export const isAlike = (
  a: Pick<ChildTerms, 'localTs' | 'remoteTs' | 'mode'>,
  b: Pick<ChildTerms, 'localTs' | 'remoteTs' | 'mode'>,
): boolean => a.mode === b.mode && sameSelectors(a.localTs, b.localTs) && sameSelectors(a.remoteTs, b.remoteTs)

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
export function policySubject(
  connection: string,
  { config, localTs, remoteTs, mode, forWorkers }: SettledChild,
): PolicySubject {
  return { connection, child: config.name, localTs, remoteTs, mode, forWorkers: forWorkers === true }
}
