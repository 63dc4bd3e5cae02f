import type { StateTable } from '../states.ts'

/**
 * The life of a CHILD_SA.
 *
 * - `negotiating`: its inbound SPI is taken, no keys yet.
 * - `receiving`: the peer made it in place of another one; we send through that until the peer deletes it. RFC 7296 §2.8.
 * - `installed`: packets go both ways.
 * - `rekeyed`: still good, but another one takes its place, or has done so; not rekeyed again.
 * - `deleting`: our DELETE waits for its answer.
 * - `deleted`: replaced and deleted; takes the packets that are still under way for a while.
 */
export type ChildSaState = 'negotiating' | 'receiving' | 'installed' | 'rekeyed' | 'deleting' | 'deleted' | 'closed'

export const childSaStates: StateTable<ChildSaState> = {
  negotiating: ['receiving', 'installed', 'closed'],
  receiving: ['installed', 'deleting', 'deleted', 'closed'],
  installed: ['rekeyed', 'deleting', 'deleted', 'closed'],
  // Back: the peer gave up the one that was to take its place.
  rekeyed: ['installed', 'deleting', 'deleted', 'closed'],
  deleting: ['deleted', 'closed'],
  deleted: ['closed'],
  closed: [],
}
