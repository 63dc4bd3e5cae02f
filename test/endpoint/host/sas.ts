import { parseIdentity } from '../../../src/ike/auth/identity.ts'
import type { ChildSaStatus, IkeSaStatus } from '../../../src/ike/events.ts'
import { parseIp } from '../../../src/ip/index.ts'

/** An established IKE_SA of a client. */
export const ikeSa = (change: Partial<IkeSaStatus>): IkeSaStatus => ({
  sa: { id: 3, connection: 'office' },
  state: 'established',
  role: 'initiator',
  SPIi: '0011223344556677',
  SPIr: '8899aabbccddeeff',
  local: { address: parseIp('192.0.2.1'), port: 4500 },
  remote: { address: parseIp('203.0.113.9'), port: 4500 },
  localId: parseIdentity('laptop.example'),
  remoteId: parseIdentity('gate.example'),
  auth: { local: ['psk'], remote: ['psk'] },
  suite: 'aes128gcm16-prfsha256-x25519',
  natLocal: false,
  natRemote: false,
  encap: true,
  mobike: false,
  establishedAt: 0,
  children: [],
  lingering: [],
  ...change,
})

export const childSa = (change: Partial<ChildSaStatus>): ChildSaStatus => ({
  name: 'net',
  state: 'installed',
  reqid: 7,
  spiIn: 1,
  spiOut: 2,
  suite: 'aes128gcm16',
  esn: true,
  localTs: ['10.3.0.1/32'],
  remoteTs: ['0.0.0.0/0'],
  mode: 'tunnel',
  moreTs: false,
  peerTakesTfc: false,
  installedAt: 0,
  ...change,
})
