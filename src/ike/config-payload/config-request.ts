import { Writer } from '../../bytes/index.ts'
import type { IpAddress } from '../../ip/address.ts'
import { CfgAttribute, CfgType, type ConfigurationAttribute, type Payload } from '../codec/index.ts'
import { explainNothingGiven } from '../explain/explain-address.ts'
import type { IkeSa } from '../ike-sa.ts'
import { findErrorNotify } from '../message/notifies.ts'
import { encodeAttribute } from './attribute.ts'
import { readConfiguration } from './configuration.ts'

/** SHA2-256, of the registry of RFC 7427: the digests of encrypted resolvers that we can make something of. */
const DIGEST_HASHES: readonly number[] = [2]

/**
 * As initiator, in the first IKE_AUTH request: the addresses that we ask for, and whatever goes with them. What we had on this connection
 * before is asked for again, where the configuration does not name an address. RFC 7296 §2.19, RFC 8598 §3.1, RFC 9464 §4.
 */
// [CP(CFG_REQUEST)] -->
export function configRequest(sa: IkeSa): Payload[] {
  const { virtualIps = [], requests = [] } = sa.connection.local
  if (virtualIps.length === 0) return []
  const before = sa.runtime.lastVirtualIps.get(sa.connection.name) ?? []
  const types = [...new Set([...virtualIps.flatMap(({ length }) => typesOf(length)), ...commonTypes, ...requests])]
  const attributes = [
    ...virtualIps.map((address) => addressRequest(address, before)),
    ...types.map((type) => ({ type, value: new Uint8Array(0) })),
    encodeAttribute({
      kind: 'encrypted-dns-digest',
      type: CfgAttribute.ENCDNS_DIGEST_INFO,
      hashes: DIGEST_HASHES,
      name: '',
      digest: new Uint8Array(0),
    }),
  ]
  return [{ kind: 'CP', critical: false, cfgType: CfgType.CFG_REQUEST, attributes }]
}

/** What goes with an address of a family. */
const typesOf = (bytes: number): number[] =>
  bytes === 4
    ? [
        CfgAttribute.INTERNAL_IP4_DNS,
        CfgAttribute.INTERNAL_IP4_NBNS,
        CfgAttribute.INTERNAL_IP4_SUBNET,
        CfgAttribute.ENCDNS_IP4,
      ]
    : [CfgAttribute.INTERNAL_IP6_DNS, CfgAttribute.INTERNAL_IP6_SUBNET, CfgAttribute.ENCDNS_IP6]

const commonTypes: readonly number[] = [CfgAttribute.INTERNAL_DNS_DOMAIN, CfgAttribute.APPLICATION_VERSION]

/** Empty for any address; else the one that is wanted, alone (its prefix length is 128). */
function addressRequest(configured: IpAddress, before: readonly IpAddress[]): ConfigurationAttribute {
  const isAny = configured.every((octet) => octet === 0)
  const wanted = isAny ? before.find(({ length }) => length === configured.length) : configured
  const type = configured.length === 4 ? CfgAttribute.INTERNAL_IP4_ADDRESS : CfgAttribute.INTERNAL_IP6_ADDRESS
  return wanted === undefined ? { type, value: new Uint8Array(0) } : addressAttribute(wanted)
}

/** INTERNAL_IP4_ADDRESS, or INTERNAL_IP6_ADDRESS with the prefix length of a single address. RFC 7296 §3.15.1. */
export function addressAttribute(address: IpAddress): ConfigurationAttribute {
  if (address.length === 4) return { type: CfgAttribute.INTERNAL_IP4_ADDRESS, value: address.slice() }
  return { type: CfgAttribute.INTERNAL_IP6_ADDRESS, value: new Writer(17).bytes(address).u8(128).finish() }
}

/**
 * As initiator, when the peer has proved itself and before the first CHILD_SA is completed: takes over what the last IKE_AUTH response
 * gives us, and tells it. An IKE_SA without the address that we need is deleted; where an error notify stands in place of the
 * CHILD_SA, that says why. RFC 7296 §2.19, §3.15.4.
 */
// <-- [CP(CFG_REPLY)]
export function takeConfigReply(sa: IkeSa, payloads: readonly Payload[]): void {
  const { connection, runtime } = sa
  const asked = connection.local.virtualIps ?? []
  if (asked.length === 0) return
  const replies = payloads.filter((payload) => payload.kind === 'CP' && payload.cfgType === CfgType.CFG_REPLY)
  const given = readConfiguration(replies.flatMap((payload) => (payload.kind === 'CP' ? payload.attributes : [])))
  const addresses = given.addresses.filter(({ length }) => asked.some((one) => one.length === length))
  if (addresses.length > 0) {
    sa.virtualIps = addresses
    runtime.lastVirtualIps.set(connection.name, addresses)
    runtime.emit({ kind: 'configured', sa: sa.ref, ...given, addresses })
    return
  }
  if (findErrorNotify(payloads) !== undefined) return
  const refusal = explainNothingGiven(connection, replies.length > 0, given.ignored)
  const child = sa.firstChild === undefined ? {} : { child: sa.firstChild.name }
  runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal, ...child })
  sa.delete('refused', refusal)
}
