import { equalBytes, toHex } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import type { IpAddress } from '../ip/index.ts'
import type { XfrmStateChange, XfrmTemplate } from './port.ts'
import { StatePhase, type XfrmState } from './state.ts'

/** The SA database of RFC 4301 §4.4.2: states by SPI, and by pair of outer addresses and reqid. Iterates in order of installation. */
export class Sad implements Iterable<XfrmState> {
  /** Changes with every change of the database, so that what was found can be cached. */
  generation = 1
  readonly #all = new Set<XfrmState>()
  // States that share an SPI (of different peers, mostly outbound ones) hang together in `nextSameSpi`.
  readonly #bySpi = new Map<number, XfrmState>()
  /** Oldest first, so that one more state of a pair (many clients behind one NAT) costs no more than the first. */
  readonly #byPair = new Map<string, XfrmState[]>()
  #lastSerial = 0

  get size(): number {
    return this.#all.size
  }

  [Symbol.iterator](): Iterator<XfrmState> {
    return this.#all.values()
  }

  /** Throws `UsageError` when (daddr, spi) is taken. */
  add(state: XfrmState): void {
    if (this.find(state.daddr, state.spi) !== undefined) throw duplicate(state.spi)
    state.serial = ++this.#lastSerial
    this.#all.add(state)
    this.#index(state)
  }

  remove(state: XfrmState): void {
    if (this.#all.delete(state)) this.#unindex(state)
  }

  /** Takes new addresses or ports. Throws `UsageError` when the new (daddr, spi) is taken. */
  move(state: XfrmState, change: XfrmStateChange): void {
    const taken = change.daddr === undefined ? undefined : this.find(change.daddr, state.spi)
    if (taken !== undefined && taken !== state) throw duplicate(state.spi)
    this.#unindex(state)
    state.move(change)
    this.#index(state)
  }

  /** The state with exactly this destination and SPI, of either direction. */
  find(daddr: IpAddress, spi: number): XfrmState | undefined {
    let state = this.#bySpi.get(spi)
    while (state !== undefined && !equalBytes(state.daddr, daddr)) state = state.nextSameSpi
    return state
  }

  /**
   * The state that a received packet names. `local` is the address it came to; when that is not known (all zero, from
   * a socket bound to any address) the SPI alone decides, as RFC 4301 §4.1 allows for unicast.
   */
  findInbound(spi: number, local: IpAddress): XfrmState | undefined {
    const first = this.#bySpi.get(spi)
    if (first === undefined) return undefined
    let fallback: XfrmState | undefined
    const anyAddress = isUnspecified(local)
    for (let state: XfrmState | undefined = first; state !== undefined; state = state.nextSameSpi) {
      if (!anyAddress && !equalBytes(state.daddr, local)) continue
      if (state.direction === 'in') return state
      fallback = state
    }
    return fallback
  }

  /** The newest valid outbound state that fits the template. */
  findForTemplate(template: XfrmTemplate): XfrmState | undefined {
    return this.between(template.saddr, template.daddr).findLast(
      (state) => state.direction === 'out' && state.phase === StatePhase.VALID && state.reqid === template.reqid,
    )
  }

  /** All states from one outer address to another, oldest first. Borrowed: copy before a change of the database. */
  between(saddr: IpAddress, daddr: IpAddress): readonly XfrmState[] {
    return this.#byPair.get(pairKey(saddr, daddr)) ?? []
  }

  #index(state: XfrmState): void {
    this.generation++
    state.nextSameSpi = this.#bySpi.get(state.spi)
    this.#bySpi.set(state.spi, state)
    const key = pairKey(state.saddr, state.daddr)
    const pair = this.#byPair.get(key)
    if (pair === undefined) this.#byPair.set(key, [state])
    else insertByAge(pair, state)
  }

  #unindex(state: XfrmState): void {
    this.generation++
    this.#unchain(state)
    const key = pairKey(state.saddr, state.daddr)
    const pair = this.#byPair.get(key)!
    pair.splice(pair.lastIndexOf(state), 1)
    if (pair.length === 0) this.#byPair.delete(key)
  }

  #unchain(state: XfrmState): void {
    let previous = this.#bySpi.get(state.spi)!
    if (previous === state) {
      if (state.nextSameSpi === undefined) this.#bySpi.delete(state.spi)
      else this.#bySpi.set(state.spi, state.nextSameSpi)
    } else {
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

// Separated, because an IPv4 pair must not read as the beginning of an IPv6 one.
function pairKey(saddr: IpAddress, daddr: IpAddress): string {
  return `${toHex(saddr)}>${toHex(daddr)}`
}

function isUnspecified(address: IpAddress): boolean {
  for (let i = 0; i < address.length; i++) if (address[i] !== 0) return false
  return true
}

// A moved state keeps its age among the states of its new pair.
function insertByAge(pair: XfrmState[], state: XfrmState): void {
  const before = pair.findLastIndex((other) => other.serial < state.serial)
  pair.splice(before + 1, 0, state)
}
