export { canOpenTun, openTun, type TunOptions } from './linux.ts'
export { createMemoryTun, type MemoryTun, type MemoryTunOptions } from './memory.ts'
export { type AppliedNetworkSetup, applyNetworkSetup, type NetworkRoute, type NetworkSetup } from './network-setup.ts'
export {
  defaultHeadroom,
  defaultTailroom,
  type TunBufferOptions,
  type TunDevice,
  type TunPacketHandler,
  type TunStats,
} from './tun-device.ts'
