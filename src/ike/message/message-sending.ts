import { ExchangeType, encodeMessage, type IkeHeader, isInitial, type Payload } from '../codec/index.ts'
import type { IkeSa } from '../ike-sa.ts'
import { pathOfTransmission } from '../path/path-changes.ts'
import { copyEndpoint, type Path } from '../runtime.ts'
import { announcements } from '../set-up/announcements.ts'
import type { Task } from '../task.ts'
import { type Sealed, sealMessage } from './fragmentation.ts'
import { emitMessage } from './message-event.ts'
import type { PendingRequest } from './message-window.ts'

const NO_SPI = new Uint8Array(8)

/** A message goes out so often in packets of the configured size before it is cut for any path. */
const WHOLE_ATTEMPTS = 2

/** A header of ours; the length is filled in when the message is encoded. */
function headerOf(sa: IkeSa, exchangeType: number, response: boolean, messageId: number): IkeHeader {
  return {
    SPIi: sa.SPIi,
    SPIr: sa.init?.SPIr ?? NO_SPI,
    majorVersion: 2,
    minorVersion: 0,
    exchangeType,
    flags: { initiator: sa.role === 'initiator', response, higherVersion: false },
    messageId,
    length: 0,
  }
}

/** Sends the next request of a task for the first time. */
export function sendRequest(sa: IkeSa, task: Task): void {
  const payloads = task.buildRequest()
  const header = headerOf(sa, task.exchangeType, false, sa.window.nextRequestId)
  const encrypted = !isInitial(task.exchangeType)
  if (encrypted) payloads.push(...announcements(sa, task.exchangeType, payloads))
  const path = pathOfTransmission(sa, task, 1)
  const sealed: Sealed = encrypted
    ? sealMessage(sa, header, payloads, path)
    : { datagrams: [encodeMessage(header, payloads)], recut: undefined }
  if (task.exchangeType === ExchangeType.IKE_INTERMEDIATE) sa.intermediate?.sent(header, payloads)
  sa.window.requestSent(task, payloads, sealed, sa.runtime.now)
  transmit(sa, sealed, path)
  emitMessage(sa.runtime, sa.ref, 'out', path, { header, payloads, encrypted, bytes: octetsOf(sealed) })
}

/** Sends a request again under the next message id: what was agreed on about the ids has passed its own over. */
export function renumber(sa: IkeSa, { task, payloads }: PendingRequest): void {
  const header = headerOf(sa, task.exchangeType, false, sa.window.nextRequestId)
  const sealed = sealMessage(sa, header, payloads, sa.path)
  sa.window.requestSent(task, payloads, sealed, sa.runtime.now)
  transmit(sa, sealed, sa.path)
  const bytes = octetsOf(sealed)
  emitMessage(sa.runtime, sa.ref, 'out', sa.path, { header, payloads, encrypted: true, bytes })
}

/** Sends a message about message ids, which has the id 0 and no place in the window. Returns what was sent. RFC 6311 §5.1. */
export function sendSync(sa: IkeSa, response: boolean, payloads: readonly Payload[], path: Path): Sealed {
  const header = headerOf(sa, ExchangeType.INFORMATIONAL, response, 0)
  const sealed: Sealed = { datagrams: [sa.init!.protectOutbound.protect(header, payloads)], recut: undefined }
  transmit(sa, sealed, path)
  emitMessage(sa.runtime, sa.ref, 'out', path, { header, payloads, encrypted: true, bytes: octetsOf(sealed) })
  return sealed
}

/**
 * Answers a request, in packets of `mostBytes` octets if it can be cut. RFC 7296 §2.11: the answer goes to where the
 * request came from. Returns what was sent.
 */
export function sendResponse(
  sa: IkeSa,
  request: IkeHeader,
  payloads: readonly Payload[],
  path: Path,
  mostBytes: number,
): readonly Uint8Array[] {
  const header = headerOf(sa, request.exchangeType, true, request.messageId)
  const all = [...payloads, ...announcements(sa, request.exchangeType, payloads)]
  const sealed = sealMessage(sa, header, all, path, mostBytes)
  if (header.exchangeType === ExchangeType.IKE_INTERMEDIATE) {
    sa.intermediate?.sent(header, all)
    sa.intermediate?.finish()
  }
  sa.window.responded(request.messageId, sealed, sa.runtime.now)
  sa.runtime.leftovers.add(sa, sa.runtime.now)
  transmit(sa, sealed, path)
  emitMessage(sa.runtime, sa.ref, 'out', path, { header, payloads: all, encrypted: true, bytes: octetsOf(sealed) })
  return sealed.datagrams
}

/** Sends a request of ours again, in smaller packets when those of its size seem not to arrive. RFC 7383 §2.5.2. */
export function resend(sa: IkeSa, pending: PendingRequest): void {
  const { messageId, attempts, task } = pending
  if (attempts > WHOLE_ATTEMPTS && pending.sealed.recut !== undefined) {
    pending.sealed = smaller(pending.sealed)
    pending.wasCut = true
  }
  transmit(sa, pending.sealed, pathOfTransmission(sa, task, attempts))
  sa.runtime.emit({ kind: 'retransmit', sa: sa.ref, messageId, attempt: attempts - 1 })
}

/** Sends the response to a request that came before once more, to where it came from this time. */
export function repeatResponse(sa: IkeSa, messageId: number, path: Path): void {
  const response = sa.window.responseTo(messageId)
  if (response === undefined) return
  if (++response.repeats >= WHOLE_ATTEMPTS) response.sealed = smaller(response.sealed)
  transmit(sa, response.sealed, path)
}

function smaller(sealed: Sealed): Sealed {
  const datagrams = sealed.recut?.()
  return datagrams === undefined ? sealed : { datagrams, recut: undefined }
}

/** Sends what is ready to be sent. */
export function transmit(sa: IkeSa, { datagrams }: Sealed, { local, remote }: Path): void {
  for (const message of datagrams) sa.runtime.send(copyEndpoint(local), copyEndpoint(remote), message)
}

const octetsOf = ({ datagrams }: Sealed): number => datagrams.reduce((octets, { length }) => octets + length, 0)
