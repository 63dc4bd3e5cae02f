import { formatIp } from '../../ip/address.ts'
import { formatIdentity } from '../auth/identity.ts'
import type { ChildConfig, ConnectionConfig } from '../config.ts'
import { isDynamic } from '../config-payload/dynamic-selectors.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { No } from '../questions.ts'
import type { PeerRefusal, TrafficSelectorRefusal } from './refusal.ts'

/** The gateway answered INTERNAL_ADDRESS_FAILURE. RFC 7296 §2.19, §3.10.1. */
export const explainNoAddress = (connection: ConnectionConfig): PeerRefusal => ({
  kind: 'no-address',
  by: 'peer',
  detail: 'INTERNAL_ADDRESS_FAILURE',
  message: `the gateway of connection ${connection.name} has no address for us: we asked for ${askedFor(connection)}`,
  hint: `connections.${connection.name}.local.virtualIps: ask for what the gateway has, or let its operator look at its pool, whose log says why`,
})

/** The gateway wants us to ask for an address: FAILED_CP_REQUIRED. */
export const explainAddressRequired = (connection: ConnectionConfig): PeerRefusal => ({
  kind: 'no-address',
  by: 'peer',
  detail: 'FAILED_CP_REQUIRED',
  message: `the gateway of connection ${connection.name} lets nobody in who does not ask for an address (FAILED_CP_REQUIRED)`,
  hint: `connections.${connection.name}.local.virtualIps: add "0.0.0.0" or "::" to ask for any`,
})

/** We asked for an address and got none, and no error either. `ignored`: what was passed over of the answer. RFC 7296 §3.15.4. */
export const explainNothingGiven = (
  connection: ConnectionConfig,
  hasReply: boolean,
  ignored: readonly string[],
): PeerRefusal => ({
  kind: 'no-address',
  by: 'local',
  detail: hasReply ? 'CFG_REPLY' : 'no CFG_REPLY',
  message:
    `the gateway of connection ${connection.name} gave us no address, though we asked for ${askedFor(connection)}: ` +
    `${hasReply ? 'its CFG_REPLY has none' : 'it did not answer CFG_REQUEST'}${ignored.map((reason) => `; passed over: ${reason}`).join('')}`,
  hint: `connections.${connection.name}.local.virtualIps: leave it out to do without, or let the gateway's operator give this connection a pool`,
})

/** As responder: somebody of ours has no address for the peer. */
export const explainUnassigned = (sa: IkeSa, { message, hint }: Pick<No, 'message' | 'hint'>): PeerRefusal => ({
  kind: 'no-address',
  by: 'local',
  detail: 'INTERNAL_ADDRESS_FAILURE',
  message: `${peerOf(sa)} gets no address and so no CHILD_SA: ${message}`,
  hint,
})

/** As responder: the peer did not ask for an address, and has to. */
export const explainNotAsked = (sa: IkeSa): PeerRefusal => ({
  kind: 'no-address',
  by: 'local',
  detail: 'FAILED_CP_REQUIRED',
  message: `${peerOf(sa)} did not ask for an address (CFG_REQUEST), which connection ${sa.connection.name} wants of every peer`,
  hint: `connections.${sa.connection.name}.remote.addressRequired: set it to false to let peers in without; or let the peer ask for a virtual address`,
})

/** Where `dynamic` is in question: what it stands for, and why. */
export function withDynamicHint(
  { connection, assignedIps, path }: IkeSa,
  children: readonly ChildConfig[],
  refusal: TrafficSelectorRefusal,
): TrafficSelectorRefusal {
  if (!children.some(isDynamic)) return refusal
  const { pools = [] } = connection.remote
  const why =
    assignedIps.length > 0
      ? `"dynamic" stands for ${assignedIps.map(formatIp).join(' and ')} of the peer, which we gave it`
      : `"dynamic" stands for ${formatIp(path.remote.address)} of the peer, where its packets come from, since it has no address of ours` +
        (pools.length === 0 ? ` (connections.${connection.name}.remote.pools is not set)` : ' (it did not ask for one)')
  return { ...refusal, hint: `${refusal.hint}; ${why}` }
}

const askedFor = ({ local }: ConnectionConfig): string =>
  (local.virtualIps ?? [])
    .map((address) => {
      const isAny = address.every((octet) => octet === 0)
      return isAny ? `any ${address.length === 4 ? 'IPv4' : 'IPv6'} address` : formatIp(address)
    })
    .join(' and ')

const peerOf = ({ remoteId }: IkeSa): string => (remoteId === undefined ? 'the peer' : formatIdentity(remoteId))
