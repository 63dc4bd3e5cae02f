import type { Reader, Writer } from '../../bytes/index.ts'

/** A payload type that this codec does not decode; what becomes of it hangs on `critical`. RFC 7296 §2.5. */
export interface UnknownPayload {
  readonly kind: 'unknown'
  readonly critical: boolean
  /** Not one of the types that have a kind of their own, and not 0. */
  readonly type: number
  readonly data: Uint8Array
}

/** Keeps the body, borrowed. */
export function decodeUnknown(type: number, reader: Reader, critical: boolean): UnknownPayload {
  return { kind: 'unknown', critical, type, data: reader.rest() }
}

export function encodeUnknown(payload: UnknownPayload, writer: Writer): void {
  writer.bytes(payload.data)
}
