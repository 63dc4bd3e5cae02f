import { equalBytes, toHex } from '../bytes/index.ts'
import type { IpAddress } from '../ip/index.ts'
import { marksMeet, markValue, sameMark } from './mark.ts'
import type { XfrmMark, XfrmMode } from './port.ts'
import type { XfrmState } from './state.ts'
import { NO_WORKER } from './workers.ts'

/** What tells one unanswered acquire from another. */
export interface AcquireTarget {
  readonly saddr: IpAddress
  readonly daddr: IpAddress
  readonly proto: number
  readonly mode: XfrmMode
  readonly reqid: number
  readonly mark?: XfrmMark | undefined
  readonly ifId?: number
  /** 0 or absent: any. */
  readonly spi?: number
  /** -1 or absent: for the packets of all workers. */
  readonly worker?: number
}

/**
 * The larval states of acquires that are not answered. They have no SPI, so they stand beside the SAD: there is one for each pair of
 * addresses, mode, reqid, interface and mark, and it holds back further acquires for those.
 */
export class Acquires implements Iterable<XfrmState> {
  readonly #byTarget = new Map<string, readonly XfrmState[]>()
  readonly #bySeq = new Map<number, XfrmState>()
  #lastSeq = 0

  get size(): number {
    return this.#bySeq.size
  }

  [Symbol.iterator](): Iterator<XfrmState> {
    return this.#bySeq.values()
  }

  /** A number that no acquire that is open has. 32 bits, not 0. */
  nextSeq(): number {
    do this.#lastSeq = (this.#lastSeq + 1) >>> 0
    while (this.#lastSeq === 0 || this.#bySeq.has(this.#lastSeq))
    return this.#lastSeq
  }

  /** The larval state that holds back an acquire for the target: one whose mark the target's meets. */
  find(target: AcquireTarget): XfrmState | undefined {
    const { mark, spi = 0 } = target
    const candidates = this.#byTarget.get(keyOf(target)) ?? []
    return candidates.find((larval) => marksMeet(markValue(mark), larval.mark) && (spi === 0 || spi === larval.spi))
  }

  bySeq(seq: number): XfrmState | undefined {
    return this.#bySeq.get(seq)
  }

  add(larval: XfrmState): void {
    const key = keyOf(larval)
    this.#byTarget.set(key, [...(this.#byTarget.get(key) ?? []), larval])
    this.#bySeq.set(larval.seq, larval)
  }

  remove(larval: XfrmState): void {
    if (this.#bySeq.get(larval.seq) !== larval) return
    this.#bySeq.delete(larval.seq)
    const key = keyOf(larval)
    const left = this.#byTarget.get(key)!.filter((other) => other !== larval)
    if (left.length === 0) this.#byTarget.delete(key)
    else this.#byTarget.set(key, left)
  }

  /** The acquire that a state answers: the one of its `seq`, if that asked for this destination, or one of its target with its mark. */
  answeredBy(state: XfrmState): XfrmState | undefined {
    if (this.size === 0) return undefined
    const named = state.seq === 0 ? undefined : this.#bySeq.get(state.seq)
    const isMeant = named?.proto === state.proto && named.worker === state.worker
    if (named !== undefined && isMeant && equalBytes(named.daddr, state.daddr)) return named
    return this.#byTarget.get(keyOf(state))?.find(({ mark, spi }) => spi === 0 && sameMark(mark, state.mark))
  }
}

function keyOf({ saddr, daddr, proto, mode, reqid, ifId = 0, worker = NO_WORKER }: AcquireTarget): string {
  return `${toHex(saddr)}>${toHex(daddr)} ${proto} ${mode} ${reqid} ${ifId} ${worker}`
}
