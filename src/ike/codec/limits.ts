import type { Writer } from '../../bytes/index.ts'
import { UsageError } from '../../errors.ts'

/**
 * How many payloads one message, or the inside of one SK payload, may hold. The protocol sets no limit; these are far
 * above what any peer sends and keep a hostile message from costing more than it weighs.
 */
export const payloadLimits = { N: 20, D: 20, CERT: 8, V: 20, CERTREQ: 20 } as const

/** Payloads of all kinds in one message, or inside one SK payload. */
export const maxPayloads = 100

/** Proposals in one SA payload: the proposal number has one octet and counts from 1. RFC 7296 §3.3.1. */
export const maxProposals = 255

/** Attributes of one transform; the registry holds one (key length). */
export const maxTransformAttributes = 16

/** Attributes of one CP payload. */
export const maxCfgAttributes = 256

/** Octets of nonce. RFC 7296 §3.9. */
export const nonceBytes = { min: 16, max: 256 } as const

/** Writes a count or size that has one octet on the wire; `UsageError` when it does not fit. */
export function writeCount(writer: Writer, count: number, argument: string): void {
  if (count > 0xff) throw new UsageError(argument, `${count} does not fit the one octet that the RFC gives it`)
  writer.u8(count)
}

/** Patches a 16-bit length back at `at` so that it covers everything from `start` to the writer's position. */
export function patchLength(writer: Writer, start: number, at: number, argument: string): void {
  const length = writer.position - start
  if (length > 0xffff) throw new UsageError(argument, `${length} octets do not fit a 16-bit length`)
  writer.patchU16(at, length)
}
