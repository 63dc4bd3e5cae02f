import type { IkeSa } from '../ike-sa.ts'
import { UpdateAddresses } from '../tasks/update-addresses.ts'
import { samePath } from './mobike.ts'
import { isStream, openStream } from './streams.ts'

/** The time has come to try TCP, or to try it again. */
export function serveStream(sa: IkeSa): void {
  if (isStream(sa.path)) reopenStream(sa)
  else if (waitsForUdp(sa)) openStream(sa)
}

/** UDP has not been answered: at the beginning, or since the addresses changed. RFC 9329 §5.1, §7.1. */
export function waitsForUdp(sa: IkeSa): boolean {
  if (sa.state === 'connecting') return sa.init === undefined
  return sa.findTask((task) => task instanceof UpdateAddresses) !== undefined
}

/** Opens another connection in the place of one that was lost, one for all that had it: an IKE_SA and what rekeys it. RFC 9329 §6.1. */
export function reopenStream(sa: IkeSa): void {
  if (sa.streamTries === undefined || sa.state === 'closed') return
  const others = [...sa.runtime.opening.values()]
  if (!others.some((one) => samePath(one.sa.path, sa.path))) openStream(sa)
}
