export { localAddresses, sourceAddressFor } from './local-addresses.ts'
export { openNodeUdp } from './node-dgram.ts'
export { type EspOptions, openEsp, openUdp, whyNodeUdp, whyNoPlainEsp } from './open-udp.ts'
export type {
  IpFields,
  UdpBackend,
  UdpFailure,
  UdpMessageHandler,
  UdpOptions,
  UdpPathError,
  UdpSocket,
  UdpStats,
} from './udp-socket.ts'
