import { formatSocketAddress } from '../../ip/address.ts'
import { formatIdentity } from '../auth/identity.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import type { AuthenticationRefusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'
import { compareNonces } from '../keys/nonces.ts'
import { notify } from '../message/notifies.ts'
import { sameEndpoint } from '../runtime.ts'
import { resumeLifetime } from './ike-lifetime.ts'
import { newestOf } from './succession.ts'

/** Two IKE_SAs that were begun by either end this close to each other: neither end knew of the other's. */
const CROSSING_MS = 2_000

/** The end that is to delete one of two does so after this long: its traffic has gone over, and the peer may do it itself. */
const OWN_DELAY_MS = 3_000
const PEERS_DELAY_MS = 10_000

/** After this long we delete what the peer should have deleted. */
const PATIENCE_MS = 60_000

/** INITIAL_CONTACT in IKE_AUTH: this is our only IKE_SA with this peer, whatever it remembers. RFC 7296 §2.4. */
export function initialContact(sa: IkeSa): Payload[] {
  const isOnly = sa.runtime.peers.othersOf(sa)?.length === 0
  return isOnly && sa.connection.uniqueness !== 'never' ? [notify(NotifyType.INITIAL_CONTACT)] : []
}

/**
 * As responder, before the peer is let in: why it is not, because an older IKE_SA of it is kept (`uniqueness: 'keep'`). One that comes
 * from where the older one is, reauthenticates; and two that cross are settled when both stand.
 */
export function refuseDuplicate(sa: IkeSa, isInitialContact: boolean): AuthenticationRefusal | undefined {
  if (sa.connection.uniqueness !== 'keep' || isInitialContact) return undefined
  sa.runtime.peers.add(sa)
  const older = olderOnes(sa).find(
    (other) => !isCrossing(other, sa) && !sameEndpoint(other.path.remote, sa.path.remote),
  )
  if (older === undefined) return undefined
  const { connection } = sa
  const remoteId = formatIdentity(sa.remoteId!)
  return {
    kind: 'authentication-failed',
    by: 'local',
    localId: formatIdentity(connection.local.id),
    remoteId,
    method: 'psk',
    message: `${remoteId} has IKE_SA ${connection.name}[${older.id}] from ${formatSocketAddress(older.path.remote)}, which is kept: another one from ${formatSocketAddress(sa.path.remote)} is refused`,
    hint: `connections.${connection.name}.unique: "replace" lets a new IKE_SA take the place of the older one, "never" allows both`,
  }
}

/** The first six octets of the lower one of its two nonces. They outlive the nonces, which are let go of, and are passed on when it is rekeyed. */
export function tieBreakOf({ init }: IkeSa): number {
  const { Ni, Nr } = init!
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = compareNonces(Ni, Nr) < 0 ? Ni : Nr
  return ((a << 16) | (b << 8) | c) * 0x100_0000 + ((d << 16) | (e << 8) | f)
}

/**
 * An IKE_SA was authenticated: what becomes of the older ones with the same peer. Its first CHILD_SA stands, so that traffic
 * goes over to it. `isInitialContact`: the peer says that it has no other. RFC 7296 §2.4.
 */
export function settleDuplicates(sa: IkeSa, isInitialContact: boolean): void {
  if (sa.connection.uniqueness === 'never') return
  for (const older of olderOnes(sa)) {
    // What came about after the peer began this one, its INITIAL_CONTACT does not know of.
    if (isInitialContact && older.authenticatedAt! <= sa.createdAt) older.close('replaced', undefined, sa)
    else if (older.replacement !== undefined) continue
    else if (isCrossing(older, sa)) settleCrossing(older, sa)
    // Who began the new one may be reauthenticating, and then deletes the old one itself.
    else older.replaceBy(sa, sa.beganAs === 'responder' ? PEERS_DELAY_MS : PATIENCE_MS, false)
  }
}

/**
 * `ended` takes nobody's place any more. At once, because one that is to go gets no new CHILD_SAs: another IKE_SA would be begun for
 * those, and take the place of all.
 */
export function endReplacing(ended: IkeSa): void {
  for (const old of ended.runtime.peers.othersOf(ended) ?? []) {
    if (old.replacement === undefined || newestOf(old.replacement.by) !== ended) continue
    old.replacement = undefined
    old.timers.clear('replace')
    resumeLifetime(old)
  }
}

const olderOnes = (sa: IkeSa): IkeSa[] =>
  (sa.runtime.peers.othersOf(sa) ?? []).filter(
    (other) => other.state === 'established' && other.connection === sa.connection,
  )

/** Each end began one of them before it could know of the other. */
const isCrossing = (older: IkeSa, sa: IkeSa): boolean =>
  older.beganAs !== sa.beganAs && older.authenticatedAt! > sa.createdAt - CROSSING_MS

/** Of two that cross, both ends keep the same one: not the one with the lowest nonce, which is deleted by the end that began it. */
function settleCrossing(a: IkeSa, b: IkeSa): void {
  const [loser, winner] = a.tieBreak < b.tieBreak ? [a, b] : [b, a]
  const isOurs = loser.beganAs === 'initiator'
  loser.replaceBy(winner, isOurs ? OWN_DELAY_MS : PATIENCE_MS, isOurs)
}
