import { Writer } from '../../bytes/index.ts'
import { ExchangeType, encodePayloads, type OutgoingHeader, type Payload } from '../codec/index.ts'
import type { IkeSa } from '../ike-sa.ts'
import { isStream } from '../path/streams.ts'
import type { Path } from '../runtime.ts'

/** IP packets that every path carries, in octets. RFC 7383 §2.5.1. */
const SAFE_BYTES = { ipv4: 576, ipv6: 1280 } as const
const UDP_HEADER_BYTES = 8
const MARKER_BYTES = 4

/** A protected message as datagrams, and how to cut it again when they seem too long for the path. */
export interface Sealed {
  readonly datagrams: readonly Uint8Array[]
  /** The same in packets that every path carries; undefined when it is so already, or may not be cut. */
  readonly recut: (() => readonly Uint8Array[] | undefined) | undefined
}

/**
 * Protects a message, in fragments when it is too long for one packet and the peer can put it together.
 * `mostBytes`: octets of an IP packet besides the configured ones. RFC 7383 §2.5.
 */
export function sealMessage(
  sa: IkeSa,
  header: OutgoingHeader,
  payloads: readonly Payload[],
  path: Path,
  mostBytes = Number.POSITIVE_INFINITY,
): Sealed {
  const message: Message = { header, payloads }
  const limit = Math.min(sa.fragmentBytes ?? sa.connection.fragmentation.bytes, mostBytes)
  const datagrams = isStream(path) ? [whole(sa, message)] : cut(sa, message, limit - overheadOf(sa, path))
  const safe = safeBytes(path)
  const longest = Math.max(...datagrams.map(({ length }) => length)) + overheadOf(sa, path)
  if (!sa.abilities.fragmentation || longest <= safe) return { datagrams, recut: undefined }
  // What IKE_INTERMEDIATE or a rekey put in the place of these keys is not for this message.
  const { protectOutbound } = sa.init!
  const recut = () =>
    sa.init?.protectOutbound === protectOutbound ? cut(sa, message, safe - overheadOf(sa, path)) : undefined
  return { datagrams, recut }
}

/** Octets of the IP packet around an IKE message of `messageBytes`. */
export function packetBytes(sa: IkeSa, path: Path, messageBytes: number): number {
  return messageBytes + overheadOf(sa, path)
}

/** Octets of an IP packet that every path of this family carries. */
export function safeBytes({ remote }: Path): number {
  return remote.address.length === 16 ? SAFE_BYTES.ipv6 : SAFE_BYTES.ipv4
}

interface Message {
  readonly header: OutgoingHeader
  readonly payloads: readonly Payload[]
}

/** TCP cuts by itself. RFC 9329 §7.5. */
const whole = (sa: IkeSa, { header, payloads }: Message): Uint8Array =>
  sa.init!.protectOutbound.protect(header, payloads)

/** In one piece where it fits and may be whole. An empty message cannot be cut. */
function cut(sa: IkeSa, { header, payloads }: Message, messageBytes: number): readonly Uint8Array[] {
  const protector = sa.init!.protectOutbound
  if (!sa.abilities.fragmentation) return [protector.protect(header, payloads)]
  const writer = new Writer(512)
  const firstPayload = encodePayloads(payloads, writer)
  const inner = writer.finish()
  const fits = protector.protectedBytes(inner.length) <= messageBytes
  // strongSwan drops an INFORMATIONAL that does not begin with SK.
  const mayBeCut = header.exchangeType !== ExchangeType.INFORMATIONAL && sa.connection.fragmentation.mode === 'force'
  const mayBeWhole = fits && !mayBeCut
  if (inner.length < 2 || mayBeWhole) return [protector.protect(header, payloads)]
  const capacity = Math.min(protector.fragmentCapacity(messageBytes), Math.ceil(inner.length / 2))
  const total = Math.ceil(inner.length / capacity)
  return Array.from({ length: total }, (_, i) =>
    protector.protectFragment(header, firstPayload, i + 1, total, inner.subarray(i * capacity, (i + 1) * capacity)),
  )
}

function overheadOf(sa: IkeSa, { local, remote }: Path): number {
  const ip = remote.address.length === 16 ? 40 : 20
  return ip + UDP_HEADER_BYTES + (local.port === sa.runtime.ports.nat ? MARKER_BYTES : 0)
}
