import { concat, equalConstantTime } from '../bytes/index.ts'
import type { CryptoProvider, RandomSource } from '../crypto/provider.ts'
import type { SocketAddress } from '../ip/address.ts'
import type { HalfOpen } from './half-open.ts'
import { RecentCount } from './recent-count.ts'

/** How many unauthenticated IKE_SAs a responder bears. */
export interface GateLimits {
  /**
   * From this many half-open IKE_SAs and lately failed attempts on, an initiator must first return a COOKIE. RFC 7296 §2.6.
   */
  readonly cookieThreshold: number
  /** At this many half-open IKE_SAs, new IKE_SA_INIT requests are dropped. */
  readonly halfOpenLimit: number
  /**
   * The same for one address (IPv6: one /64), counting those that it began with a COOKIE. A healthy client is half-open for
   * two round trips, so many clients behind one NAT that start together fit, those too many a retransmission later.
   */
  readonly halfOpenPerAddress: number
}

export const defaultGateLimits: GateLimits = { cookieThreshold: 30, halfOpenLimit: 1000, halfOpenPerAddress: 16 }

/** A secret is used for this long, and accepted for as long again. */
const SECRET_MS = 60_000
const COOKIE_BYTES = 33
/** A failed attempt leaves no IKE_SA, but has cost its answer: for so long it weighs as much as one. */
const FAILURE_MS = 10_000

export type GateVerdict =
  /** `proved`: the initiator receives what is sent to its address. */
  | { readonly kind: 'pass'; readonly proved: boolean }
  /** `wasWrong` tells that a cookie came and did not fit. */
  | { readonly kind: 'ask'; readonly cookie: Uint8Array; readonly wasWrong: boolean }
  | { readonly kind: 'drop'; readonly detail: string }

interface GateRequest {
  readonly SPIi: Uint8Array
  readonly Ni: Uint8Array
  readonly cookie: Uint8Array | undefined
  readonly remote: SocketAddress
}

/**
 * Stands before the responder and keeps no state of strangers: with many half-open IKE_SAs, or after many failed attempts, an
 * initiator has to prove that it receives what is sent to its address. Cookie = generation (1 octet) |
 * HMAC-SHA2-256(secret, Ni | IPi | port | SPIi). RFC 7296 §2.6.
 */
export class ResponderGate {
  readonly #crypto: CryptoProvider
  readonly #random: RandomSource
  readonly #limits: GateLimits
  readonly #failures = new RecentCount(FAILURE_MS)
  #secret: Uint8Array
  #previous: Uint8Array | undefined
  #generation = 0
  #renewAt = 0

  constructor(crypto: CryptoProvider, random: RandomSource, limits: GateLimits) {
    this.#crypto = crypto
    this.#random = random
    this.#limits = limits
    this.#secret = random(32, 'secret')
  }

  /** An attempt came to nothing: the request was refused, or its IKE_SA ended before it was authenticated. */
  failed(now: number): void {
    this.#failures.add(now)
  }

  check(request: GateRequest, halfOpen: HalfOpen, now: number): GateVerdict {
    const { cookieThreshold, halfOpenLimit, halfOpenPerAddress } = this.#limits
    if (halfOpen.size >= halfOpenLimit) return { kind: 'drop', detail: `${halfOpen.size} half-open IKE_SAs` }
    // What came without a cookie may bear a forged address. It makes that address prove itself, and must never shut it
    // out: else anybody could lock out anybody with a few datagrams. Only what an address began with a cookie, which
    // nobody else can have, counts against it.
    const { all, proved } = halfOpen.ofAddress(request.remote.address)
    const isQuiet = halfOpen.size + this.#failures.count(now) < cookieThreshold
    if (isQuiet && all < halfOpenPerAddress) return { kind: 'pass', proved: false }
    this.#renew(now)
    const { cookie } = request
    if (cookie === undefined || !this.#fits(cookie, request)) {
      const right = this.#make(this.#secret, this.#generation, request)
      return { kind: 'ask', cookie: right, wasWrong: cookie !== undefined }
    }
    if (proved >= halfOpenPerAddress) return { kind: 'drop', detail: `${proved} half-open IKE_SAs of one address` }
    return { kind: 'pass', proved: true }
  }

  #fits(cookie: Uint8Array, request: GateRequest): boolean {
    if (cookie.length !== COOKIE_BYTES) return false
    const isCurrent = cookie[0] === this.#generation
    const secret = isCurrent ? this.#secret : this.#previous
    if (secret === undefined || (!isCurrent && cookie[0] !== ((this.#generation - 1) & 0xff))) return false
    return equalConstantTime(cookie, this.#make(secret, cookie[0]!, request))
  }

  #make(secret: Uint8Array, generation: number, { Ni, SPIi, remote }: GateRequest): Uint8Array {
    const covered = concat(Ni, remote.address, Uint8Array.of(remote.port >>> 8, remote.port & 0xff), SPIi)
    return concat(Uint8Array.of(generation), this.#crypto.hmac('sha256', secret, covered))
  }

  #renew(now: number): void {
    if (this.#renewAt === 0) this.#renewAt = now + SECRET_MS
    if (now < this.#renewAt) return
    // After a long pause the previous secret is too old as well.
    this.#previous = now < this.#renewAt + SECRET_MS ? this.#secret : undefined
    this.#secret = this.#random(32, 'secret')
    this.#generation = (this.#generation + 1) & 0xff
    this.#renewAt = now + SECRET_MS
  }
}
