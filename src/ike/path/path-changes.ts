import type { IpAddress } from '../../ip/address.ts'
import type { IkeSa } from '../ike-sa.ts'
import { copyEndpoint, type Path, sameAddress, sameEndpoint } from '../runtime.ts'
import type { Task } from '../task.ts'
import { Liveness } from '../tasks/liveness.ts'
import { LivenessBehindNat, ProbePath, probes, TellAddresses, UpdateAddresses } from '../tasks/update-addresses.ts'
import { armKeepalive } from './keepalive.ts'
import { addressesText, candidatePaths, pathBetween, samePath } from './mobike.ts'
import { armStream, isStream, opensStreams } from './streams.ts'

/**
 * IKE, the states and the policies go over to `path`, all of them or none. False when one of the CHILD_SAs cannot, because
 * another uses its outbound SPI at that address; nothing has changed then.
 */
export function moveTo(sa: IkeSa, path: Path): boolean {
  if (samePath(path, sa.path)) return true
  const from = sa.path
  const { local, remote } = path
  const stuck = sa.children.find((child) => !child.canMoveTo(remote.address))
  if (stuck !== undefined) {
    const { spiOut } = stuck
    sa.runtime.emit({ kind: 'move-refused', sa: sa.ref, remote: from.remote, to: copyEndpoint(remote), spiOut })
    return false
  }
  sa.path = sa.runtime.keepPath(path)
  sa.streamTries = undefined
  sa.leftStream ||= isStream(from) && !isStream(path)
  sa.alsoAt = undefined
  for (const child of sa.children) child.moved()
  sa.window.beginAgain(sa.runtime.now)
  if (isStream(from) !== isStream(path)) armKeepalive(sa)
  if (!sameEndpoint(from.remote, remote)) {
    sa.runtime.emit({ kind: 'remote-moved', sa: sa.ref, from: from.remote, to: sa.path.remote })
  }
  if (!sameEndpoint(from.local, local)) {
    sa.runtime.emit({ kind: 'local-moved', sa: sa.ref, from: from.local, to: sa.path.local })
  }
  return true
}

/** The deciding side goes over to `path` and tells the peer. RFC 4555 §3.5. */
export function changePath(sa: IkeSa, path: Path): void {
  if (!moveTo(sa, path)) return
  updateAddresses(sa)
  armStream(sa)
}

/** Tells the peer the path in use; once is enough while that waits. */
export function updateAddresses(sa: IkeSa): void {
  if (sa.findTask((task) => task instanceof UpdateAddresses) === undefined) sa.enqueueNext(new UpdateAddresses(sa))
}

/** Asks whether the peer really is at `target` before anything else goes there. RFC 4555 §3.7. */
export function probePath(sa: IkeSa, target: Path): void {
  const isAsked = sa.findTask((task) => task instanceof ProbePath && samePath(task.target, target))
  if (isAsked !== undefined) return
  // Where its packets come from last is the place to ask about: a peer that comes from ever new ones fills no queue.
  sa.cancelWaiting(probes)
  const copy = { local: copyEndpoint(target.local), remote: copyEndpoint(target.remote) }
  sa.enqueueNext(new ProbePath(sa, copy))
  if (sa.window.hasRoom) return
  // What waits for its response stands before it, and perhaps waits in vain because the peer has moved: it goes there as well.
  sa.alsoAt = copy
  sa.window.beginAgain(sa.runtime.now)
}

/**
 * Authenticated packets of the peer come from elsewhere. Without MOBIKE a peer behind a NAT is followed at once (RFC 7296 §2.23).
 * With it the new place is asked first: an attacker who only passes packets on from there could otherwise draw all traffic to
 * itself (RFC 4555 §3.7, §5.1).
 */
export function seenElsewhere(sa: IkeSa, remote: Path['remote']): void {
  if (remote.tcp === true || isStream(sa.path)) return followStream(sa, { local: sa.path.local, remote })
  if (!sa.followsRemote || sameEndpoint(remote, sa.path.remote)) return
  const path = { local: sa.path.local, remote }
  if (sa.mobike === undefined) moveTo(sa, path)
  else probePath(sa, path)
}

/** A fresh request of the peer came on another path than ours: with MOBIKE only an UPDATE_SA_ADDRESSES says what that means. */
export function heardElsewhere(sa: IkeSa, path: Path): void {
  if (isStream(path)) return followStream(sa, path)
  if (sameEndpoint(path.local, sa.path.local)) seenElsewhere(sa, path.remote)
}

/** The answer to a request of ours came on another path than the one in use: that one works, and the one in use perhaps not. */
export function answeredElsewhere(sa: IkeSa, path: Path): void {
  if (sa.state !== 'established' || sa.mobike === undefined || !sa.mobike.decides || samePath(path, sa.path)) return
  if (candidatePaths(sa).some((candidate) => samePath(candidate, path))) changePath(sa, path)
}

