import { pskConnection } from '../../src/config/connection.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import {
  type NetworkOptions,
  VirtualClock,
  VirtualGateway,
  VirtualNetwork,
  type VirtualSegment,
} from '../../src/testing/index.ts'
import { left, leftConnection, right, rightConnection } from '../ike/support.ts'

type Changes = Partial<typeof leftConnection>

/** Two gateways on one network; `placeA` may put the left one behind a NAT. */
export function makeGateways(
  changes: {
    network?: NetworkOptions
    a?: Changes
    b?: Changes
    crypto?: CryptoProvider
    placeA?: (network: VirtualNetwork) => VirtualSegment
  } = {},
) {
  const clock = new VirtualClock()
  const network = new VirtualNetwork(clock, changes.network)
  const { crypto = nodeProvider } = changes
  const a = new VirtualGateway(changes.placeA?.(network) ?? network, {
    address: left,
    connections: [pskConnection({ ...leftConnection, ...changes.a })],
    crypto,
  })
  const b = new VirtualGateway(network, {
    address: right,
    connections: [pskConnection({ ...rightConnection, ...changes.b })],
    crypto,
  })
  return { clock, network, a, b }
}
