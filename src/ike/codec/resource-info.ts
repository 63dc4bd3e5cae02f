import { readU32, writeU32 } from '../../bytes/index.ts'

/** The data of SA_RESOURCE_INFO: what its sender calls the resource, for people to compare. RFC 9611 §5.1. */
export interface ResourceInfo {
  /** Copied; may be empty. */
  readonly identifier: Uint8Array
  /** The same as a number, where it is four octets, as ours is; -1 otherwise. */
  readonly number: number
}

/**
 * Decodes the data of an SA_RESOURCE_INFO notify: any octets are one. RFC 9611 §5.1.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                 Resource Identifier (optional)                ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeResourceInfo(data: Uint8Array): ResourceInfo {
  return { identifier: data.slice(), number: data.length === 4 ? readU32(data, 0) : -1 }
}

/** The data for one of our workers, four octets; empty for none. */
export function encodeResourceInfo(worker: number | undefined): Uint8Array {
  if (worker === undefined) return new Uint8Array(0)
  const data = new Uint8Array(4)
  writeU32(data, 0, worker)
  return data
}
