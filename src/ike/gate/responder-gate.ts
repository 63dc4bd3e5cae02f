import { concat, equalConstantTime, toHex } from '../../bytes/index.ts'
import type { CryptoProvider, RandomSource } from '../../crypto/provider.ts'
import type { SocketAddress } from '../../ip/address.ts'
import type { HalfOpen } from './half-open.ts'
import { isSolved, type Puzzle } from './puzzle.ts'
import { RecentCount } from './recent-count.ts'

/** How many unauthenticated IKE_SAs a responder bears. */
export interface GateLimits {
  /**
   * From this many half-open IKE_SAs and lately failed attempts on, an initiator must first return a COOKIE. RFC 7296 §2.6.
   */
  readonly cookieThreshold: number
  /**
   * At this many half-open IKE_SAs, new IKE_SA_INIT requests are dropped. The last quarter is for initiators that returned a cookie,
   * and solved the puzzle where they got one.
   */
  readonly halfOpenLimit: number
  /**
   * The same for one address (IPv6: one /64), counting those that it began with a COOKIE. A healthy client is half-open for
   * two round trips, so many clients behind one NAT that start together fit, those too many a retransmission later.
   */
  readonly halfOpenPerAddress: number
  /**
   * From this many half-open IKE_SAs and lately failed attempts on, an initiator must also solve a puzzle; 0 for never. Those
   * that cannot are served a few in a second. RFC 8019.
   */
  readonly puzzleThreshold: number
  /** Zero bits that a puzzle asks for at most: each costs the initiator twice the work of the one before. */
  readonly puzzleDifficulty: number
}

export const defaultGateLimits: GateLimits = {
  cookieThreshold: 30,
  halfOpenLimit: 1000,
  halfOpenPerAddress: 16,
  puzzleThreshold: 0,
  puzzleDifficulty: 16,
}

/** A secret is used for this long, and accepted for as long again. */
const SECRET_MS = 60_000
const COOKIE_BYTES = 35
/** A puzzle at the threshold asks for so many bits, and for two more with each doubling of the load. */
const FIRST_DIFFICULTY = 8
const BITS_PER_DOUBLING = 2
/** Initiators that return a cookie but no solution are let in this often in 1 to 2 s. RFC 8019 §7.1.1.3. */
const MOST_WITHOUT_SOLUTION = 4
/** Used solutions that are remembered; each of them cost its work and a key exchange. */
const MOST_USED = 10_000
/** A failed attempt leaves no IKE_SA, but has cost its answer: for so long it weighs as much as one. */
const FAILURE_MS = 10_000

export type GateVerdict =
  /** `proved`: the initiator receives what is sent to its address. `used` runs when an IKE_SA came of it. */
  | { readonly kind: 'pass'; readonly proved: boolean; readonly used?: () => void }
  /** `wasWrong` tells that a cookie came and did not fit. */
  | {
      readonly kind: 'ask'
      readonly cookie: Uint8Array
      readonly puzzle: Puzzle | undefined
      readonly wasWrong: boolean
    }
  | { readonly kind: 'drop'; readonly detail: string }

interface GateRequest {
  readonly SPIi: Uint8Array
  readonly Ni: Uint8Array
  readonly cookie: Uint8Array | undefined
  readonly remote: SocketAddress
  /** A PRF that it can compute, 0 when none is known. */
  readonly prf: number
  readonly solution: Uint8Array | undefined
}

/**
 * Stands before the responder and keeps no state of strangers: with many half-open IKE_SAs, or after many failed attempts, an
 * initiator has to prove that it receives what is sent to its address, and with still more that it is worth some work to it. Cookie =
 * generation | PRF and difficulty of the puzzle (1 octet each, 0 for none) | HMAC-SHA2-256(secret, Ni | IPi | port | SPIi |
 * the octets before). RFC 7296 §2.6, RFC 8019 §7.1.
 */
