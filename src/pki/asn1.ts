import { type AsnType, type BitString, type Constructed, fromBER, Sequence } from 'asn1js'
import { concat } from '../bytes/index.ts'
import { DerReader } from '../crypto/der-reader.ts'
import { DecodeError } from '../errors.ts'
import { decodeTime } from './der-time.ts'

/** What is read, for messages, and how large it may be. */
export interface Subject {
  readonly where: string
  readonly section: string
  /** Default: 65,536 octets. */
  readonly mostBytes?: number
  /** Elements of ASN.1, each of which costs the library time. Default: 1000. */
  readonly mostElements?: number
}

const MOST_BYTES = 65_536
const MOST_ELEMENTS = 1000
/** No structure of ours is nested as deep. */
const limits = { maxDepth: 32, parseEmbedded: false, copyInput: false } as const

/** Decodes one element to the last octet, in DER; it borrows. Throws `DecodeError`. ITU-T X.690. */
export function readBlock(octets: Uint8Array, subject: Subject): AsnType {
  const { mostBytes = MOST_BYTES, mostElements = MOST_ELEMENTS } = subject
  if (octets.length > mostBytes) throw malformed(subject, `${octets.length} octets are too many`)
  const { offset, result } = guarded(subject, () =>
    fromBER(octets as Uint8Array<ArrayBuffer>, { ...limits, maxNodes: mostElements }),
  )
  if (offset === -1) throw malformed(subject, result.error || 'no element of ASN.1')
  if (offset !== octets.length) throw malformed(subject, `${octets.length - offset} octets are left over`, offset)
  demandWellFormed(result, subject, octets.byteOffset)
  return result
}

/** A structure of the library, from octets or from a block that was read before. Throws `DecodeError`. */
export function readAs<T>(
  Type: new (parameters: { schema: AsnType }) => T,
  source: Uint8Array | AsnType,
  subject: Subject,
): T {
  const schema = source instanceof Uint8Array ? readBlock(source, subject) : source
  return guarded(subject, () => new Type({ schema }))
}

/** Whatever the library throws is a `DecodeError`: its own errors, and those of the engine that a malformed structure leads it into. */
export function guarded<T>(subject: Subject, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof DecodeError) throw error
    throw malformed(subject, error instanceof Error ? error.message : 'it cannot be read')
  }
}

export const malformed = ({ where, section }: Subject, problem: string, offset = 0): DecodeError =>
  new DecodeError({ where, offset, section, problem })

/** The elements in a SEQUENCE, SET or context tag. */
export const elements = (block: AsnType | undefined): readonly AsnType[] => {
  const { value } = (block as Constructed | undefined)?.valueBlock ?? {}
  return Array.isArray(value) ? value : []
}

/**
 * Parts with context tags up to `most`, by tag: each at most once, in order, and nothing else. The library takes a malformed optional part for
 * one that is absent, and passes over what follows: a constraint would be lost without a word. So what may be absent is counted here.
 */
export function taggedParts(parts: readonly AsnType[], most: number, subject: Subject): ReadonlyMap<number, AsnType> {
  let last = -1
  for (const { idBlock } of parts) {
    if (idBlock.tagClass !== CONTEXT || idBlock.tagNumber <= last || idBlock.tagNumber > most)
      throw malformed(subject, 'a part that does not belong there')
    last = idBlock.tagNumber
  }
  return new Map(parts.map((part) => [part.idBlock.tagNumber, part]))
}

/** The one element in an explicit tag. */
export function onlyPart(block: AsnType, subject: Subject): AsnType {
  const [part, ...more] = elements(block)
  if (part === undefined || more.length > 0)
    throw malformed(subject, 'an explicit tag around more or less than one element')
  return part
}

/** The same where the tag may be absent. */
export const optionalPart = (block: AsnType | undefined, subject: Subject): AsnType | undefined =>
  block && onlyPart(block, subject)

export function demandCount(block: AsnType, count: number, subject: Subject): void {
  const found = elements(block).length
  if (found !== count) throw malformed(subject, `${found} elements where ${count} belong`)
}

/** The elements of a SEQUENCE. */
export function sequenceOf(block: AsnType, subject: Subject): readonly AsnType[] {
  if (block instanceof Sequence) return elements(block)
  throw malformed(subject, 'a SEQUENCE was expected')
}