/**
 * The peer that opens the TCP connections has sent something authentic and new over another one: that is the one to answer on.
 * From UDP to TCP and back only an UPDATE_SA_ADDRESSES leads. RFC 9329 §6.1, §7.1.
 */
function followStream(sa: IkeSa, path: Path): void {
  if (isStream(path) && isStream(sa.path) && !opensStreams(sa) && sa.state === 'established') moveTo(sa, path)
}

/** The question whether the peer lives, with the one whether a NAT still knows us where that is ours to find out. */
export const livenessTask = (sa: IkeSa) =>
  sa.mobike?.decides === true && sa.nat.natLocal && !isStream(sa.path) ? new LivenessBehindNat(sa) : new Liveness()

/**
 * The machine's addresses are others than before. `preferred` gives the address from which a remote one is reached. The side that
 * decides changes over when its address is gone or another is preferred; the other side tells its addresses. Without MOBIKE a peer
 * that takes us to be behind a NAT follows our next message. RFC 4555 §3.4, §3.6; RFC 7296 §2.23.
 */
export function localAddressesChanged(sa: IkeSa, preferred: (remote: IpAddress) => IpAddress | undefined): void {
  const isGone = !sa.runtime.localAddresses.some((address) => sameAddress(address, sa.path.local.address))
  if (isStream(sa.path) && opensStreams(sa)) return streamFrom(sa, preferred, isGone)
  if (sa.state !== 'established') return isGone ? goOnFrom(sa, preferred) : undefined
  const remotes = [sa.path.remote.address, ...(sa.mobike?.decides === true ? sa.mobike.peerAddresses : [])]
  const better = remotes
    .map((remote) => ({ local: sa.connection.local.address ?? preferred(remote), remote }))
    .find((pair): pair is { local: IpAddress; remote: IpAddress } => pair.local !== undefined)
  sa.refusedPaths.length = 0
  if (sa.mobike !== undefined && !sa.mobike.decides) {
    if (isGone && better !== undefined) moveTo(sa, pathBetween(sa, better.local, better.remote))
    if (sa.mobike.told !== addressesText(sa)) sa.enqueueNext(new TellAddresses(sa))
    return
  }
  if (better === undefined) return
  const path = pathBetween(sa, better.local, better.remote)
  if (samePath(path, sa.path)) return
  if (sa.mobike !== undefined) changePath(sa, path)
  else if (moveTo(sa, path)) sa.enqueue(new Liveness())
}

/**
 * The same for who opens the TCP connections: a new one from the new address, or with MOBIKE first UDP, which the new network perhaps
 * lets pass. RFC 9329 §6.1, §7.1.
 */
function streamFrom(sa: IkeSa, preferred: (remote: IpAddress) => IpAddress | undefined, isGone: boolean): void {
  const { local, remote } = sa.path
  const address = sa.connection.local.address ?? preferred(remote.address)
  if (address === undefined || (!isGone && sameAddress(address, local.address))) return
  const triesUdp = sa.state === 'established' && sa.mobike !== undefined && sa.connection.tcp?.mode !== 'always'
  if (triesUdp) changePath(sa, pathBetween(sa, address, remote.address))
  else sa.runtime.connect(sa, address, remote)
}

/** What is under way on an IKE_SA that comes or goes continues from an address that is there; the peer answers where it came from. */
function goOnFrom(sa: IkeSa, preferred: (remote: IpAddress) => IpAddress | undefined): void {
  const { local, remote } = sa.path
  const address = sa.connection.local.address ?? preferred(remote.address)
  if (address !== undefined) moveTo(sa, { local: { address, port: local.port }, remote })
}

/** Transmissions of one request that go the usual way before others are tried too. */
const BEFORE_OTHER_PATHS = 2

/**
 * Where the n-th transmission (from 1) of a request goes. When the path in use does not answer, the side that decides tries all the
 * others as well, in turn: a responder answers to where the request came from. RFC 4555 §3.10.
 */
export function pathOfTransmission(sa: IkeSa, task: Task, attempt: number): Path {
  const own = task.paths?.()
  if (own !== undefined) {
    // The question whether it is there may itself stand before the one about a newer place.
    const all = sa.alsoAt === undefined ? own : [sa.alsoAt, ...own]
    return all[(attempt - 1) % all.length]!
  }
  if (isStream(sa.path)) return sa.path
  if (sa.alsoAt !== undefined && attempt % 2 === 1) return sa.alsoAt
  if (attempt <= BEFORE_OTHER_PATHS || sa.mobike?.decides !== true) return sa.path
  const paths = candidatePaths(sa)
  return paths[(attempt - BEFORE_OTHER_PATHS) % paths.length]!
}
