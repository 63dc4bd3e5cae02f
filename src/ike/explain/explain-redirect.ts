import { formatGateway, type Gateway } from '../auth/gateway-identity.ts'
import type { ConnectionConfig } from '../config.ts'
import type { PeerRefusal } from './refusal.ts'

/** Redirections of one connection in `REDIRECT_PERIOD_MS`. RFC 5685 §3. */
export const MOST_REDIRECTS = 5
export const REDIRECT_PERIOD_MS = 300_000

/** The peer sends us elsewhere, and we do not go. RFC 5685. */
export function explainNotFollowed({ name }: ConnectionConfig, to: Gateway): PeerRefusal {
  return refusal(
    `the peer of connection ${name} sends us to ${formatGateway(to)}`,
    `connections.${name}.redirect.follow: true to go there, or connections.${name}.remote.address: ${formatGateway(to)}`,
  )
}

/** Gateways send us round in a circle. RFC 5685 §3. */
export function explainRedirectLoop({ name }: ConnectionConfig, to: Gateway): PeerRefusal {
  return refusal(
    `connection ${name} was sent elsewhere ${MOST_REDIRECTS} times in ${REDIRECT_PERIOD_MS / 60_000} minutes, and is to go to ${formatGateway(to)} next: it stays away`,
    'look at the gateways: each of them sends us to another one',
  )
}

/** Where the peer sends us is nowhere: its name has no address, or no address of ours reaches it. */
export function explainNowhere({ name }: ConnectionConfig, to: Gateway): PeerRefusal {
  return refusal(
    `the peer of connection ${name} sends us to ${formatGateway(to)}, which ${to.name === undefined ? 'no address of ours reaches' : 'has no address that we reach'}`,
    'look at the DNS and the routes of this machine, or at what the gateway sends its clients to',
  )
}

const refusal = (message: string, hint: string): PeerRefusal => ({
  kind: 'peer-error',
  by: 'local',
  detail: 'REDIRECT',
  message,
  hint,
})
