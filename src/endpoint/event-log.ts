import { formatIdentity } from '../ike/auth/identity.ts'
import type { ChildSaStatus, IkeEvent, IkeSaRef, MessageEvent } from '../ike/events.ts'
import { explainRefusal } from '../ike/explain/refusal-text.ts'
import { formatIp, formatRange, formatSocketAddress, type SocketAddress } from '../ip/index.ts'
import type { Log, LogLevel } from './log.ts'
import { RepeatLimiter } from './repeat-limiter.ts'

/** Turns the events of the IKE core into log lines. Lines that a peer can bring about at will are limited in number. */
export class EventLog {
  readonly #log: Log
  readonly #limiter = new RepeatLimiter()
  readonly #strangers = new RepeatLimiter(50)
  /** Ids of the IKE_SAs that stand: what becomes of others, a stranger brings about. */
  readonly #established = new Set<number>()

  constructor(log: Log) {
    this.#log = log
  }

  /** Writes one event. `now` (ms, monotonic) is for the limit on repeated lines. */
  write(event: IkeEvent, now: number): void {
    const log = this.#log
    switch (event.kind) {
      case 'message':
        if (log.enabled('debug')) log.write(this.#messageLevel(event, now), subject(event.sa), messageText(event))
        break
      case 'ike-established':
        this.#established.add(event.sa.id)
        log.write('info', subject(event.sa), establishedText(event))
        break
      case 'ike-rekeyed':
        log.write('info', subject(event.sa), `IKE_SA rekeyed, ${event.details.suite}`)
        break
      case 'ike-closed':
        this.#closed(event, now)
        break
      case 'configured':
        log.write('info', subject(event.sa), configuredText(event))
        for (const reason of event.ignored) {
          this.limited('warn', event.kind, subject(event.sa), `not used of what the peer gave us: ${reason}`, now)
        }
        break
      case 'assigned':
        log.write(
          'info',
          subject(event.sa),
          `the peer has ${event.addresses.map(formatIp).join(' and ') || 'no address'}`,
        )
        for (const reason of event.ignored ?? []) {
          this.limited('info', event.kind, subject(event.sa), `passed over of what the peer asked for: ${reason}`, now)
        }
        break
      case 'child-established':
        log.write('info', subject(event.sa), `CHILD_SA ${childText(event.child)} established`)
        break
      case 'child-rekeyed':
        log.write(
          'info',
          subject(event.sa),
          `CHILD_SA ${childText(event.child)} takes the place of ${spiText(event.old.spiIn)}`,
        )
        break
      case 'child-closed':
        log.write('info', subject(event.sa), `CHILD_SA ${event.child.name} closed (${closeReasons[event.reason]})`)
        break
      case 'refused':
        this.limited('warn', `refused ${event.refusal.kind}`, subject(event.sa), refusedText(event), now)
        break
      case 'internal-error':
        this.limited(
          'error',
          event.kind,
          subject(event.sa),
          `internal error, please report it: ${stackOf(event.error)}`,
          now,
        )
        break
      case 'remote-moved':
        log.write('info', subject(event.sa), `the peer moved${moveText(log, event.from, event.to)}`)
        break
      case 'local-moved':
        log.write('info', subject(event.sa), `we moved${moveText(log, event.from, event.to)}`)
        break
      case 'stream-opened':
        log.write('info', subject(event.sa), `goes over TCP${atText(log, event.remote)}`)
        break
      case 'stream-lost':
        log.write('warn', subject(event.sa), `the TCP connection is lost, not the IKE_SA: ${event.why}`)
        break
      case 'stream-refused':
        log.write('warn', subject(event.sa), `no TCP connection${atText(log, event.remote)}: ${event.why}`)
        break
      case 'redirected':
        log.write('info', subject(event.sa), `the gateway sends us to ${event.to}`)
        break
      case 'resolve':
        log.write('debug', subject(event.sa), `looking up ${event.name}`)
        break
      case 'ticket':
        log.write('debug', subject(event.sa), `ticket received, good for ${Math.round(event.lifetimeMs / 60_000)} min`)
        break
      case 'ticket-void':
        log.write('debug', subject(event.sa), 'ticket void')
        break
      case 'ticket-refused':
        log.write(
          'info',
          subject(event.sa),
          `the peer did not resume the session (${event.why}): a whole handshake follows`,
        )
        break
      case 'next-try':
        log.write('info', `${event.connection}/${event.child}`, `next try in ${Math.round(event.inMs / 1000)} s`)
        break
      case 'move-refused':
        this.limited('warn', event.kind, subject(event.sa), moveRefusedText(log, event), now)
        break
      case 'message-ids-agreed':
        log.write(
          'info',
          subject(event.sa),
          `message ids agreed on: ${event.nextSent} for our next request, ${event.nextReceived} for theirs`,
        )
        break
      case 'retransmit':
        log.write('info', subject(event.sa), retransmitText(event.messageId, event.attempt))
        break
      case 'dropped':
        this.limited('warn', event.reason, 'ike', `dropped a datagram: ${event.reason} (${event.detail})`, now)
        break
    }
  }

  /** Writes a line of a repeatable `kind` (a small fixed set); what exceeds the limit goes to the trace level. */
  limited(level: LogLevel, kind: string, subject: string, text: string, now: number): void {
    const suppressed = this.#limiter.admit(kind, now)
    if (suppressed < 0) {
      this.#log.write('trace', subject, text)
      return
    }
    const more = suppressed === 0 ? '' : `\n(${suppressed} more of the kind were not written)`
    this.#log.write(level, subject, text + more)
  }

  /** Messages that belong to no IKE_SA, which anybody may send, are written one by one only as far as they are few. */
  #messageLevel(event: MessageEvent, now: number): LogLevel {
    return event.sa === undefined && this.#strangers.admit('message', now) < 0 ? 'trace' : 'debug'
  }

