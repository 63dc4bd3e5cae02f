export { classify, DatagramKind, NON_ESP_MARKER_BYTES } from './demux.ts'
export { NAT_DETECTION_BYTES, natDetectionHash } from './detection.ts'
export { KEEPALIVE_PAYLOAD } from './keepalive.ts'
export { endpointChanged } from './mapping.ts'
