import type { IpAddress } from '../../ip/address.ts'
import type { Answer } from '../questions.ts'
import type { IkeRuntime } from '../runtime.ts'

/** Addresses that an answer gave, and nobody gets: whoever has a list of them may give them to others. */
export function tellUnused(runtime: IkeRuntime, given: readonly IpAddress[]): void {
  const addresses = given.filter((address) => runtime.assigned.holdersOf(address).length === 0)
  if (addresses.length > 0) runtime.emit({ kind: 'unassigned', addresses })
}

/** An answer that nobody waits for any more: what it gives to `assign` is nobody's. */
export function answeredLate(runtime: IkeRuntime, answer: Answer): void {
  if (answer.ok && 'addresses' in answer && !('done' in answer)) tellUnused(runtime, answer.addresses ?? [])
}
