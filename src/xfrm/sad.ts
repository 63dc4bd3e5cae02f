import { equalBytes } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import { type IpAddress, IpProtocol, type PacketFlow } from '../ip/index.ts'
import { marksMeet, markValue } from './mark.ts'
import type { XfrmStateChange, XfrmTemplate } from './port.ts'
import { matchesSelector } from './selector.ts'
import { StatePhase, type XfrmState } from './state.ts'
import { StateTable } from './state-table.ts'
import { isOfOther, NO_WORKER } from './workers.ts'

/**
 * The SA database of RFC 4301 §4.4.2: states by SPI, by destination and reqid, and by both addresses. Iterates in order of
 * installation. The chains hang in the states themselves, so that a look-up makes nothing.
 */
export class Sad implements Iterable<XfrmState> {
  /** Changes with every change of the database, so that what was found can be cached. */
  generation = 1
  /** Whether what `choose` found last could be another state for another packet. */
  foundByFlow = false
  readonly #all = new Set<XfrmState>()
  readonly #bySpi: StateTable
  readonly #byTarget: StateTable
  readonly #byPair: StateTable
  #lastSerial = 0

  /** `seed` gives 32 random bits, which keep peers from choosing SPIs that collide in the tables. */
  constructor(seed: () => number = () => 0) {
    this.#bySpi = new StateTable(seed)
    this.#byTarget = new StateTable(seed)
    this.#byPair = new StateTable(seed)
  }

  get size(): number {
    return this.#all.size
  }

  [Symbol.iterator](): Iterator<XfrmState> {
    return this.#all.values()
  }

  /** Throws `UsageError` when (daddr, spi, proto) is taken by a state that its mark meets. */
  add(state: XfrmState): void {
    if (this.find(state.daddr, state.spi, state.proto, markValue(state.mark)) !== undefined) throw duplicate(state.spi)
    state.serial = ++this.#lastSerial
    this.#all.add(state)
    this.#index(state)
  }

  remove(state: XfrmState): void {
    if (this.#all.delete(state)) this.#unindex(state)
  }

  /** Takes what changes. Throws `UsageError` when the new (daddr, spi) is taken. */
  move(state: XfrmState, change: XfrmStateChange): void {
    const mark = markValue(state.mark)
    const taken = change.daddr === undefined ? undefined : this.find(change.daddr, state.spi, state.proto, mark)
    if (taken !== undefined && taken !== state) throw duplicate(state.spi)
    this.#unindex(state)
    state.move(change)
    this.#index(state)
  }

  /** Another state of its CHILD_SA is to be preferred from here on. */
  setDying(state: XfrmState): void {
    state.softExpired = true
    this.generation++
  }

  /** The state with exactly this destination, SPI and protocol that `mark` meets, of either direction. */
  find(daddr: IpAddress, spi: number, proto: number = IpProtocol.ESP, mark = 0): XfrmState | undefined {
    let state = this.#bySpi.get(spi)
    while (state !== undefined && !(state.spi === spi && isNamed(state, daddr, proto, mark))) state = state.nextSameSpi
    return state
  }

  /**
   * The state that a received packet names. `local` is the address it came to; when that is not known (all zero, from
   * a socket bound to any address) the SPI alone decides, as RFC 4301 §4.1 allows for unicast.
   */
  findInbound(spi: number, local: IpAddress, mark = 0): XfrmState | undefined {
    const first = this.#bySpi.get(spi)
    if (first === undefined) return undefined
    let fallback: XfrmState | undefined
    const anyAddress = isUnspecified(local)
    for (let state: XfrmState | undefined = first; state !== undefined; state = state.nextSameSpi) {
      if (!marksMeet(mark, state.mark)) continue
      if (!anyAddress && !equalBytes(state.daddr, local)) continue
      if (state.direction === 'in') return state
      fallback = state
    }
    return fallback
  }

  /** The state for a template of fixed addresses and any packet: see `choose`. */
  findForTemplate(template: XfrmTemplate, mark = 0, ifId = 0): XfrmState | undefined {
    const { saddr, daddr } = template
    return this.choose(template, saddr, daddr, daddr.length, undefined, mark, ifId)
  }

  /**
   * The valid state that a template asks for between two addresses (the first `bytes` octets): one of just this source before one of any
   * source, one before its soft limit before one behind it, the newest of those. A state with a selector is only for the packets that it
   * names, and for `flow` undefined. A template's reqid, mode and protocol are met exactly. A state of just this worker goes before one of
   * all, and one of another worker is passed over. No allocation.
   */
  choose(
    template: XfrmTemplate,
    saddr: Uint8Array,
    daddr: Uint8Array,
    bytes: number,
    flow: PacketFlow | undefined,
    mark: number,
    ifId: number,
    worker: number = NO_WORKER,
  ): XfrmState | undefined {
    let best: XfrmState | undefined
    let wild: XfrmState | undefined
    this.foundByFlow = false
    const anySource = isUnspecified(saddr, bytes)
    let state = this.#byTarget.get(targetHash(daddr, bytes, template.reqid))
    for (; state !== undefined; state = state.nextSameTarget) {
      if (isOfOther(state, worker)) continue
      if (!serves(state, template, mark, ifId) || !sameAddress(state.daddr, daddr, bytes)) continue
      if (flow !== undefined && state.selector !== undefined) {
        this.foundByFlow = true
        if (!matchesSelector(state.selector, flow)) continue
      }
      if (anySource || sameAddress(state.saddr, saddr, bytes)) best = preferred(best, state)
      else if (isUnspecified(state.saddr, bytes)) wild = preferred(wild, state)
    }
    return best ?? wild
  }

  /** The newest valid state of one direction, to `daddr` from `saddr`, with this reqid. */
  newestOf(direction: 'in' | 'out', saddr: IpAddress, daddr: IpAddress, reqid: number): XfrmState | undefined {
    let best: XfrmState | undefined
    let state = this.#byTarget.get(targetHash(daddr, daddr.length, reqid))
    for (; state !== undefined; state = state.nextSameTarget) {
      if (state.direction !== direction || state.phase !== StatePhase.VALID || state.reqid !== reqid) continue
      if (!equalBytes(state.daddr, daddr) || !equalBytes(state.saddr, saddr)) continue
      if (best === undefined || state.serial > best.serial) best = state
    }
    return best
  }

  /** All states from one outer address to another, oldest first. */
  between(saddr: IpAddress, daddr: IpAddress): readonly XfrmState[] {
    const found: XfrmState[] = []
    let state = this.#byPair.get(pairHash(saddr, daddr))
    for (; state !== undefined; state = state.nextSamePair) {
      if (equalBytes(state.saddr, saddr) && equalBytes(state.daddr, daddr)) found.push(state)
    }
    return found.sort((a, b) => a.serial - b.serial)
  }

  #index(state: XfrmState): void {
    this.generation++
    state.nextSameSpi = this.#bySpi.get(state.spi)
    this.#bySpi.set(state.spi, state)

    const target = targetHash(state.daddr, state.daddr.length, state.reqid)
    const nextTarget = this.#byTarget.get(target)
    state.nextSameTarget = nextTarget
    if (nextTarget !== undefined) nextTarget.previousSameTarget = state
    this.#byTarget.set(target, state)

    const pair = pairHash(state.saddr, state.daddr)
    const nextPair = this.#byPair.get(pair)
    state.nextSamePair = nextPair
    if (nextPair !== undefined) nextPair.previousSamePair = state
    this.#byPair.set(pair, state)
  }

