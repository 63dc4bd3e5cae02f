import { Reader } from '../bytes/index.ts'
import { DerTag } from './der.ts'

/**
 * Reads DER that somebody else wrote: lengths in the fewest octets, INTEGERs in the fewest octets, nothing left over. Throws
 * `DecodeError`. What it returns is borrowed. ITU-T X.690 §§8, 10.
 */
export class DerReader {
  readonly #reader: Reader
  readonly #where: string
  readonly #section: string

  constructor(der: Uint8Array | Reader, where: string, section: string) {
    this.#reader = der instanceof Uint8Array ? new Reader(der, where, section) : der
    this.#where = where
    this.#section = section
  }

  /** The tag of the next element, undefined at the end. */
  get tag(): number | undefined {
    return this.#reader.remaining === 0 ? undefined : this.#reader.bytes[this.#reader.position]
  }

  /** Octets read so far. */
  get position(): number {
    return this.#reader.position
  }

  /** Contents of the next element, whose tag must be `tag`. */
  element(tag: number, what: string): Uint8Array {
    return this.#reader.take(this.#head(tag, what), what)
  }

  /** The same as a reader of its own. */
  nested(tag: number, what: string): DerReader {
    const length = this.#head(tag, what)
    return new DerReader(this.#reader.sub(length, this.#where, this.#section), this.#where, this.#section)
  }

  sequence(what: string): DerReader {
    return this.nested(DerTag.SEQUENCE, what)
  }

  /** A non-negative INTEGER as big-endian octets without leading zeros, but for zero itself. */
  integer(what: string): Uint8Array {
    const contents = this.element(DerTag.INTEGER, what)
    const [first, second] = contents
    if (first === undefined) this.fail(`${what} is an INTEGER without octets`)
    if (first >= 0x80) this.fail(`${what} is negative`)
    if (first !== 0 || second === undefined) return contents
    if (second < 0x80) this.fail(`${what} has needless zeros in front`)
    return contents.subarray(1)
  }

  /** An INTEGER below 2^31. */
  smallInteger(what: string): number {
    const octets = this.integer(what)
    if (octets.length > 4 || (octets.length === 4 && octets[0]! >= 0x80)) this.fail(`${what} is too large`)
    return octets.reduce((value, octet) => 256 * value + octet, 0)
  }

  /** An OBJECT IDENTIFIER in dotted form. */
  oid(what: string): string {
    const contents = this.element(DerTag.OBJECT_IDENTIFIER, what)
    const arcs = oidArcs(contents)
    return arcs === undefined ? this.fail(`${what} is not an OBJECT IDENTIFIER`) : arcs.join('.')
  }

  /** Octets of a BIT STRING that has no unused bits. */
  bitString(what: string): Uint8Array {
    const contents = this.element(DerTag.BIT_STRING, what)
    if (contents[0] !== 0) this.fail(`${what} is not a whole number of octets`)
    return contents.subarray(1)
  }

  /** A whole element of any tag, head included. */
  any(what: string): Uint8Array {
    const start = this.#reader.position
    this.#reader.take(this.#head(undefined, what), what)
    return this.#reader.bytes.subarray(start, this.#reader.position)
  }

  /** Throws when something is left over. */
  end(): void {
    this.#reader.end()
  }

  fail(problem: string): never {
    return this.#reader.fail(problem)
  }

  /** Reads tag and length, and returns the length. */
  #head(tag: number | undefined, what: string): number {
    const found = this.#reader.u8(what)
    if ((found & 0x1f) === 0x1f) this.fail(`${what} has a tag of more than one octet`)
    if (tag !== undefined && found !== tag) {
      this.fail(`${what} has the tag 0x${found.toString(16)}, not 0x${tag.toString(16)}`)
    }
    const first = this.#reader.u8(what)
    if (first < 0x80) return first
    return this.#longLength(first & 0x7f, what)
  }

  #longLength(octets: number, what: string): number {
    if (octets < 1 || octets > 4) this.fail(`${what} has a length of ${octets} octets`)
    let length = 0
    for (let i = 0; i < octets; i++) length = 256 * length + this.#reader.u8(what)
    if (length < 0x80 || length < 256 ** (octets - 1)) this.fail(`${what} has a length that is not the shortest`)
    return length
  }
}

/** The arcs of an OBJECT IDENTIFIER; undefined when it is malformed or has an arc of 2^49 or more. ITU-T X.690 §8.19. */
function oidArcs(contents: Uint8Array): number[] | undefined {
  const arcs: number[] = []
  let arc = 0
  let isBegun = false
  for (const octet of contents) {
    if (!isBegun && octet === 0x80) return undefined
    arc = 128 * arc + (octet & 0x7f)
    if (arc >= 2 ** 49) return undefined
    isBegun = octet >= 0x80
    if (isBegun) continue
    if (arcs.length === 0) {
      const root = Math.min(2, Math.floor(arc / 40))
      arcs.push(root, arc - 40 * root)
    } else arcs.push(arc)
    arc = 0
  }
  return isBegun || arcs.length === 0 ? undefined : arcs
}
