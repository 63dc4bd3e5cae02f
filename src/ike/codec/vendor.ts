import type { Reader, Writer } from '../../bytes/index.ts'

/** RFC 7296 §3.12. */
export interface VendorPayload {
  readonly kind: 'V'
  readonly critical: boolean
  readonly data: Uint8Array
}

/**
 * Decodes the body of a Vendor ID payload; `data` is borrowed. RFC 7296 §3.12.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                        Vendor ID (VID)                        ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeVendor(reader: Reader, critical: boolean): VendorPayload {
  return { kind: 'V', critical, data: reader.rest() }
}

export function encodeVendor(payload: VendorPayload, writer: Writer): void {
  writer.bytes(payload.data)
}
