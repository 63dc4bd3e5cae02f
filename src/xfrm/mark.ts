import type { XfrmMark } from './port.ts'

/** True when something that carries `mark` (32 bits, 0 for none) may use what is marked `of`. What a mask does not hold is not looked at. */
export function marksMeet(mark: number, of: XfrmMark | undefined): boolean {
  return of === undefined || ((mark ^ of.value) & of.mask) === 0
}

/** The mark by which something marked `of` is looked up itself: its value under its mask. */
export function markValue(of: XfrmMark | undefined): number {
  return of === undefined ? 0 : (of.value & of.mask) >>> 0
}

/** `mark` after the bits of `set` were put into it. */
export function putMark(mark: number, set: XfrmMark | undefined): number {
  return set === undefined ? mark : ((mark & ~set.mask) | (set.value & set.mask)) >>> 0
}

/** True when both are the same mark; none is value 0, mask 0. */
export function sameMark(a: XfrmMark | undefined, b: XfrmMark | undefined): boolean {
  return markValue(a) === markValue(b) && (a?.mask ?? 0) === (b?.mask ?? 0)
}
