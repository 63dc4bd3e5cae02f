import {
  type AttributeTable,
  type NoAttributes,
  noAttributes,
  readAttributes,
  type SadInfoAttributes,
  type SpdInfoAttributes,
  sadInfoAttributes,
  spdInfoAttributes,
  writeAttributes,
  type XfrmAttributes,
  xfrmAttributes,
} from './attributes.ts'
import {
  type ByteOrder,
  type Content,
  i32,
  type Layout,
  StructReader,
  StructWriter,
  struct,
  u16,
  u32,
} from './layout.ts'
import {
  acquireLayout,
  aeventLayout,
  expireLayout,
  flushLayout,
  mappingLayout,
  policyDefaultLayout,
  policyExpireLayout,
  policyIdLayout,
  policyInfoLayout,
  reportLayout,
  saIdLayout,
  saInfoLayout,
  spiInfoLayout,
} from './structs.ts'

const nothing = struct({})
const infoFlags = struct({ flags: u32 })
/** struct nlmsgerr: what became of the request of this header; 0 for well, else a negative errno. */
const errorLayout = struct({
  error: i32,
  request: struct({ length: u32, type: u16, flags: u16, seq: u32, portId: u32 }),
})

/** Flags of netlink: what a request wants done. */
export const NetlinkFlag = { REQUEST: 1, MULTI: 2, ACK: 4, DUMP: 0x300 } as const

interface Kind<Body, Attributes> {
  readonly number: number
  readonly body: Layout<Body>
  readonly attributes: AttributeTable<Attributes>
  /** For lists: flags that tell it from the message of the same number. */
  readonly flags?: number
}

const kind = <Body, Attributes>(
  number: number,
  body: Layout<Body>,
  attributes: AttributeTable<Attributes>,
  flags?: number,
): Kind<Body, Attributes> => ({ number, body, attributes, ...(flags === undefined ? {} : { flags }) })

/** Messages by our names: those of the kernel without XFRM_MSG_, `dumpsa` and `dumppolicy` for requests of lists, `error` for answers. */
const kinds = {
  error: kind<Content<typeof errorLayout>, NoAttributes>(2, errorLayout, noAttributes),
  done: kind<object, NoAttributes>(3, nothing, noAttributes),
  newsa: kind<Content<typeof saInfoLayout>, XfrmAttributes>(0x10, saInfoLayout, xfrmAttributes),
  delsa: kind<Content<typeof saIdLayout>, XfrmAttributes>(0x11, saIdLayout, xfrmAttributes),
  getsa: kind<Content<typeof saIdLayout>, XfrmAttributes>(0x12, saIdLayout, xfrmAttributes),
  dumpsa: kind<object, XfrmAttributes>(0x12, nothing, xfrmAttributes, NetlinkFlag.DUMP),
  newpolicy: kind<Content<typeof policyInfoLayout>, XfrmAttributes>(0x13, policyInfoLayout, xfrmAttributes),
  delpolicy: kind<Content<typeof policyIdLayout>, XfrmAttributes>(0x14, policyIdLayout, xfrmAttributes),
  getpolicy: kind<Content<typeof policyIdLayout>, XfrmAttributes>(0x15, policyIdLayout, xfrmAttributes),
  dumppolicy: kind<object, XfrmAttributes>(0x15, nothing, xfrmAttributes, NetlinkFlag.DUMP),
  allocspi: kind<Content<typeof spiInfoLayout>, XfrmAttributes>(0x16, spiInfoLayout, xfrmAttributes),
  acquire: kind<Content<typeof acquireLayout>, XfrmAttributes>(0x17, acquireLayout, xfrmAttributes),
  expire: kind<Content<typeof expireLayout>, XfrmAttributes>(0x18, expireLayout, xfrmAttributes),
  updpolicy: kind<Content<typeof policyInfoLayout>, XfrmAttributes>(0x19, policyInfoLayout, xfrmAttributes),
  updsa: kind<Content<typeof saInfoLayout>, XfrmAttributes>(0x1a, saInfoLayout, xfrmAttributes),
  polexpire: kind<Content<typeof policyExpireLayout>, XfrmAttributes>(0x1b, policyExpireLayout, xfrmAttributes),
  flushsa: kind<Content<typeof flushLayout>, XfrmAttributes>(0x1c, flushLayout, xfrmAttributes),
  flushpolicy: kind<object, XfrmAttributes>(0x1d, nothing, xfrmAttributes),
  newae: kind<Content<typeof aeventLayout>, XfrmAttributes>(0x1e, aeventLayout, xfrmAttributes),
  getae: kind<Content<typeof aeventLayout>, XfrmAttributes>(0x1f, aeventLayout, xfrmAttributes),
  report: kind<Content<typeof reportLayout>, XfrmAttributes>(0x20, reportLayout, xfrmAttributes),
  migrate: kind<Content<typeof policyIdLayout>, XfrmAttributes>(0x21, policyIdLayout, xfrmAttributes),
  newsadinfo: kind<Content<typeof infoFlags>, SadInfoAttributes>(0x22, infoFlags, sadInfoAttributes),
  getsadinfo: kind<Content<typeof infoFlags>, SadInfoAttributes>(0x23, infoFlags, sadInfoAttributes),
  newspdinfo: kind<Content<typeof infoFlags>, SpdInfoAttributes>(0x24, infoFlags, spdInfoAttributes),
  getspdinfo: kind<Content<typeof infoFlags>, SpdInfoAttributes>(0x25, infoFlags, spdInfoAttributes),
  mapping: kind<Content<typeof mappingLayout>, XfrmAttributes>(0x26, mappingLayout, xfrmAttributes),
  setdefault: kind<Content<typeof policyDefaultLayout>, XfrmAttributes>(0x27, policyDefaultLayout, xfrmAttributes),
  getdefault: kind<Content<typeof policyDefaultLayout>, XfrmAttributes>(0x28, policyDefaultLayout, xfrmAttributes),
}

