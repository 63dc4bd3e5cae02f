import type { StateTable } from './states.ts'

/**
 * The life of an IKE_SA. `connecting`: IKE_SA_INIT and IKE_AUTH are under way. `deleting`: our DELETE waits for its answer.
 * RFC 7296 §1.2, §1.4.1.
 */
export type IkeSaState = 'connecting' | 'established' | 'deleting' | 'closed'

export const ikeSaStates: StateTable<IkeSaState> = {
  connecting: ['established', 'deleting', 'closed'],
  established: ['deleting', 'closed'],
  deleting: ['closed'],
  closed: [],
}
