/**
 * The high 32 bits of an extended sequence number whose low 32 bits were received, or -1 when no such number exists.
 * `topHigh`, `topLow`: the highest number authenticated so far; `window` in packets. The guess is proved by the ICV: only
 * a number within 2^32 - `window` of the top can be inferred. RFC 4303 appendix A2.2.
 */
export function inferSequenceHigh(topHigh: number, topLow: number, window: number, low: number): number {
  const bottom = topLow - window + 1
  if (bottom >= 0) {
    // Case A: the window lies within one subspace. Below its bottom means the next subspace.
    if (low >= bottom) return topHigh
    return topHigh === 0xffffffff ? -1 : topHigh + 1
  }
  // Case B: the window reaches back into the subspace before. There is none before the first.
  return low >= bottom + 0x100000000 ? topHigh - 1 : topHigh
}
