import type { IkeSa } from '../ike-sa.ts'

/** Runs what must not throw: should it, by a mistake of ours, this IKE_SA ends and the endpoint goes on. */
export function contained(sa: IkeSa, work: () => void): void {
  try {
    work()
  } catch (error) {
    broken(sa, error)
  }
}

/** A mistake of ours, met on this IKE_SA: it is told and costs this IKE_SA, not the endpoint. */
export function broken(sa: IkeSa, error: unknown): void {
  sa.runtime.emit({ kind: 'internal-error', sa: sa.ref, error })
  sa.close('error')
}
