import type { StateTable } from './states.ts'

/**
 * The life of an IKE_SA. `connecting`: IKE_SA_INIT and IKE_AUTH are under way. `undecided`: both ends rekeyed at once, and this
 * is the one of the two new IKE_SAs that the peer made; which of them stays is not known yet. `superseded`: another IKE_SA has
 * its CHILD_SAs, and somebody's DELETE ends it. `deleting`: our DELETE waits for its answer. RFC 7296 §1.2, §1.4.1, §2.8.2.
 */
export type IkeSaState = 'connecting' | 'undecided' | 'established' | 'superseded' | 'deleting' | 'closed'

export const ikeSaStates: StateTable<IkeSaState> = {
  connecting: ['established', 'deleting', 'closed'],
  undecided: ['established', 'superseded', 'deleting', 'closed'],
  established: ['superseded', 'deleting', 'closed'],
  superseded: ['deleting', 'closed'],
  deleting: ['closed'],
  closed: [],
}
