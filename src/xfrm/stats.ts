/**
 * The counters of /proc/net/xfrm_stat, by the kernel's names and in its order; the value is the index in `XfrmStats`.
 * What they mean here:
 *
 * | counter | a packet that |
 * |---|---|
 * | XfrmInError | was marked for congestion outside, which its ends cannot hear of (RFC 6040 §4.2) |
 * | XfrmInBufferError | lies outside the buffer it was given in, or meets policies with more templates than a packet goes through states |
 * | XfrmInHdrError | is too short for SPI and sequence number |
 * | XfrmInNoStates | names an SPI that no state has |
 * | XfrmInStateDirError | names the SPI of an outbound state |
 * | XfrmInStateInvalid | came for a larval state |
 * | XfrmInStateMismatch | came as plain ESP for a state with UDP encapsulation, or has an inside that the state's selector does not name |
 * | XfrmInStateExpired | came after the state's hard limit |
 * | XfrmInStateSeqError | is a replay or older than the window |
 * | XfrmInStateProtoError | has a wrong ICV, or a length or padding that the transform cannot have |
 * | XfrmInStateModeError | has not the inside that its mode asks for: another next header, or no whole IP packet |
 * | XfrmInNoPols, XfrmInPolBlock | meets no policy `in`, or one that blocks |
 * | XfrmInTmplMismatch | came through another SA than its policy asks for |
 * | XfrmOutError | is not an IP packet |
 * | XfrmOutBundleGenError | has not the room around it that encapsulation needs, or would go through states inside of each other |
 * | XfrmOutPolBlock | meets no policy `out`, or one that blocks |
 * | XfrmOutPolError | meets a policy to bypass, which a packet from the tunnel device cannot do, or too many templates |
 * | XfrmOutNoStates | has no state and found the waiting queue full |
 * | XfrmAcquireError | waited for a state that did not come |
 * | XfrmOutPolDead | waited for a state when its policy was removed |
 * | XfrmOutStateExpired | came after the state's hard limit |
 * | XfrmOutStateInvalid | lost its state while it was sent in pieces |
 * | XfrmOutStateSeqError | found the sequence numbers used up |
 * | XfrmOutStateModeError | cannot be carried in the state's mode (a fragment in transport mode), or is too long for the path and must not be cut |
 * | XfrmOutStateProtoError | could not be encapsulated for any other reason |
 *
 * The others belong to features of the kernel that do not exist here and stay 0.
 */
export const XfrmCounter = {
  XfrmInError: 0,
  XfrmInBufferError: 1,
  XfrmInHdrError: 2,
  XfrmInNoStates: 3,
  XfrmInStateProtoError: 4,
  XfrmInStateModeError: 5,
  XfrmInStateSeqError: 6,
  XfrmInStateExpired: 7,
  XfrmInStateMismatch: 8,
  XfrmInStateInvalid: 9,
  XfrmInTmplMismatch: 10,
  XfrmInNoPols: 11,
  XfrmInPolBlock: 12,
  XfrmInPolError: 13,
  XfrmOutError: 14,
  XfrmOutBundleGenError: 15,
  XfrmOutBundleCheckError: 16,
  XfrmOutNoStates: 17,
  XfrmOutStateProtoError: 18,
  XfrmOutStateModeError: 19,
  XfrmOutStateSeqError: 20,
  XfrmOutStateExpired: 21,
  XfrmOutPolBlock: 22,
  XfrmOutPolDead: 23,
  XfrmOutPolError: 24,
  XfrmFwdHdrError: 25,
  XfrmOutStateInvalid: 26,
  XfrmAcquireError: 27,
  XfrmOutStateDirError: 28,
  XfrmInStateDirError: 29,
  XfrmInIptfsError: 30,
  XfrmOutNoQueueSpace: 31,
} as const
export type XfrmCounterName = keyof typeof XfrmCounter

/** All counter names in the kernel's order: `xfrmCounterNames[XfrmCounter.X]` is `'X'`. */
export const xfrmCounterNames = Object.keys(XfrmCounter) as readonly XfrmCounterName[]

/** Why packets were dropped, counted. Exact up to 2^53. */
export class XfrmStats {
  readonly #values = new Float64Array(xfrmCounterNames.length)

  /** `counter` is a value of `XfrmCounter`. */
  count(counter: number): void {
    this.#values[counter]!++
  }

  value(name: XfrmCounterName): number {
    return this.#values[XfrmCounter[name]]!
  }

  /** All counters by name, copied. */
  snapshot(): Record<XfrmCounterName, number> {
    return Object.fromEntries(xfrmCounterNames.map((name, i) => [name, this.#values[i]!])) as Record<
      XfrmCounterName,
      number
    >
  }

  /** The text of /proc/net/xfrm_stat, one line a counter. */
  format(): string {
    return xfrmCounterNames.map((name, i) => `${name.padEnd(24)}\t${this.#values[i]}\n`).join('')
  }
}
