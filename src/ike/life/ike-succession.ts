import type { IkeSa } from '../ike-sa.ts'
import { livenessTask } from '../path/path-changes.ts'
import { voidTicket } from '../resumption/resumption.ts'
import { TicketRequest } from '../tasks/ticket-request.ts'

/**
 * `sa` takes the place of `old`, which it rekeyed: CHILD_SAs, the tasks that wait, and where the peer is. What `old` is to come to
 * (its deletion by our user, which waited) comes to the new one. RFC 7296 §2.8, §2.18.
 */
export function takePlaceOf(sa: IkeSa, old: IkeSa): void {
  const { runtime } = sa
  sa.rekeyingOf = undefined
  sa.path = old.path
  sa.nat = old.nat
  sa.leftStream = old.leftStream
  sa.mobike = old.mobike
  sa.virtualIps = old.virtualIps
  sa.assignedIps = old.assignedIps
  sa.withoutAddress = old.withoutAddress
  runtime.assigned.pass(old, sa)
  sa.refusedPaths.push(...old.refusedPaths)
  for (const child of old.children.splice(0)) child.moveTo(sa)
  for (const child of old.lingering.splice(0)) child.moveTo(sa)
  sa.start()
  for (const task of old.takeMovable(old.state === 'deleting')) {
    task.moveTo!(sa)
    sa.enqueue(task)
  }
  runtime.peers.remove(old)
  runtime.peers.add(sa)
  if (old.replacement !== undefined) {
    // No sooner than it would have been: the peer may not have the other one yet.
    const dueAt = old.timers.at('replace') ?? runtime.now
    sa.replaceBy(old.replacement.by, dueAt - runtime.now, old.replacement.asks)
  }
  old.supersededBy(sa)
  const { SPIi, SPIr } = old.status()
  runtime.emit({ kind: 'ike-rekeyed', sa: sa.ref, old: { SPIi, SPIr }, details: sa.status() })
  // Says what is new about this one: the peer could not prove a crash before.
  if (runtime.crashTokens !== undefined) sa.enqueue(livenessTask(sa))
  voidTicket(old)
  sa.ticket = old.ticket
  if (sa.ticket === 'void') sa.enqueue(new TicketRequest(sa))
  if (old.ending !== undefined) sa.delete(old.ending.reason, old.ending.refusal)
}

/** `sa` is set up in the place of `old`, which was not established: what waits there waits here. */
export function takeWaitingOf(sa: IkeSa, old: IkeSa): void {
  for (const task of old.takeMovable(old.state === 'deleting')) {
    // Its own first CHILD_SA comes of its own set-up.
    if (task.makes !== undefined && task.makes === sa.firstChild) task.abandon()
    else {
      task.moveTo!(sa)
      sa.enqueue(task)
    }
  }
}
