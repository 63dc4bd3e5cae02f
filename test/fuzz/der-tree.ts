import { concat } from '../../src/bytes/index.ts'
import { derElement } from '../../src/crypto/der.ts'
import type { Dice } from '../../src/testing/hostile-dice.ts'
import { mutateOctets } from '../../src/testing/hostile-octets.ts'

/** An element of DER with its parts, or with its octets where it has none. `skip`: octets before the parts (of a BIT STRING). */
interface Element {
  readonly tag: number
  readonly skip: Uint8Array
  readonly parts: Element[] | undefined
  readonly octets: Uint8Array
}

const BIT_STRING = 3
const OCTET_STRING = 4

/** The elements that the octets are, undefined when they are none to the last octet. */
function parse(octets: Uint8Array, depth = 0): Element[] | undefined {
  const elements: Element[] = []
  for (let at = 0; at < octets.length; ) {
    const tag = octets[at]!
    let length = octets[at + 1] ?? 0x80
    let start = at + 2
    if (length >= 0x80) {
      const more = length & 0x7f
      if (more < 1 || more > 3) return undefined
      length = 0
      for (let i = 0; i < more; i++) length = 256 * length + (octets[start++] ?? 0)
    }
    const contents = octets.subarray(start, start + length)
    if (contents.length < length) return undefined
    elements.push(element(tag, contents, depth))
    at = start + length
  }
  return elements
}

function element(tag: number, contents: Uint8Array, depth: number): Element {
  const skip = contents.subarray(0, tag === BIT_STRING ? 1 : 0)
  const mayNest = (tag & 0x20) !== 0 || tag === OCTET_STRING || tag === BIT_STRING
  const inner = contents.subarray(skip.length)
  const parts = mayNest && inner.length > 1 && depth < 12 ? parse(inner, depth + 1) : undefined
  return { tag, skip, parts, octets: inner }
}

const encode = ({ tag, skip, parts, octets }: Element): Uint8Array =>
  derElement(tag, skip, ...(parts === undefined ? [octets] : parts.map(encode)))

/** Lists of parts, with every element of the tree in one of them. */
function listsOf(elements: Element[]): Element[][] {
  return [elements, ...elements.flatMap(({ parts }) => (parts === undefined ? [] : listsOf(parts)))]
}

/** A changed copy whose lengths are right again; undefined for octets that are no DER. `others`: what to take elements from. */
export function mutateDer(der: Uint8Array, dice: Dice, others: readonly Uint8Array[]): Uint8Array | undefined {
  const tree = parse(der)
  if (tree === undefined || tree.length === 0) return undefined
  const list = dice.pick(listsOf(tree).filter(({ length }) => length > 0))
  const at = dice.below(list.length)
  const one = list[at]!
  switch (dice.below(8)) {
    case 0:
      list.splice(at, 1)
      break
    case 1:
      list.splice(at, 0, one)
      break
    case 2: {
      const other = dice.below(list.length)
      ;[list[at], list[other]] = [list[other]!, one]
      break
    }
    case 3:
      list[at] = { ...one, tag: dice.chance(50) ? one.tag ^ (1 << dice.below(8)) : dice.below(256) & ~1 }
      break
    case 4:
    case 5: {
      const foreign = others.length === 0 ? undefined : parse(dice.pick(others))
      const all = foreign === undefined ? [] : listsOf(foreign).flat()
      if (all.length > 0) list[at] = dice.pick(all)
      break
    }
    default:
      list[at] = {
        ...one,
        parts: undefined,
        octets: mutateOctets(one.parts === undefined ? one.octets : concat(...one.parts.map(encode)), dice, others),
      }
  }
  return concat(...tree.map(encode))
}
