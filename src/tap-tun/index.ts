export { createMemoryTun, type MemoryTun, type MemoryTunOptions } from './memory.ts'
export {
  defaultHeadroom,
  defaultTailroom,
  type TunBufferOptions,
  type TunDevice,
  type TunPacketHandler,
  type TunStats,
} from './tun-device.ts'