type Kinds = typeof kinds
export type XfrmMessageType = keyof Kinds

/** The fixed part of a message of this type. */
export type XfrmMessageBody<T extends XfrmMessageType> = Content<Kinds[T]['body']>

/** A message of the kernel's XFRM netlink interface. */
export type XfrmMessage = {
  readonly [T in XfrmMessageType]: {
    readonly type: T
    readonly body: XfrmMessageBody<T>
    readonly attributes: Kinds[T] extends Kind<infer _, infer A> ? A : never
  }
}[XfrmMessageType]

/** struct nlmsghdr, but for length and type. */
export interface NetlinkHeader {
  /** `NetlinkFlag`s. */
  readonly flags: number
  readonly seq: number
  /** Of the socket, 0 for the kernel. */
  readonly portId: number
}

export interface EncodeOptions extends Partial<NetlinkHeader> {
  /** The machine's. Default: little. */
  readonly byteOrder?: ByteOrder
}

/** A message that was received. */
export interface DecodedXfrmMessage {
  readonly header: NetlinkHeader
  readonly message: XfrmMessage
}

const HEADER_BYTES = 16

/**
 * The octets of a message as they go through a netlink socket of NETLINK_XFRM, its header included; the length is a multiple of 4.
 * Throws `UsageError` for a number that its field cannot have.
 */
export function encodeXfrmMessage(message: XfrmMessage, options: EncodeOptions = {}): Uint8Array {
  const { number, body, attributes, flags = 0 }: Kind<unknown, object> = kinds[message.type]
  const writer = new StructWriter(options.byteOrder ?? 'little')
  writer.number(4, 0)
  writer.number(2, number)
  writer.number(2, (options.flags ?? 0) | flags)
  writer.number(4, options.seq ?? 0)
  writer.number(4, options.portId ?? 0)
  body.write(writer, message.body)
  writer.align()
  writeAttributes(writer, attributes, message.attributes)
  writer.patch(0, 4, writer.position)
  return writer.finish()
}

/** One message, nothing before or after it. Copies what it keeps. Throws `DecodeError`. */
export function decodeXfrmMessage(bytes: Uint8Array, byteOrder: ByteOrder = 'little'): DecodedXfrmMessage {
  const reader = new StructReader(bytes, byteOrder, 'netlink message')
  const decoded = readMessage(reader)
  reader.end()
  return decoded
}

/** All messages of one read of a netlink socket. Copies what it keeps. Throws `DecodeError`. */
export function decodeXfrmMessages(bytes: Uint8Array, byteOrder: ByteOrder = 'little'): DecodedXfrmMessage[] {
  const reader = new StructReader(bytes, byteOrder, 'netlink message')
  const messages: DecodedXfrmMessage[] = []
  while (reader.remaining > 0) messages.push(readMessage(reader))
  return messages
}

function readMessage(reader: StructReader): DecodedXfrmMessage {
  const length = reader.number(4)
  if (length < HEADER_BYTES) reader.fail(`a message of ${length} octets`)
  const number = reader.number(2)
  const header = { flags: reader.number(2), seq: reader.number(4), portId: reader.number(4) }
  const type = typeOf(number, header.flags)
  if (type === undefined) reader.fail(`unknown message ${number}`)
  const { body, attributes }: Kind<unknown, object> = kinds[type]
  const content = reader.sub(length - HEADER_BYTES, type)
  reader.skip(Math.min(-length & 3, reader.remaining))
  const value = body.read(content)
  content.skip(Math.min(-body.bytes & 3, content.remaining))
  // Behind these stand the request, words for people, or a number that says nothing here.
  if (type === 'error' || type === 'done') content.skip(content.remaining)
  const message = { type, body: value, attributes: readAttributes(content, attributes) } as XfrmMessage
  return { header, message }
}

function typeOf(number: number, flags: number): XfrmMessageType | undefined {
  const isDump = (flags & NetlinkFlag.DUMP) === NetlinkFlag.DUMP
  const named = Object.entries<Kind<unknown, object>>(kinds).filter(([, one]) => one.number === number)
  const [name] = named.find(([, one]) => (one.flags !== undefined) === isDump) ?? named[0] ?? []
  return name as XfrmMessageType | undefined
}
