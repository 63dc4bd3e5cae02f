import type { XfrmMark } from '../port.ts'
import { type Algorithm, type AlgorithmWithIcv, algorithm, algorithmWithIcv } from './algorithm.ts'
import { type Content, type Layout, type StructReader, type StructWriter, struct, u8, u32, u64 } from './layout.ts'
import {
  addressFilterLayout,
  addressLayout,
  encapLayout,
  type KernelLifetimeCurrent,
  type KernelMigration,
  type KernelPolicyInfo,
  type KernelSaInfo,
  type KernelTemplate,
  kmAddressLayout,
  lifetimeCurrent,
  markLayout,
  migrateLayout,
  offloadLayout,
  policyInfoLayout,
  policyTypeLayout,
  replayLayout,
  saInfoLayout,
  templateLayout,
} from './structs.ts'

/** XFRMA_REPLAY_ESN_VAL: also of states without ESN whose window is above 32 packets. `bitmap` has a bit for each packet of the window. */
export interface KernelReplayEsn {
  readonly oseq: number
  readonly seq: number
  readonly oseqHi: number
  readonly seqHi: number
  /** Packets. */
  readonly replayWindow: number
  /** 32-bit words; number n stands at bit (n - 1) % `replayWindow`. */
  readonly bitmap: readonly number[]
}

/** An attribute that is not known here: its number with the flags of netlink, and its octets. */
export interface UnknownAttribute {
  readonly type: number
  readonly data: Uint8Array
}

/** What follows the fixed part of a message: XFRMA_*. Addresses have 16 octets, as in `KernelSaInfo`. */
export interface XfrmAttributes {
  readonly algAuth?: Algorithm
  readonly algCrypt?: Algorithm
  readonly algComp?: Algorithm
  readonly encap?: Content<typeof encapLayout>
  readonly templates?: readonly KernelTemplate[]
  /** The state that a DELSA of the kernel is about. */
  readonly sa?: KernelSaInfo
  /** The policy that a DELPOLICY of the kernel is about. */
  readonly policy?: KernelPolicyInfo
  readonly securityContext?: Uint8Array
  readonly lifetimeValue?: KernelLifetimeCurrent
  readonly replay?: Content<typeof replayLayout>
  readonly replayThreshold?: number
  readonly expiryTimerThreshold?: number
  readonly sourceAddress?: Uint8Array
  readonly careOfAddress?: Uint8Array
  /** Seconds of the calendar. */
  readonly lastUsed?: bigint
  readonly policyType?: Content<typeof policyTypeLayout>
  readonly migrations?: readonly KernelMigration[]
  readonly algAead?: AlgorithmWithIcv
  readonly kmAddress?: Content<typeof kmAddressLayout>
  readonly algAuthTrunc?: AlgorithmWithIcv
  readonly mark?: XfrmMark
  readonly tfcPad?: number
  readonly replayEsn?: KernelReplayEsn
  readonly extraFlags?: number
  readonly proto?: number
  readonly addressFilter?: Content<typeof addressFilterLayout>
  readonly offload?: Content<typeof offloadLayout>
  readonly setMark?: number
  readonly setMarkMask?: number
  readonly ifId?: number
  /** Seconds. */
  readonly mappingTimerThreshold?: number
  /** 1 in, 2 out. */
  readonly saDirection?: number
  readonly unknown?: readonly UnknownAttribute[]
}

/** An attribute's number and content, which takes all that is left in the reader. */
interface Attribute<T> {
  readonly type: number
  read(reader: StructReader): T
  write(writer: StructWriter, value: T): void
}

/** The attributes of one kind of message. */
export type AttributeTable<A> = { readonly [K in Exclude<keyof A, 'unknown'>]-?: Attribute<Exclude<A[K], undefined>> }

const fixed = <T>(type: number, layout: Layout<T>): Attribute<T> => ({ type, read: layout.read, write: layout.write })
const described = <T>(type: number, content: Omit<Attribute<T>, 'type'>): Attribute<T> => ({ type, ...content })

/** As many as there is room for, one at least. */
function listOf<T>(type: number, layout: Layout<T>): Attribute<readonly T[]> {
  return {
    type,
    read(reader) {
      const list = [layout.read(reader)]
      while (reader.remaining > 0) list.push(layout.read(reader))
      return list
    },
    write(writer, list) {
      for (const one of list) layout.write(writer, one)
    },
  }
}

const replayEsnHead = struct({ words: u32, oseq: u32, seq: u32, oseqHi: u32, seqHi: u32, replayWindow: u32 })

const replayEsn: Omit<Attribute<KernelReplayEsn>, 'type'> = {
  read(reader) {
    const { words, ...head } = replayEsnHead.read(reader)
    if (words * 4 !== reader.remaining) reader.fail(`${words} words of bitmap are announced`)
    return { ...head, bitmap: Array.from({ length: words }, () => u32.read(reader)) }
  },
  write(writer, { bitmap, ...head }) {
    replayEsnHead.write(writer, { words: bitmap.length, ...head })
    for (const word of bitmap) u32.write(writer, word)
  },
}

const anyOctets: Omit<Attribute<Uint8Array>, 'type'> = {
  read: (reader) => reader.octets(reader.remaining),
  write: (writer, value) => writer.octets(value),
}

