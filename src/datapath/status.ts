import { type XfrmCounterName, xfrmCounterNames } from '../xfrm/stats.ts'

/** What became of a packet. Negative numbers are drops: see `droppedAs`. */
export const DatapathStatus = {
  /** Delivered, or sent. */
  DONE: 0,
  /** Copied to wait for a state. */
  QUEUED: 1,
  /** A dummy packet: authentic, and meant to be dropped. RFC 4303 §2.6. */
  DUMMY: 2,
} as const

/** The status of a packet that was dropped and counted under `counter`, an `XfrmCounter`. */
export function droppedStatus(counter: number): number {
  return -1 - counter
}

/** The counter under which a packet of this status was dropped, undefined when it was not. */
export function droppedAs(status: number): XfrmCounterName | undefined {
  return status < 0 ? xfrmCounterNames[-1 - status] : undefined
}