export class ResponderGate {
  readonly #crypto: CryptoProvider
  readonly #random: RandomSource
  readonly #limits: GateLimits
  readonly #failures = new RecentCount(FAILURE_MS)
  readonly #withoutSolution = new RecentCount(2000)
  #secret: Uint8Array
  #previous: Uint8Array | undefined
  #generation = 0
  #renewAt = 0
  /** Cookies with puzzles that IKE_SAs came of, under this secret and the one before: a solution is good for one. */
  #used = new Set<string>()
  #previouslyUsed = new Set<string>()

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
    const load = halfOpen.size + this.#failures.count(now)
    const isScarce = halfOpen.size >= halfOpenLimit - Math.floor(halfOpenLimit / 4)
    const isQuiet = load < cookieThreshold && !isScarce
    // A TCP handshake proves what a cookie would, which is then not asked for alone. RFC 9329 §6.3.
    const isStream = request.remote.tcp === true
    if (isQuiet && all < halfOpenPerAddress) return { kind: 'pass', proved: isStream }
    this.#renew(now)
    const { cookie } = request
    const puzzle = this.#puzzleFor(request, load)
    if (isStream && puzzle === undefined && proved < halfOpenPerAddress) return { kind: 'pass', proved: true }
    if (
      cookie === undefined ||
      !this.#fits(cookie, request) ||
      !this.#isWorthy(cookie, request, puzzle, isScarce, now)
    ) {
      const right = this.#make(
        this.#secret,
        Uint8Array.of(this.#generation, puzzle?.prf ?? 0, puzzle?.difficulty ?? 0),
        request,
      )
      return { kind: 'ask', cookie: right, puzzle, wasWrong: cookie !== undefined }
    }
    if (proved >= halfOpenPerAddress) return { kind: 'drop', detail: `${proved} half-open IKE_SAs of one address` }
    const key = toHex(cookie)
    if (this.#used.has(key) || this.#previouslyUsed.has(key))
      return { kind: 'drop', detail: 'a solution that was used' }
    return cookie[2] === 0
      ? { kind: 'pass', proved: true }
      : { kind: 'pass', proved: true, used: () => this.#noteUsed(key) }
  }

  #noteUsed(key: string): void {
    const [oldest] = this.#used
    if (oldest !== undefined && this.#used.size >= MOST_USED) this.#used.delete(oldest)
    this.#used.add(key)
  }

  #fits(cookie: Uint8Array, request: GateRequest): boolean {
    if (cookie.length !== COOKIE_BYTES) return false
    const isCurrent = cookie[0] === this.#generation
    const secret = isCurrent ? this.#secret : this.#previous
    if (secret === undefined || (!isCurrent && cookie[0] !== ((this.#generation - 1) & 0xff))) return false
    return equalConstantTime(cookie, this.#make(secret, cookie.subarray(0, 3), request))
  }

  /**
   * The puzzle that came with a cookie of ours is solved, or there was none and is none by now (`wanted`); of the others a few
   * are let in.
   */
  #isWorthy(
    cookie: Uint8Array,
    { solution }: GateRequest,
    wanted: Puzzle | undefined,
    isScarce: boolean,
    now: number,
  ): boolean {
    const posed: Puzzle = { prf: cookie[1]!, difficulty: cookie[2]! }
    if (posed.difficulty === 0) return wanted === undefined
    if (solution !== undefined) return isSolved(this.#crypto, posed, cookie, solution)
    if (isScarce || this.#withoutSolution.count(now) >= MOST_WITHOUT_SOLUTION) return false
    this.#withoutSolution.add(now)
    return true
  }

  #puzzleFor({ prf }: GateRequest, load: number): Puzzle | undefined {
    const { puzzleThreshold, puzzleDifficulty } = this.#limits
    if (puzzleThreshold === 0 || load < puzzleThreshold || prf === 0) return undefined
    const doublings = Math.floor(Math.log2(load / puzzleThreshold))
    return { prf, difficulty: Math.min(puzzleDifficulty, FIRST_DIFFICULTY + BITS_PER_DOUBLING * doublings) }
  }

  #make(secret: Uint8Array, head: Uint8Array, { Ni, SPIi, remote }: GateRequest): Uint8Array {
    const covered = concat(Ni, remote.address, Uint8Array.of(remote.port >>> 8, remote.port & 0xff), SPIi, head)
    return concat(head, this.#crypto.hmac('sha256', secret, covered))
  }

  #renew(now: number): void {
    if (this.#renewAt === 0) this.#renewAt = now + SECRET_MS
    if (now < this.#renewAt) return
    // After a long pause the previous secret is too old as well.
    this.#previous = now < this.#renewAt + SECRET_MS ? this.#secret : undefined
    this.#previouslyUsed = this.#used
    this.#used = new Set()
    this.#secret = this.#random(32, 'secret')
    this.#generation = (this.#generation + 1) & 0xff
    this.#renewAt = now + SECRET_MS
  }
}