/** XFRMA_* of states and policies. */
export const xfrmAttributes: AttributeTable<XfrmAttributes> = {
  algAuth: described(1, algorithm),
  algCrypt: described(2, algorithm),
  algComp: described(3, algorithm),
  encap: fixed(4, encapLayout),
  templates: listOf(5, templateLayout),
  sa: fixed(6, saInfoLayout),
  policy: fixed(7, policyInfoLayout),
  securityContext: described(8, anyOctets),
  lifetimeValue: fixed(9, lifetimeCurrent),
  replay: fixed(10, replayLayout),
  replayThreshold: fixed(11, u32),
  expiryTimerThreshold: fixed(12, u32),
  sourceAddress: fixed(13, addressLayout),
  careOfAddress: fixed(14, addressLayout),
  lastUsed: fixed(15, u64),
  policyType: fixed(16, policyTypeLayout),
  migrations: listOf(17, migrateLayout),
  algAead: described(18, algorithmWithIcv),
  kmAddress: fixed(19, kmAddressLayout),
  algAuthTrunc: described(20, algorithmWithIcv),
  mark: fixed(21, markLayout),
  tfcPad: fixed(22, u32),
  replayEsn: described(23, replayEsn),
  extraFlags: fixed(24, u32),
  proto: fixed(25, u8),
  addressFilter: fixed(26, addressFilterLayout),
  offload: fixed(28, offloadLayout),
  setMark: fixed(29, u32),
  setMarkMask: fixed(30, u32),
  ifId: fixed(31, u32),
  mappingTimerThreshold: fixed(32, u32),
  saDirection: fixed(33, u8),
}

/** XFRMA_SAD_*: how many states there are. */
export interface SadInfoAttributes {
  readonly count?: number
  readonly hash?: { readonly buckets: number; readonly maxBuckets: number }
  readonly unknown?: readonly UnknownAttribute[]
}

export const sadInfoAttributes: AttributeTable<SadInfoAttributes> = {
  count: fixed(1, u32),
  hash: fixed(2, struct({ buckets: u32, maxBuckets: u32 })),
}

const thresholds = struct({ localBits: u8, remoteBits: u8 })
const policyCounts = struct({ in: u32, out: u32, fwd: u32, socketIn: u32, socketOut: u32, socketFwd: u32 })

/** XFRMA_SPD_*: how many policies there are, and how they are hashed. */
export interface SpdInfoAttributes {
  readonly counts?: Content<typeof policyCounts>
  readonly hash?: { readonly buckets: number; readonly maxBuckets: number }
  readonly ipv4Thresholds?: Content<typeof thresholds>
  readonly ipv6Thresholds?: Content<typeof thresholds>
  readonly unknown?: readonly UnknownAttribute[]
}

export const spdInfoAttributes: AttributeTable<SpdInfoAttributes> = {
  counts: fixed(1, policyCounts),
  hash: fixed(2, struct({ buckets: u32, maxBuckets: u32 })),
  ipv4Thresholds: fixed(3, thresholds),
  ipv6Thresholds: fixed(4, thresholds),
}

/** No attributes at all: what stands there anyway is kept as unknown. */
export interface NoAttributes {
  readonly unknown?: readonly UnknownAttribute[]
}

export const noAttributes: AttributeTable<NoAttributes> = {}

/** Aligns 64-bit numbers on some machines; says nothing. */
const XFRMA_PAD = 27
const HEADER_BYTES = 4

/** Attributes up to the end of the message, each at most once. */
export function readAttributes(reader: StructReader, table: AttributeTable<object>): object {
  const found: Record<string, unknown> = {}
  const unknown: UnknownAttribute[] = []
  while (reader.remaining > 0) {
    const length = reader.number(2)
    const type = reader.number(2)
    if (length < HEADER_BYTES) reader.fail(`an attribute of ${length} octets`)
    const [name, attribute] = entryOf(table, type)
    const content = reader.sub(length - HEADER_BYTES, name ?? `attribute ${type}`)
    // The last one may come without its padding.
    reader.skip(Math.min(-length & 3, reader.remaining))
    if (attribute === undefined) {
      if (type !== XFRMA_PAD) unknown.push({ type, data: content.octets(content.remaining) })
      continue
    }
    if (found[name] !== undefined) reader.fail(`a second ${name}`)
    found[name] = attribute.read(content)
    content.end()
  }
  return unknown.length === 0 ? found : { ...found, unknown }
}

/** In the order of their numbers; unknown ones last. */
export function writeAttributes(writer: StructWriter, table: AttributeTable<object>, attributes: object): void {
  for (const [name, attribute] of Object.entries<Attribute<unknown>>(table)) {
    const value = (attributes as Record<string, unknown>)[name]
    if (value !== undefined) writeAttribute(writer, attribute.type, () => attribute.write(writer, value))
  }
  for (const { type, data } of (attributes as NoAttributes).unknown ?? []) {
    writeAttribute(writer, type, () => writer.octets(data))
  }
}

function writeAttribute(writer: StructWriter, type: number, content: () => void): void {
  const at = writer.position
  writer.number(2, 0)
  writer.number(2, type)
  content()
  writer.patch(at, 2, writer.position - at)
  writer.align()
}

function entryOf(table: object, type: number): [string, Attribute<unknown>] | [undefined, undefined] {
  return (
    Object.entries<Attribute<unknown>>(table as Record<string, Attribute<unknown>>).find(
      ([, attribute]) => attribute.type === type,
    ) ?? [undefined, undefined]
  )
}