export const isContext = ({ idBlock }: AsnType, tagNumber: number): boolean =>
  idBlock.tagClass === CONTEXT && idBlock.tagNumber === tagNumber

/** A whole element as it is encoded, borrowed. */
export const encodedBlock = (block: AsnType): Uint8Array => block.valueBeforeDecodeView

/** What is in an element, borrowed. */
export const contentsOfBlock = (block: AsnType): Uint8Array =>
  block.valueBeforeDecodeView.subarray(block.idBlock.blockLength + block.lenBlock.blockLength)

/** Octets of an OCTET STRING, or of one that is tagged otherwise, where some programs put them in pieces. Borrowed when it is whole. */
export function octetsOf(block: AsnType, subject: Subject): Uint8Array {
  if (!block.idBlock.isConstructed) return contentsOfBlock(block)
  const pieces = elements(block)
  if (!pieces.every(({ idBlock }) => idBlock.tagClass === UNIVERSAL && idBlock.tagNumber === OCTET_STRING))
    throw malformed(subject, 'an OCTET STRING of something else')
  return concat(...pieces.map((piece) => octetsOf(piece, subject)))
}

/** Octets of a BIT STRING that has no unused bits, borrowed. */
export function wholeOctets({ valueBlock }: BitString, subject: Subject, what: string): Uint8Array {
  if (valueBlock.unusedBits !== 0) throw malformed(subject, `${what} is not a whole number of octets`)
  return valueBlock.valueHexView
}

/**
 * A Time as ms since 1970. Read anew, since the library takes any text for one: 31 February, times of the zone that we are in, and letters.
 */
export const timeOf = (block: AsnType | undefined, { where, section }: Subject, what: string): number =>
  decodeTime(new DerReader(block === undefined ? new Uint8Array(0) : encodedBlock(block), where, section), what)

/** A block in DER. */
export const encodeBlock = (block: { toBER(): ArrayBuffer }): Uint8Array => new Uint8Array(block.toBER())

/**
 * What the library leaves open: it reads elements that reach beyond the end of the one around them, and BER, in which one certificate
 * has many encodings, and so many hashes; RFC 5280 §4.1 demands the one of DER. ITU-T X.690 §§8.1.3, 10.
 */
function demandWellFormed(block: AsnType, subject: Subject, start: number): void {
  const { idBlock, lenBlock, valueBeforeDecodeView: encoded } = block
  const fail = (problem: string): never => {
    throw malformed(subject, problem, encoded.byteOffset - start)
  }
  if (idBlock.blockLength !== 1) fail('a tag of more than one octet')
  if (lenBlock.isIndefiniteForm) fail('an indefinite length')
  if (lenBlock.blockLength !== lengthOctets(lenBlock.length)) fail('a length that is not the shortest')
  if (encoded.length !== 1 + lenBlock.blockLength + lenBlock.length) fail('an element that is cut')
  if (!idBlock.isConstructed) {
    // The library reads them as false and zero.
    if (idBlock.tagClass === UNIVERSAL && idBlock.tagNumber === BOOLEAN && lenBlock.length !== 1)
      fail('a BOOLEAN that is not one octet')
    if (idBlock.tagClass === UNIVERSAL && idBlock.tagNumber === INTEGER && lenBlock.length === 0)
      fail('an INTEGER without octets')
    return
  }
  const isList = idBlock.tagNumber === SEQUENCE || idBlock.tagNumber === SET
  if (idBlock.tagClass === UNIVERSAL && !isList) fail('a string in pieces')
  const parts = elements(block)
  const inside = parts.reduce((sum, part) => sum + part.valueBeforeDecodeView.length, 0)
  if (inside !== lenBlock.length) fail('elements that do not fill the one around them')
  for (const part of parts) demandWellFormed(part, subject, start)
}

const UNIVERSAL = 1
const CONTEXT = 3
const BOOLEAN = 1
const INTEGER = 2
const OCTET_STRING = 4
const SEQUENCE = 16
const SET = 17

const lengthOctets = (length: number): number =>
  length < 0x80 ? 1 : length < 0x100 ? 2 : length < 0x1_0000 ? 3 : length < 0x100_0000 ? 4 : 5
