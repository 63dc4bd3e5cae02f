import { concat } from '../bytes/index.ts'
import type { IpAddress } from '../ip/address.ts'

/** Octets of NAT_DETECTION_*_IP notification data: one SHA-1 digest. */
export const NAT_DETECTION_BYTES = 20

/**
 * The data of a NAT_DETECTION_SOURCE_IP or NAT_DETECTION_DESTINATION_IP notify: SHA1(SPIi | SPIr | address | port).
 * The SPIs are 8 octets each, as they stand in the header of the message that carries the notify (SPIr is zero in the first
 * request). `address` is 4 or 16 octets, `port` is in host order. Everything is borrowed; the digest is new. RFC 7296 §2.23.
 */
export function natDetectionHash(
  sha1: (data: Uint8Array) => Uint8Array,
  SPIi: Uint8Array,
  SPIr: Uint8Array,
  address: IpAddress,
  port: number,
): Uint8Array {
  return sha1(concat(SPIi, SPIr, address, Uint8Array.of(port >>> 8, port & 0xff)))
}
