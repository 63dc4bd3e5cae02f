import type { StateTable } from './states.ts'

/** The life of a CHILD_SA. `negotiating`: its inbound SPI is taken, no keys yet. `deleting`: our DELETE waits for its answer. */
export type ChildSaState = 'negotiating' | 'installed' | 'deleting' | 'closed'

export const childSaStates: StateTable<ChildSaState> = {
  negotiating: ['installed', 'closed'],
  installed: ['deleting', 'closed'],
  deleting: ['closed'],
  closed: [],
}
