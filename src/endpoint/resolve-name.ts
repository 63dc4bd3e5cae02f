import { lookup } from 'node:dns/promises'
import { type IpAddress, parseIp } from '../ip/address.ts'

/** The first address of a host name as this machine looks it up; undefined when it has none, or that cannot be told. */
export async function resolveName(name: string): Promise<IpAddress | undefined> {
  try {
    return parseIp((await lookup(name)).address)
  } catch {
    return undefined
  }
}