  #unindex(state: XfrmState): void {
    this.generation++
    this.#leaveSpi(state)
    const { nextSameTarget, previousSameTarget, nextSamePair, previousSamePair } = state
    if (nextSameTarget !== undefined) nextSameTarget.previousSameTarget = previousSameTarget
    if (previousSameTarget !== undefined) previousSameTarget.nextSameTarget = nextSameTarget
    else replaceHead(this.#byTarget, targetHash(state.daddr, state.daddr.length, state.reqid), nextSameTarget)
    if (nextSamePair !== undefined) nextSamePair.previousSamePair = previousSamePair
    if (previousSamePair !== undefined) previousSamePair.nextSamePair = nextSamePair
    else replaceHead(this.#byPair, pairHash(state.saddr, state.daddr), nextSamePair)
    state.nextSameTarget = undefined
    state.previousSameTarget = undefined
    state.nextSamePair = undefined
    state.previousSamePair = undefined
  }

  #leaveSpi(state: XfrmState): void {
    let previous = this.#bySpi.get(state.spi)!
    if (previous === state) replaceHead(this.#bySpi, state.spi, state.nextSameSpi)
    else {
      while (previous.nextSameSpi !== state) previous = previous.nextSameSpi!
      previous.nextSameSpi = state.nextSameSpi
    }
    state.nextSameSpi = undefined
  }
}

/** What refuses a state whose (daddr, spi) is taken. */
export function duplicate(spi: number): UsageError {
  return new UsageError('spi', `0x${spi.toString(16).padStart(8, '0')} is in use for this destination`)
}

function replaceHead(table: StateTable, key: number, head: XfrmState | undefined): void {
  if (head === undefined) table.delete(key)
  else table.set(key, head)
}

function isNamed(state: XfrmState, daddr: IpAddress, proto: number, mark: number): boolean {
  return state.proto === proto && marksMeet(mark, state.mark) && equalBytes(state.daddr, daddr)
}

function serves(state: XfrmState, template: XfrmTemplate, mark: number, ifId: number): boolean {
  return (
    state.phase === StatePhase.VALID &&
    state.direction === 'out' &&
    state.reqid === template.reqid &&
    state.mode === template.mode &&
    state.proto === template.proto &&
    state.ifId === ifId &&
    (template.spi === undefined || template.spi === 0 || template.spi === state.spi) &&
    marksMeet(mark, state.mark)
  )
}

function preferred(best: XfrmState | undefined, other: XfrmState): XfrmState {
  if (best === undefined) return other
  // One is of this worker, and the other of all.
  if (best.worker !== other.worker) return best.worker === NO_WORKER ? other : best
  if (best.softExpired !== other.softExpired) return best.softExpired ? other : best
  return other.serial > best.serial ? other : best
}

function sameAddress(whole: IpAddress, part: Uint8Array, bytes: number): boolean {
  if (whole.length !== bytes) return false
  for (let i = 0; i < bytes; i++) if (whole[i] !== part[i]) return false
  return true
}

function isUnspecified(address: Uint8Array, bytes: number = address.length): boolean {
  for (let i = 0; i < bytes; i++) if (address[i] !== 0) return false
  return true
}

function addressHash(hash: number, address: Uint8Array, bytes: number): number {
  for (let i = 0; i < bytes; i++) hash = Math.imul(hash ^ address[i]!, 0x01000193)
  return hash
}

function targetHash(daddr: Uint8Array, bytes: number, reqid: number): number {
  return addressHash(Math.imul(reqid, 0x9e3779b1) | 0, daddr, bytes)
}

function pairHash(saddr: IpAddress, daddr: IpAddress): number {
  return addressHash(addressHash(0x811c9dc5 | 0, saddr, saddr.length), daddr, daddr.length)
}
