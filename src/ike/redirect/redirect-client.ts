import type { IpAddress } from '../../ip/address.ts'
import { formatGateway, type Gateway } from '../auth/gateway-identity.ts'
import { explainNotFollowed, explainNowhere, explainRedirectLoop } from '../explain/explain-redirect.ts'
import type { Refusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'
import { continueReplacing, reauthenticate } from '../life/ike-renewal.ts'
import { takeWaitingOf } from '../life/ike-succession.ts'
import type { Path } from '../runtime.ts'
import { beginIkeSa } from '../set-up/ike-begin.ts'

/**
 * The responder sends us elsewhere. A set-up under way begins anew there; an established IKE_SA is replaced by one that is set
 * up there, and deleted afterwards. A host name is told to the caller first, who looks up its address. RFC 5685 §§3 to 6.
 */
export function followRedirect(sa: IkeSa, gateway: Gateway): void {
  const { connection, runtime } = sa
  if (!connection.redirect.follow) return stay(sa, explainNotFollowed(connection, gateway))
  if (!runtime.redirects.admit(connection.name, runtime.now)) return stay(sa, explainRedirectLoop(connection, gateway))
  const to = formatGateway(gateway)
  runtime.emit({ kind: 'redirected', sa: sa.ref, from: sa.path.remote, to })
  if (gateway.address !== undefined) goTo(sa, gateway, gateway.address)
  else runtime.emit({ kind: 'resolve', sa: sa.ref, token: runtime.awaitAddress(sa, gateway), name: to })
}

/** The caller has looked a name up: undefined when it has no address. */
export function resolved(sa: IkeSa, gateway: Gateway, address: IpAddress | undefined): void {
  if (sa.state !== 'connecting' && sa.state !== 'established') return
  if (address === undefined) stay(sa, explainNowhere(sa.connection, gateway))
  else goTo(sa, gateway, address.slice())
}

function goTo(sa: IkeSa, gateway: Gateway, address: IpAddress): void {
  const path = pathTo(sa, address)
  if (path === undefined) stay(sa, explainNowhere(sa.connection, gateway))
  else if (sa.state === 'established') reauthenticate(sa, path)
  else beginThere(sa, path)
}

/** The new IKE_SA has the id of the one that it takes the place of, which is not told of any more. */
function beginThere(old: IkeSa, path: Path): void {
  const next = beginIkeSa(old.runtime, old.connection, old.firstChild, path, { id: old.id })
  next.redirectedFrom = old.path.remote.address
  next.trigger = old.trigger
  if (old.replaces !== undefined) continueReplacing(next, old.replaces)
  old.successor = next
  takeWaitingOf(next, old)
  old.delete('local')
}

/** Where it begins, from the address of ours that reaches it. */
function pathTo({ runtime, connection, path }: IkeSa, address: IpAddress): Path | undefined {
  const isSameFamily = path.local.address.length === address.length
  const local =
    connection.local.address ?? runtime.preferred(address) ?? (isSameFamily ? path.local.address : undefined)
  if (local?.length !== address.length) return undefined
  return {
    local: { address: local, port: runtime.ports.ike },
    remote: { address, port: connection.remote.port },
  }
}

/** We do not go: a set-up ends, an established IKE_SA stays as it is. */
function stay(sa: IkeSa, refusal: Refusal): void {
  const isRenewal = sa.state === 'established' ? ({ renewal: true } as const) : {}
  sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal, ...isRenewal })
  if (sa.state === 'connecting') sa.delete('refused', refusal)
}
