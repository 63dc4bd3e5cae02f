import type { IkeSa } from '../ike-sa.ts'

/** What `sa` was rekeyed to since; itself when it was not. */
export function newestOf(sa: IkeSa): IkeSa {
  let newest = sa
  while (newest.successor !== undefined) newest = newest.successor
  return newest
}
