import { equalBytes, Writer } from '../../bytes/index.ts'
import type { CryptoProvider } from '../../crypto/provider.ts'
import { Prf, prfInfo } from '../../crypto/transforms.ts'
import { NotifyType, type Payload, type Proposal } from '../codec/index.ts'
import { findNotify, notify } from '../message/notifies.ts'

/** Find keys K for which prf(K, S) ends in `difficulty` zero bits or more; S is the cookie that came with it. RFC 8019 §3, §8.1. */
export interface Puzzle {
  /** IANA transform id. */
  readonly prf: number
  readonly difficulty: number
}

/** So many keys are a solution. RFC 8019 §3. */
const KEYS = 4
/** Octets of each of our keys. */
const KEY_BYTES = 4
/** The longest key of a peer's that we try, in octets. */
const MOST_KEY_BYTES = 64
/** What a puzzle of difficulty 0 is taken for: as much as the initiator sees fit. RFC 8019 §7.1.1.2. */
const FREE_DIFFICULTY = 8
/** Tries for each key expected; with so many times that a solution is found but for one in thousands. */
const PATIENCE = 8

/** The PRFs that we pose puzzles with, the best first. */
const posed: readonly number[] = [Prf.PRF_HMAC_SHA2_256, Prf.PRF_HMAC_SHA2_384, Prf.PRF_HMAC_SHA2_512]

/** A PRF that the initiator can surely compute: one that it offers. 0 when there is none. RFC 8019 §7.1.1.1. */
export function puzzlePrf(offered: readonly Proposal[]): number {
  const ids = offered.flatMap(({ transforms }) => transforms.filter(({ type }) => type === 2).map(({ id }) => id))
  return posed.find((id) => ids.includes(id)) ?? 0
}

export function puzzlePayload({ prf, difficulty }: Puzzle): Payload {
  return notify(NotifyType.PUZZLE, Uint8Array.of(prf >>> 8, prf & 0xff, difficulty))
}

/** The puzzle of a response; undefined when there is none that we can solve. */
export function findPuzzle(payloads: readonly Payload[]): Puzzle | undefined {
  const data = findNotify(payloads, NotifyType.PUZZLE)?.data
  if (data?.length !== 3) return undefined
  const prf = (data[0]! << 8) | data[1]!
  return prfInfo(prf) === undefined ? undefined : { prf, difficulty: data[2]! === 0 ? FREE_DIFFICULTY : data[2]! }
}

/** True when `solution` holds four different keys that solve the puzzle over `cookie`. RFC 8019 §7.1.4. */
export function isSolved(crypto: CryptoProvider, puzzle: Puzzle, cookie: Uint8Array, solution: Uint8Array): boolean {
  const keyBytes = solution.length / KEYS
  if (!Number.isInteger(keyBytes) || keyBytes < 1 || keyBytes > MOST_KEY_BYTES) return false
  const keys = Array.from({ length: KEYS }, (_, i) => solution.subarray(i * keyBytes, (i + 1) * keyBytes))
  if (keys.some((key, i) => keys.slice(0, i).some((other) => equalBytes(key, other)))) return false
  return keys.every((key) => zeroBitsAtEnd(crypto.prf(puzzle.prf, key, cookie)) >= puzzle.difficulty)
}

/** Looks for a solution a few tries at a time, so that nobody waits for it. */
export class PuzzleSolver {
  readonly #crypto: CryptoProvider
  readonly #puzzle: Puzzle
  readonly #cookie: Uint8Array
  readonly #found: Uint8Array[] = []
  #tried = 0

  /** `cookie` is borrowed. */
  constructor(crypto: CryptoProvider, puzzle: Puzzle, cookie: Uint8Array) {
    this.#crypto = crypto
    this.#puzzle = puzzle
    this.#cookie = cookie
  }

  /** True when nothing is left to try: solved, or given up after far more tries than a solution takes. */
  get isOver(): boolean {
    return this.#found.length === KEYS || this.#tried >= PATIENCE * KEYS * 2 ** this.#puzzle.difficulty
  }

  /** Tries `tries` further keys. */
  work(tries: number): void {
    for (let i = 0; i < tries && !this.isOver; i++) {
      const key = new Writer(KEY_BYTES).u32(this.#tried++ >>> 0).finish()
      const bits = zeroBitsAtEnd(this.#crypto.prf(this.#puzzle.prf, key, this.#cookie))
      if (bits >= this.#puzzle.difficulty) this.#found.push(key)
    }
  }

  /** The keys one behind the other, undefined when there are none. */
  get solution(): Uint8Array | undefined {
    if (this.#found.length < KEYS) return undefined
    const writer = new Writer(KEYS * KEY_BYTES)
    for (const key of this.#found) writer.bytes(key)
    return writer.finish()
  }
}

function zeroBitsAtEnd(octets: Uint8Array): number {
  for (let i = octets.length - 1, bits = 0; i >= 0; i--, bits += 8) {
    const octet = octets[i]!
    if (octet !== 0) return bits + (31 - Math.clz32(octet & -octet))
  }
  return 8 * octets.length
}