  #closed(event: Extract<IkeEvent, { kind: 'ike-closed' }>, now: number): void {
    const [level, who, text] = closed(event)
    if (this.#established.delete(event.sa.id)) this.#log.write(level, who, text)
    else this.limited(level, `closed ${event.reason}`, who, text, now)
  }
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))

/** `connection[n]`, or `ike` when no SA is concerned. */
export function subject(sa: IkeSaRef | undefined): string {
  return sa === undefined ? 'ike' : `${sa.connection}[${sa.id}]`
}

const closeReasons = {
  local: 'deleted by us',
  peer: 'deleted by the peer',
  timeout: 'the peer does not answer',
  refused: 'refused',
  error: 'the peer broke the protocol',
  expired: 'its lifetime ended',
  replaced: 'another one has its place',
} as const

function closed(event: Extract<IkeEvent, { kind: 'ike-closed' }>): [LogLevel, string, string] {
  const ordinary = event.reason === 'local' || event.reason === 'peer' || event.reason === 'replaced'
  const text = `IKE_SA closed (${closeReasons[event.reason]})`
  // A refusal has its own event with the whole explanation; here one line is enough.
  const because = event.refusal === undefined ? '' : `: ${event.refusal.message}`
  return [ordinary ? 'info' : 'warn', subject(event.sa), text + because]
}

const retransmitText = (messageId: number, attempt: number): string =>
  `no answer to message ${messageId}, retransmission ${attempt}`

function establishedText(event: Extract<IkeEvent, { kind: 'ike-established' }>): string {
  const { role, localId, remoteId, suite, natLocal, natRemote, encap } = event.details
  const remote = remoteId === undefined ? 'an unnamed peer' : formatIdentity(remoteId)
  const notes = [
    encap ? `, ESP in ${event.details.remote.tcp === true ? 'TCP' : 'UDP'}` : '',
    natLocal ? ', we are behind a NAT' : '',
  ]
  // A peer that asks for UDP encapsulation looks the same as one behind a NAT.
  if (natRemote) notes.push(', the peer is behind a NAT or asks for UDP encapsulation')
  return `IKE_SA established as ${role}: ${formatIdentity(localId)} to ${remote}, ${suite}${notes.join('')}`
}

function configuredText(event: Extract<IkeEvent, { kind: 'configured' }>): string {
  const { addresses, dns, domains, subnets } = event
  const parts = [
    ['addresses', addresses.map(formatIp)],
    ['name servers', dns.map(formatIp)],
    ['domains', domains.map(({ name }) => name)],
    ['networks', subnets.map(formatRange)],
  ] as const
  const given = parts.filter(([, values]) => values.length > 0).map(([what, values]) => `${what} ${values.join(', ')}`)
  return `the peer gave us ${given.join('; ') || 'nothing'}`
}

function childText(child: ChildSaStatus): string {
  return `${child.name} (${child.localTs.join(', ')} to ${child.remoteTs.join(', ')}, ${child.suite}, SPI in ${spiText(child.spiIn)} out ${spiText(child.spiOut)})`
}

/** The peer's address stands in the line only where nothing else names the peer. */
function refusedText(event: Extract<IkeEvent, { kind: 'refused' }>): string {
  const who = event.sa === undefined ? `peer ${formatSocketAddress(event.remote)}: ` : ''
  return who + explainRefusal(event.refusal)
}

function moveRefusedText(log: Log, event: Extract<IkeEvent, { kind: 'move-refused' }>): string {
  const move = moveText(log, event.remote, event.to)
  return `the peer moved${move}, but its SPI ${spiText(event.spiOut)} is in use there: it is not followed`
}

const spiText = (value: number): string => (value >>> 0).toString(16).padStart(8, '0')

/** Addresses are for the debug level. */
const atText = (log: Log, at: SocketAddress): string => (log.enabled('debug') ? ` at ${formatSocketAddress(at)}` : '')

function moveText(log: Log, from: SocketAddress, to: SocketAddress): string {
  return log.enabled('debug') ? ` from ${formatSocketAddress(from)} to ${formatSocketAddress(to)}` : ''
}

/** One message as a line: `<- IKE_SA_INIT response 0 [SA, KE, Nr] 240 octets, 192.0.2.1:500`. */
export function messageText(event: MessageEvent): string {
  const arrow = event.direction === 'out' ? '->' : '<-'
  const kind = event.response ? 'response' : 'request'
  const payloads = event.encrypted ? `SK {${event.payloads.join(', ')}}` : event.payloads.join(', ')
  return `${arrow} ${event.exchange} ${kind} ${event.messageId} [${payloads}] ${event.bytes} octets, ${formatSocketAddress(event.remote)}`
}
