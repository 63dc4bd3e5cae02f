/** What a UDP payload on an IKE port is. `INVALID` payloads are dropped without an answer. */
export const DatagramKind = { INVALID: 0, IKE: 1, ESP: 2, KEEPALIVE: 3 } as const
export type DatagramKind = (typeof DatagramKind)[keyof typeof DatagramKind]

/** Octets of the zero marker in front of an IKE message on port 4500. RFC 3948 §2.2. */
export const NON_ESP_MARKER_BYTES = 4

/** SPI and sequence number: what every ESP packet starts with. RFC 4303 §2. */
const ESP_HEADER_BYTES = 8

/**
 * Tells apart what shares the UDP ports of IKE. The payload is `length` octets at `buffer[offset]`, borrowed. `port500` is
 * whether it came to our port 500, where everything is IKE without a marker; elsewhere an IKE message starts
 * behind `NON_ESP_MARKER_BYTES`. Never throws. RFC 3948 §2, RFC 7296 §2.23.
 */
export function classify(buffer: Uint8Array, offset: number, length: number, port500: boolean): DatagramKind {
  if (length <= 0 || offset < 0 || offset + length > buffer.length) return DatagramKind.INVALID
  if (port500) return DatagramKind.IKE
  if (length === 1) return buffer[offset] === 0xff ? DatagramKind.KEEPALIVE : DatagramKind.INVALID
  if (length < NON_ESP_MARKER_BYTES) return DatagramKind.INVALID
  const spiIsZero = (buffer[offset]! | buffer[offset + 1]! | buffer[offset + 2]! | buffer[offset + 3]!) === 0
  if (spiIsZero) return length > NON_ESP_MARKER_BYTES ? DatagramKind.IKE : DatagramKind.INVALID
  return length >= ESP_HEADER_BYTES ? DatagramKind.ESP : DatagramKind.INVALID
}
