export { classify, DatagramKind, NON_ESP_MARKER_BYTES } from './demux.ts'
export { NAT_DETECTION_BYTES, natDetectionHash } from './detection.ts'
export { KEEPALIVE_PAYLOAD } from './keepalive.ts'
export { endpointChanged } from './mapping.ts'
export {
  describeFault,
  FRAME_LENGTH_BYTES,
  frameBytes,
  MOST_FRAME_BYTES,
  STREAM_PREFIX,
  StreamFault,
  StreamReader,
  type TakeFrame,
  writeFrame,
} from './tcp-encapsulation.ts'
