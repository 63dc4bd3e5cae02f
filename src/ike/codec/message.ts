import { Writer } from '../../bytes/index.ts'
import {
  type DecodedHeader,
  decodeHeader,
  encodeHeader,
  ikeHeaderBytes,
  type OutgoingHeader,
  patchHeader,
} from './header.ts'
import { decodeChain, encodePayloads, type Payload } from './payload.ts'

export interface IkeMessage {
  readonly header: DecodedHeader
  readonly payloads: readonly Payload[]
}

/**
 * Decodes a whole IKE message without the non-ESP marker; an SK or SKF payload stays closed and is the last. Every
 * array in the result is a view into `bytes`: copy what outlives them. Throws `DecodeError` and nothing else; the work
 * is linear in `bytes.length`. RFC 7296 §3.
 */
export function decodeMessage(bytes: Uint8Array): IkeMessage {
  const header = decodeHeader(bytes)
  const payloads = decodeChain(header.nextPayload, bytes.subarray(ikeHeaderBytes), ikeHeaderBytes, false)
  return { header, payloads }
}

/** Encodes a message into a fresh array; first payload type and length are computed. RFC 7296 §3. */
export function encodeMessage(header: OutgoingHeader, payloads: readonly Payload[]): Uint8Array {
  const writer = new Writer(512)
  encodeHeader(header, writer)
  const first = encodePayloads(payloads, writer)
  patchHeader(writer, first, writer.position)
  return writer.finish()
}
