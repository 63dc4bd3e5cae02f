import type { IkeSa } from '../ike-sa.ts'
import type { NatFindings } from './nat-detection.ts'
import { isStream } from './streams.ts'

/** Keepalives are for whoever is behind a NAT. RFC 3948 §4. */
export function armKeepalive(sa: IkeSa): void {
  const { keepaliveMs } = sa.connection
  // In TCP they keep nothing that TCP's own do not keep. RFC 9329 §6.6.
  if (sa.nat.natLocal && keepaliveMs > 0 && !isStream(sa.path)) sa.timers.set('keepalive', sa.runtime.now + keepaliveMs)
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
