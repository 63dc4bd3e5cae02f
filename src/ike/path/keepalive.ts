import type { IkeSa } from '../ike-sa.ts'
import type { NatFindings } from './nat-detection.ts'

/** Keepalives are for whoever is behind a NAT. RFC 3948 §4. */
export function armKeepalive(sa: IkeSa): void {
  const { keepaliveMs } = sa.connection
  if (sa.nat.natLocal && keepaliveMs > 0) sa.timers.set('keepalive', sa.runtime.now + keepaliveMs)
  else sa.timers.clear('keepalive')
}

/** It is time for one. */
export function sendKeepalive(sa: IkeSa): void {
  sa.runtime.sendKeepalive(sa.path.local, sa.path.remote)
  armKeepalive(sa)
}

/** NAT detection says something else than before. */
export function natChanged(sa: IkeSa, { natLocal, natRemote }: NatFindings): void {
  sa.nat = { natLocal, natRemote }
  armKeepalive(sa)
}
