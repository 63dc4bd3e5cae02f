import { concat, equalConstantTime } from '../bytes/index.ts'
import type { CryptoProvider, RandomSource } from '../crypto/provider.ts'
import type { SocketAddress } from '../ip/address.ts'

/** How many unauthenticated IKE_SAs a responder bears. */
export interface GateLimits {
  /** From this many half-open IKE_SAs on, an initiator must first return a COOKIE. RFC 7296 §2.6. */
  readonly cookieThreshold: number
  /** At this many, new IKE_SA_INIT requests are dropped. */
  readonly halfOpenLimit: number
}

export const defaultGateLimits: GateLimits = { cookieThreshold: 30, halfOpenLimit: 1000 }

/** A secret is used for this long, and accepted for as long again. */
const SECRET_MS = 60_000
const COOKIE_BYTES = 33

export type GateVerdict =
  | { readonly pass: true }
  | { readonly pass: false; readonly cookie?: Uint8Array; readonly wasWrong: boolean }

/**
 * Stands before the responder and keeps no state of strangers: with many half-open IKE_SAs, an initiator has to prove that it
 * receives what is sent to its address. Cookie = generation (1 octet) | HMAC-SHA2-256(secret, Ni | IPi | port | SPIi).
 * RFC 7296 §2.6.
 */
export class ResponderGate {
  readonly #crypto: CryptoProvider
  readonly #random: RandomSource
  readonly #limits: GateLimits
  #secret: Uint8Array
  #previous: Uint8Array | undefined
  #generation = 0
  #renewAt = 0

  constructor(crypto: CryptoProvider, random: RandomSource, limits: GateLimits) {
    this.#crypto = crypto
    this.#random = random
    this.#limits = limits
    this.#secret = random(32)
  }

  /** `wasWrong` tells that a cookie came and did not fit; without `cookie` in the verdict the request is dropped silently. */
  check(
    request: { SPIi: Uint8Array; Ni: Uint8Array; cookie: Uint8Array | undefined; remote: SocketAddress },
    halfOpen: number,
    now: number,
  ): GateVerdict {
    if (halfOpen >= this.#limits.halfOpenLimit) return { pass: false, wasWrong: false }
    if (halfOpen < this.#limits.cookieThreshold) return { pass: true }
    this.#renew(now)
    const { cookie } = request
    if (cookie !== undefined && this.#fits(cookie, request)) return { pass: true }
    return { pass: false, cookie: this.#make(this.#secret, this.#generation, request), wasWrong: cookie !== undefined }
  }

  #fits(cookie: Uint8Array, request: { SPIi: Uint8Array; Ni: Uint8Array; remote: SocketAddress }): boolean {
    if (cookie.length !== COOKIE_BYTES) return false
    const isCurrent = cookie[0] === this.#generation
    const secret = isCurrent ? this.#secret : this.#previous
    if (secret === undefined || (!isCurrent && cookie[0] !== ((this.#generation - 1) & 0xff))) return false
    return equalConstantTime(cookie, this.#make(secret, cookie[0]!, request))
  }

  #make(
    secret: Uint8Array,
    generation: number,
    request: { SPIi: Uint8Array; Ni: Uint8Array; remote: SocketAddress },
  ): Uint8Array {
    const { Ni, SPIi, remote } = request
    const covered = concat(Ni, remote.address, Uint8Array.of(remote.port >>> 8, remote.port & 0xff), SPIi)
    return concat(Uint8Array.of(generation), this.#crypto.hmac('sha256', secret, covered))
  }

  #renew(now: number): void {
    if (this.#renewAt === 0) this.#renewAt = now + SECRET_MS
    if (now < this.#renewAt) return
    // After a long pause the previous secret is too old as well.
    this.#previous = now < this.#renewAt + SECRET_MS ? this.#secret : undefined
    this.#secret = this.#random(32)
    this.#generation = (this.#generation + 1) & 0xff
    this.#renewAt = now + SECRET_MS
  }
}
