import { equalBytes } from '../bytes/index.ts'
import type { IpAddress } from '../ip/address.ts'

/** True when the two outer endpoints differ in address or port. Borrowed; no allocation. */
export function endpointChanged(addressA: IpAddress, portA: number, addressB: IpAddress, portB: number): boolean {
  return portA !== portB || !equalBytes(addressA, addressB)
}
