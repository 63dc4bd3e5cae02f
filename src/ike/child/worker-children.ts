import type { IkeSa } from '../ike-sa.ts'
import type { ChildSa } from './child-sa.ts'

// CHILD_SAs with one reqid carry the same traffic: one is for the packets of all workers, the others for those of one each. RFC 9611.

/** Those of an IKE_SA that are for one worker each, without what another is about to replace. */
export const workerChildren = (sa: IkeSa, reqid?: number): ChildSa[] =>
  sa.children.filter(
    (child) => child.worker !== undefined && isCurrent(child) && (reqid === undefined || child.reqid === reqid),
  )

/** The newest one for all of them. */
export const commonChild = (sa: IkeSa, reqid: number): ChildSa | undefined =>
  sa.children.findLast((child) => child.worker === undefined && child.reqid === reqid && child.isAlive)

const isCurrent = ({ state }: ChildSa): boolean => state === 'installed' || state === 'receiving'
