import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

/** 2000::/3 is all of IPv6 that is given out; the rest is loopback, local, multicast, or stands for IPv4 addresses. */
const global6 = new BlockList()
global6.addSubnet('2000::', 3, 'ipv6')

/** RFC 6890 and the registries that it made: local, of a provider, for documentation, measurement, tunnels and groups. */
const special = new BlockList()
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const)
  special.addSubnet(network, bits, 'ipv4')
for (const [network, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  special.addSubnet(network, bits, 'ipv6')

/** True for a text that is an IP address which anybody on the Internet may reach: none of loopback, of local networks, or of no host. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !special.check(address, 'ipv4')
  return family === 6 && global6.check(address, 'ipv6') && !special.check(address, 'ipv6')
}

/** True for an address of this machine, public or not: who asks for it from here comes in behind the firewall. */
export const isOwnAddress = (address: string, interfaces = networkInterfaces()): boolean =>
  Object.values(interfaces).some((all) => all?.some((one) => one.address === address))
