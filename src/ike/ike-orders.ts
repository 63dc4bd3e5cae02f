import { UsageError } from '../errors.ts'
import { parseGateway } from './auth/gateway-identity.ts'
import type { IkeSa } from './ike-sa.ts'
import { canCarry } from './ike-sas.ts'
import { reauthenticate, renewKeys } from './life/ike-renewal.ts'
import { canSync } from './message/message-id-sync.ts'
import { childNamed } from './named.ts'
import { ChildCreate } from './tasks/child-create.ts'
import { RedirectPeer } from './tasks/redirect-peer.ts'

/** What our user orders about an IKE_SA that stands: each is checked at once, with `UsageError`, and gives what is to be done. */
export type Order = () => void

/** A further CHILD_SA. RFC 7296 §1.3.1. */
export function orderChild(sa: IkeSa, childName: string): Order {
  if (!canCarry(sa)) throw new UsageError('ikeSaId', `IKE_SA ${sa.id} cannot carry a CHILD_SA: it is ${sa.state}`)
  const child = childNamed(sa.connection, childName)
  return () => sa.enqueue(new ChildCreate(sa, child))
}

/** To another gateway, an IP address or a host name. RFC 5685 §5. */
export function orderRedirect(sa: IkeSa, to: string): Order {
  const gateway = parseGateway(to)
  if (sa.state !== 'established' || sa.beganAs !== 'responder' || !sa.abilities.redirect)
    throw new UsageError('ikeSaId', `the peer of IKE_SA ${sa.id} does not go to another gateway`)
  return () => sa.enqueue(new RedirectPeer(sa, gateway))
}

/** New keys. RFC 7296 §2.8. */
export function orderRekey(sa: IkeSa): Order {
  if (sa.state !== 'established')
    throw new UsageError('ikeSaId', `IKE_SA ${sa.id} cannot be rekeyed: it is ${sa.state}`)
  return () => renewKeys(sa)
}

/** A new IKE_SA with authentication in its place. RFC 7296 §2.8.3. */
export function orderReauthentication(sa: IkeSa): Order {
  if (sa.state !== 'established')
    throw new UsageError('ikeSaId', `IKE_SA ${sa.id} cannot be reauthenticated: it is ${sa.state}`)
  return () => reauthenticate(sa)
}

/** Its peer can agree with us on message ids. RFC 6311 §4. */
export function needSync(sa: IkeSa): void {
  if (!canSync(sa)) throw new UsageError('ikeSaId', `IKE_SA ${sa.id} cannot synchronise message ids with its peer`)
}
