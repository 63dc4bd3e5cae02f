import type { SocketAddress } from '../ip/address.ts'
import { ExchangeType, encodeMessage, type IkeHeader, type Payload } from './codec/index.ts'
import type { IkeSa } from './ike-sa.ts'
import { emitMessage } from './message-event.ts'
import type { PendingRequest } from './message-window.ts'
import { pathOfTransmission } from './path-changes.ts'
import { copyEndpoint, type Path } from './runtime.ts'
import type { Task } from './task.ts'
import { announceWindow } from './window-size.ts'

const NO_SPI = new Uint8Array(8)

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
  const encrypted = task.exchangeType !== ExchangeType.IKE_SA_INIT
  if (encrypted) payloads.push(...announceWindow(sa, payloads))
  const datagrams = encrypted ? protect(sa, header, payloads) : [encodeMessage(header, payloads)]
  sa.window.requestSent(task, datagrams, sa.runtime.now)
  const path = pathOfTransmission(sa, task, 1)
  transmit(sa, datagrams, path.local, path.remote)
  emitMessage(sa.runtime, sa.ref, 'out', path, { header, payloads, encrypted, bytes: octetsOf(datagrams) })
}

/** Answers a request. RFC 7296 §2.11: the answer goes to where the request came from. Returns what was sent. */
export function sendResponse(
  sa: IkeSa,
  request: IkeHeader,
  payloads: readonly Payload[],
  path: Path,
): readonly Uint8Array[] {
  const header = headerOf(sa, request.exchangeType, true, request.messageId)
  const all = [...payloads, ...announceWindow(sa, payloads)]
  const datagrams = protect(sa, header, all)
  if (header.exchangeType === ExchangeType.IKE_INTERMEDIATE) sa.intermediate?.finish()
  sa.window.responded(request.messageId, datagrams)
  transmit(sa, datagrams, path.local, path.remote)
  emitMessage(sa.runtime, sa.ref, 'out', path, {
    header,
    payloads: all,
    encrypted: true,
    bytes: octetsOf(datagrams),
  })
  return datagrams
}

/** Sends a request of ours again. */
export function resend(sa: IkeSa, pending: PendingRequest): void {
  const { messageId, attempts, task } = pending
  const path = pathOfTransmission(sa, task, attempts)
  transmit(sa, pending.datagrams, path.local, path.remote)
  sa.runtime.emit({ kind: 'retransmit', sa: sa.ref, messageId, attempt: attempts - 1 })
}

/** Sends the response to a request that came before once more, to where it came from this time. */
export function repeatResponse(sa: IkeSa, messageId: number, path: Path): void {
  transmit(sa, sa.window.responseTo(messageId) ?? [], path.local, path.remote)
}

function protect(sa: IkeSa, header: IkeHeader, payloads: readonly Payload[]): readonly Uint8Array[] {
  if (header.exchangeType === ExchangeType.IKE_INTERMEDIATE) sa.intermediate?.sent(header, payloads)
  return [sa.init!.protectOutbound.protect(header, payloads)]
}

function transmit(sa: IkeSa, datagrams: readonly Uint8Array[], local: SocketAddress, remote: SocketAddress): void {
  for (const message of datagrams) sa.runtime.send(copyEndpoint(local), copyEndpoint(remote), message)
}

const octetsOf = (datagrams: readonly Uint8Array[]): number =>
  datagrams.reduce((octets, { length }) => octets + length, 0)
