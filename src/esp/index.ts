export { EspDecapsulator } from './decap.ts'
export { EspEncapsulator } from './encap.ts'
export { inferSequenceHigh } from './esn.ts'
export type { EspCipher } from './esp-cipher.ts'
export { createEspCipher } from './esp-crypto.ts'
export { EspUsage } from './esp-usage.ts'
export {
  type DecapResult,
  DecapStatus,
  EncapStatus,
  ESP_ALIGNMENT,
  ESP_HEADER_BYTES,
  ESP_TRAILER_BYTES,
  type EspSaParameters,
  newDecapResult,
} from './packet.ts'
export { MAX_REPLAY_WINDOW, MIN_REPLAY_WINDOW, ReplayStatus, ReplayWindow } from './replay-window.ts'
export { type UsageLimits, usageLimits } from './usage-limits.ts'
