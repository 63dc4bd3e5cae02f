import { equalBytes, toHex } from '../bytes/index.ts'
import type { IpAddress } from '../ip/index.ts'
import { sameMark } from './mark.ts'
import type { XfrmMark, XfrmMode } from './port.ts'
import type { XfrmState } from './state.ts'

/** What tells one unanswered acquire from another. */
export interface AcquireTarget {
  readonly saddr: IpAddress
  readonly daddr: IpAddress
  readonly proto: number
  readonly mode: XfrmMode
  readonly reqid: number
  readonly mark?: XfrmMark | undefined
  readonly ifId?: number
}

/**
 * The larval states of acquires that are not answered. They have no SPI, so they stand beside the SAD: there is one for each pair of
 * addresses, mode, reqid, mark and interface, and it holds back further acquires for those.
 */
export class Acquires implements Iterable<XfrmState> {
  readonly #byTarget = new Map<string, XfrmState>()
  readonly #bySeq = new Map<number, XfrmState>()
  #lastSeq = 0

  get size(): number {
    return this.#byTarget.size
  }

  [Symbol.iterator](): Iterator<XfrmState> {
    return this.#byTarget.values()
  }

  /** A number that no acquire that is open has. 32 bits, not 0. */
  nextSeq(): number {
    do this.#lastSeq = (this.#lastSeq + 1) >>> 0
    while (this.#lastSeq === 0 || this.#bySeq.has(this.#lastSeq))
    return this.#lastSeq
  }

  find(target: AcquireTarget): XfrmState | undefined {
    return this.#byTarget.get(keyOf(target))
  }

  bySeq(seq: number): XfrmState | undefined {
    return this.#bySeq.get(seq)
  }

  add(larval: XfrmState): void {
    this.#byTarget.set(keyOf(larval), larval)
    this.#bySeq.set(larval.seq, larval)
  }

  remove(larval: XfrmState): void {
    if (this.#bySeq.get(larval.seq) !== larval) return
    this.#bySeq.delete(larval.seq)
    this.#byTarget.delete(keyOf(larval))
  }

  /** The acquire that a state answers: the one of its `seq`, if that asked for this destination, or the one of its target. */
  answeredBy(state: XfrmState): XfrmState | undefined {
    if (this.#byTarget.size === 0) return undefined
    const named = state.seq === 0 ? undefined : this.#bySeq.get(state.seq)
    if (named !== undefined && named.proto === state.proto && equalBytes(named.daddr, state.daddr)) return named
    const found = this.find(state)
    return found !== undefined && sameMark(found.mark, state.mark) ? found : undefined
  }
}

function keyOf({ saddr, daddr, proto, mode, reqid, mark, ifId = 0 }: AcquireTarget): string {
  const marked = mark === undefined ? '' : `${mark.value}/${mark.mask}`
  return `${toHex(saddr)}>${toHex(daddr)} ${proto} ${mode} ${reqid} ${marked} ${ifId}`
}
