import { readU32, writeU32 } from '../bytes/index.ts'

/**
 * A path probe: the filling of an ESP dummy packet (next header 59, RFC 4303 §2.6), so that every receiver that knows nothing of it throws it away.
 * The draft for an encrypted ESP ping has no number of IANA yet, and would be a malformed packet to all who have not heard of it.
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                     Magic, 0x54535750                         |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                Kind: 1 request, 2 reply                       |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                        Identifier                             |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                       zeros, in a request ...                 |
 */
const MAGIC = 0x54535750
export const PROBE_BYTES = 12
export const ProbeKind = { REQUEST: 1, REPLY: 2 } as const

/** Writes a probe of `length` octets, at least `PROBE_BYTES`, at `buffer[at]`. */
export function writeProbe(buffer: Uint8Array, at: number, length: number, kind: number, identifier: number): void {
  writeU32(buffer, at, MAGIC)
  writeU32(buffer, at + 4, kind)
  writeU32(buffer, at + 8, identifier)
  buffer.fill(0, at + PROBE_BYTES, at + length)
}

/** The kind of the probe that fills a dummy, 0 when it is none. */
export function probeKind(buffer: Uint8Array, at: number, length: number): number {
  if (length < PROBE_BYTES || readU32(buffer, at) !== MAGIC) return 0
  const kind = readU32(buffer, at + 4)
  return kind === ProbeKind.REQUEST || kind === ProbeKind.REPLY ? kind : 0
}

export const probeIdentifier = (buffer: Uint8Array, at: number): number => readU32(buffer, at + 8)
