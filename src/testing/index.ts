export { RecordingXfrm } from './recording-xfrm.ts'
export { seededRandom } from './seeded-random.ts'
export { VirtualClock, type VirtualDatagram, VirtualNetwork, type VirtualPath } from './virtual-network.ts'
export { VirtualPeer, type VirtualPeerOptions } from './virtual-peer.ts'
