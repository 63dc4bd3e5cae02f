import type { SocketAddress } from '../../ip/address.ts'
import { explainNoStream } from '../explain/explain-peer.ts'
import type { IkeSa } from '../ike-sa.ts'
import { closeUnheard } from '../life/ike-liveness.ts'
import { continueReplacing } from '../life/ike-renewal.ts'
import { takeWaitingOf } from '../life/ike-succession.ts'
import { copyEndpoint, type IkeRuntime, type Path } from '../runtime.ts'
import { beginIkeSa } from '../set-up/ike-begin.ts'
import { Liveness } from '../tasks/liveness.ts'
import { samePath } from './mobike.ts'
import { reopenStream, waitsForUdp } from './stream-timer.ts'
import { isStream, isUnconnected, opensStreams } from './streams.ts'

/** A lost connection is opened again at once, then after so long, twice as long each time. */
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 30_000

/** Who waits for this connection, and what it is; undefined when nobody does any more. Our port is 0 while none is given. */
export function takeOpening(
  runtime: IkeRuntime,
  token: number,
  local?: SocketAddress,
): { readonly sa: IkeSa; readonly path: Path } | undefined {
  const opening = runtime.opening.get(token)
  if (opening === undefined) return undefined
  runtime.opening.delete(token)
  const { sa, remote } = opening
  const { address, port } = local ?? { address: sa.path.local.address, port: 0 }
  return { sa, path: { local: { address, port, tcp: true }, remote } }
}

/**
 * A TCP connection that was asked for is there: the first one, another one after a loss, or the one that wins against UDP. `all` are
 * the IKE_SAs of this endpoint. One that nobody needs any more is left to the caller, who sees that nobody has it.
 */
export function streamOpened(sa: IkeSa, path: Path, all: readonly IkeSa[]): void {
  const { runtime } = sa
  if (isUnconnected(sa.path)) {
    if (sa.state === 'closed') return
    tellOpened(sa, path)
    sa.path = runtime.keepPath(path)
  } else if (isStream(sa.path)) goOnOver(path, sharing(sa, all))
  else if (sa.state === 'closed' || !waitsForUdp(sa)) return
  else if (sa.state === 'connecting') beginOver(sa, path)
  else {
    tellOpened(sa, path)
    sa.changePath(path)
  }
}

/** It cannot be opened. Over UDP it goes on as it is; what has lost its connection tries again. */
export function streamRefused(sa: IkeSa, path: Path, why: string, all: readonly IkeSa[]): void {
  const { runtime } = sa
  if (sa.state !== 'closed')
    runtime.emit({ kind: 'stream-refused', sa: sa.ref, remote: copyEndpoint(path.remote), why })
  if (isUnconnected(sa.path)) return closeUnheard(sa, explainNoStream(path.remote, why))
  if (!isStream(sa.path)) {
    // At the beginning UDP has to do; later there is no other way to come back.
    if (sa.state === 'established' && waitsForUdp(sa)) sa.timers.set('stream', runtime.now + LONGEST_PAUSE_MS)
    return
  }
  for (const one of sharing(sa, all)) {
    one.streamTries = (one.streamTries ?? 0) + 1
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (one.streamTries - 1), LONGEST_PAUSE_MS)
    one.timers.set('stream', runtime.now + pauseMs)
  }
}

/** Its connection has ended. The IKE_SA stands, with all it carries, and who opened the connection opens another. RFC 9329 §6.1. */
export function streamLost(sa: IkeSa, why: string): void {
  if (sa.successor === undefined)
    sa.runtime.emit({ kind: 'stream-lost', sa: sa.ref, remote: copyEndpoint(sa.path.remote), why })
  if (!opensStreams(sa)) return
  sa.streamTries = 0
  reopenStream(sa)
}

/** An IKE_SA and what rekeys it have one connection. RFC 9329 §6.1. */
const sharing = (sa: IkeSa, all: readonly IkeSa[]): IkeSa[] =>
  all.filter((one) => one.state !== 'closed' && samePath(one.path, sa.path))

/**
 * They go over to a new connection. The peer learns of it from the first message there, and everything that waits for an answer is
 * sent again, as it may have been lost with the old one. RFC 9329 §6.1, §6.2.
 */
function goOnOver(path: Path, sas: readonly IkeSa[]): void {
  const main = sas.find(({ state, successor }) => state === 'established' && successor === undefined) ?? sas[0]
  if (main === undefined) return
  tellOpened(main, path)
  for (const sa of sas) {
    sa.streamTries = undefined
    sa.timers.clear('stream')
    // Where the system gave the same port again nothing moves.
    if (samePath(sa.path, path)) sa.window.beginAgain(sa.runtime.now)
    else sa.moveTo(path)
    if (sa !== main) sa.runtime.noteReady(sa)
  }
  if (main.state !== 'established') return
  if (main.mobike !== undefined) main.updateAddresses()
  else main.enqueueNext(new Liveness())
}

/** The new IKE_SA has its own SPI, and the id of the one that it takes the place of, which is not told of any more. RFC 9329 §5.1. */
function beginOver(old: IkeSa, path: Path): void {
  const next = beginIkeSa(old.runtime, old.connection, old.firstChild, path, { id: old.id, isOpen: true })
  next.redirectedFrom = old.redirectedFrom
  next.trigger = old.trigger
  if (old.replaces !== undefined) continueReplacing(next, old.replaces)
  old.successor = next
  takeWaitingOf(next, old)
  old.delete('local')
  tellOpened(next, path)
}

function tellOpened(sa: IkeSa, { local, remote }: Path): void {
  const ends = { local: copyEndpoint(local), remote: copyEndpoint(remote) }
  sa.runtime.emit({ kind: 'stream-opened', sa: sa.ref, ...ends })
}
