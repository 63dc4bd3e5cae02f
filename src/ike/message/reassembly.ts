import { concat } from '../../bytes/index.ts'
import type { OpenedFragment } from './message-crypto.ts'

/** Fragments of one message. The longest message in packets of 576 octets makes 136. */
export const MOST_FRAGMENTS = 256
/** Octets of the messages that one IKE_SA is putting together. */
const MOST_OCTETS_OF_SA = 0x2_0000
/** The same before the peer has authenticated: a certificate chain fits, and many strangers together do not take all there is. */
const MOST_OCTETS_OF_STRANGER = 0x8000
/** Octets of the messages that one endpoint is putting together: beyond, the oldest are given up. */
export const MOST_OCTETS = 0x100_0000
/** A message whose fragments are not all there by then is given up; all of them are sent again anyway. */
export const REASSEMBLY_MS = 30_000
/** What a fragment costs besides its octets. */
const FRAGMENT_OVERHEAD = 100

/** A message in parts. */
interface Parts {
  readonly store: Reassembly
  /** Of a peer that had not authenticated when it began. */
  readonly isStrange: boolean
  readonly key: number
  readonly total: number
  readonly until: number
  /** By fragment number - 1; holes for those that have not come. */
  readonly texts: Uint8Array[]
  /** The datagram with fragment 1, which stands for the message. */
  first: Uint8Array | undefined
  firstPayload: number
  count: number
  octets: number
  /** Octets of all its datagrams, and of the longest of them. */
  bytes: number
  largest: number
}

/** A message that was put together. */
export interface Assembled {
  readonly firstPayload: number
  readonly plaintext: Uint8Array
  /** The datagram with fragment 1; a copy. */
  readonly first: Uint8Array
  /** Octets of all its datagrams, and of the longest of them. */
  readonly bytes: number
  readonly largest: number
}

/**
 * The messages that all IKE_SAs of an endpoint are putting together, held below a common limit: those of strangers make room first,
 * the oldest of them before the others.
 */
export class ReassemblyPool {
  readonly #parts = new Set<Parts>()
  #octets = 0

  /** Octets that all of them hold. */
  get octets(): number {
    return this.#octets
  }

  charge(parts: Parts, octets: number): void {
    this.#parts.add(parts)
    parts.octets += octets
    this.#octets += octets
    if (this.#octets <= MOST_OCTETS) return
    for (const isStrange of [true, false]) {
      for (const oldest of this.#parts) {
        if (this.#octets <= MOST_OCTETS) return
        if (oldest !== parts && oldest.isStrange === isStrange) oldest.store.forget(oldest.key)
      }
    }
  }

  release(parts: Parts): void {
    if (this.#parts.delete(parts)) this.#octets -= parts.octets
  }
}

/** Puts the fragmented messages of one IKE_SA together; only authenticated fragments come here. RFC 7383 §2.6. */
export class Reassembly {
  readonly #pool: ReassemblyPool
  readonly #isStranger: () => boolean
  #messages: Map<number, Parts> | undefined

  /** `isStranger`: the peer has not authenticated. */
  constructor(pool: ReassemblyPool, isStranger: () => boolean = () => false) {
    this.#pool = pool
    this.#isStranger = isStranger
  }

  /** When the oldest message is given up, `Infinity` when there is none. */
  get expiresAt(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const { until } of this.#messages?.values() ?? []) earliest = Math.min(earliest, until)
    return earliest
  }

  /**
   * False for a fragment that is there, or is of an older and coarser cut of its message: those need not even be
   * opened. RFC 7383 §2.6.1. `key` tells messages apart.
   */
  wants(key: number, fragmentNumber: number, totalFragments: number): boolean {
    const parts = this.#messages?.get(key)
    if (parts === undefined || totalFragments > parts.total) return true
    return totalFragments === parts.total && parts.texts[fragmentNumber - 1] === undefined
  }

  /**
   * Takes a fragment that `wants` wants and that was authenticated; `datagram` is borrowed. Returns the message when
   * that completes it, 'too-long' when it would hold too much and was given up.
   */
  add(key: number, fragment: OpenedFragment, datagram: Uint8Array, now: number): Assembled | 'too-long' | undefined {
    const { fragmentNumber, totalFragments, plaintext, firstPayload } = fragment
    const parts = this.#partsOf(key, totalFragments, now)
    const first = fragmentNumber === 1 ? datagram.slice() : undefined
    const octets = FRAGMENT_OVERHEAD + datagram.length + (first?.length ?? 0)
    const most = this.#isStranger() ? MOST_OCTETS_OF_STRANGER : MOST_OCTETS_OF_SA
    if (this.#octets() + octets > most) {
      this.forget(key)
      return 'too-long'
    }
    this.#pool.charge(parts, octets)
    parts.texts[fragmentNumber - 1] = plaintext
    parts.count++
    parts.bytes += datagram.length
    parts.largest = Math.max(parts.largest, datagram.length)
    if (first !== undefined) {
      parts.first = first
      parts.firstPayload = firstPayload
    }
    if (parts.count < totalFragments) return undefined
    this.forget(key)
    return { ...parts, first: parts.first!, plaintext: concat(...parts.texts) }
  }

  /** Gives a message up, or does nothing when it is not here. */
  forget(key: number): void {
    const parts = this.#messages?.get(key)
    if (parts === undefined) return
    this.#pool.release(parts)
    this.#messages!.delete(key)
  }

  /** Gives up what has taken too long. */
  expire(now: number): void {
    for (const { key, until } of [...(this.#messages?.values() ?? [])]) if (until <= now) this.forget(key)
  }

  forgetAll(): void {
    this.expire(Number.POSITIVE_INFINITY)
  }

  #partsOf(key: number, total: number, now: number): Parts {
    const known = this.#messages?.get(key)
    if (known?.total === total) return known
    this.forget(key)
    const parts: Parts = {
      store: this,
      isStrange: this.#isStranger(),
      key,
      total,
      until: now + REASSEMBLY_MS,
      texts: [],
      first: undefined,
      firstPayload: 0,
      count: 0,
      octets: 0,
      bytes: 0,
      largest: 0,
    }
    this.#messages ??= new Map()
    this.#messages.set(key, parts)
    return parts
  }

  #octets(): number {
    let octets = 0
    for (const parts of this.#messages?.values() ?? []) octets += parts.octets
    return octets
  }
}
