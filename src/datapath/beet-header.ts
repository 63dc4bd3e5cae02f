/**
 * The pseudo header that carries IPv4 options in BEET mode (draft-nikander-esp-beet-mode §5.3.1), next header 94:
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |  Next Header  |  Header Len   |    Pad Len    |   Reserved    |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                   Padding (if there is any)                   |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                          IPv4 options                         ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * Its length is counted in eight octets, without the first eight; the padding of 0 or 4 octets is NOPs.
 */
const FIXED_BYTES = 4
const OPTION_NOP = 1
/** What an IPv4 header holds beside its 20 octets. */
const MOST_OPTION_BYTES = 40

/** Octets of the pseudo header for so many octets of options, a multiple of 4; 0 for none. */
export const beetHeaderBytes = (optionBytes: number): number =>
  optionBytes === 0 ? 0 : FIXED_BYTES + paddingOf(optionBytes) + optionBytes

/** Writes the pseudo header but its options, which stand in their place already, at `buffer[at]`. */
export function writeBeetHeader(buffer: Uint8Array, at: number, optionBytes: number, nextHeader: number): void {
  const padding = paddingOf(optionBytes)
  buffer[at] = nextHeader
  buffer[at + 1] = optionBytes >>> 3
  buffer[at + 2] = padding
  buffer[at + 3] = 0
  for (let i = 0; i < padding; i++) buffer[at + FIXED_BYTES + i] = OPTION_NOP
}

/** Octets of options in the pseudo header at `buffer[at, at + length)`; -1 when it contradicts itself. They stand at its end. */
export function readBeetOptionBytes(buffer: Uint8Array, at: number, length: number): number {
  if (length < FIXED_BYTES) return -1
  const total = readBeetHeaderBytes(buffer, at)
  const padding = buffer[at + 2]!
  const bytes = total - FIXED_BYTES - padding
  const isSane = total <= length && (padding === 0 || padding === 4) && bytes >= 0 && bytes <= MOST_OPTION_BYTES
  return isSane ? bytes : -1
}

/** Octets of the pseudo header by its own length field. */
export const readBeetHeaderBytes = (buffer: Uint8Array, at: number): number => (buffer[at + 1]! + 1) * 8

const paddingOf = (optionBytes: number): number => FIXED_BYTES - (optionBytes & 4)
