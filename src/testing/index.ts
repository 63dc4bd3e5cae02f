export {
  type ConnectionChanges,
  createPair,
  createPeer,
  type LonePeer,
  type Pair,
  type PairOptions,
  type PeerOptions,
} from './create-pair.ts'
export type { PacketWatcher } from './gateway-inside.ts'
export { HeldMail, type Which } from './held-mail.ts'
export { Dice } from './hostile-dice.ts'
export { hostileKeValue } from './hostile-ke.ts'
export { mutateHeader, mutateOctets, repairLength } from './hostile-octets.ts'
export { encodeInner, type HostileHints, hostilePayload, mutatePayloads } from './hostile-payloads.ts'
export { defaultConditions, type LinkConditions } from './link-conditions.ts'
export type { MessageFields, MessageFilter } from './message-filter.ts'
export type { MessageRule, RuleSpan } from './message-rules.ts'
export type { FlowReport, LostPacket } from './packet-ledger.ts'
export { RecordingXfrm } from './recording-xfrm.ts'
export { type ReplayDifference, type ReplayOptions, type ReplayResult, replayRecording } from './replay-recording.ts'
export { SeededEntropy } from './seeded-entropy.ts'
export { seededRandom } from './seeded-random.ts'
export { simulationProvider } from './simulation-provider.ts'
export { type Scheduled, VirtualClock } from './virtual-clock.ts'
export type {
  DatagramFate,
  DatagramNote,
  LossReason,
  SentKeepalive,
  SentMessage,
  SentPacket,
  VirtualDatagram,
} from './virtual-datagram.ts'
export { VirtualGateway, type VirtualGatewayOptions } from './virtual-gateway.ts'
export { type NatFiltering, type NatOptions, VirtualNat } from './virtual-nat.ts'
export { type NetworkOptions, VirtualNetwork, type VirtualPath } from './virtual-network.ts'
export { VirtualPeer, type VirtualPeerOptions } from './virtual-peer.ts'
export type { VirtualSegment } from './virtual-segment.ts'
export { VirtualStreams } from './virtual-streams.ts'
export { type TrafficOptions, type TrafficReport, VirtualTraffic } from './virtual-traffic.ts'
