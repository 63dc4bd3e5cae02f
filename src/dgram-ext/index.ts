export { localAddresses, sourceAddressFor } from './local-addresses.ts'
export { openUdp } from './node-dgram.ts'
export type { UdpFailure, UdpMessageHandler, UdpOptions, UdpSocket, UdpStats } from './udp-socket.ts'
