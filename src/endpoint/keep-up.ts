import type { ConnectionConfig } from '../ike/config.ts'
import type { IkeEvent } from '../ike/events.ts'
import type { Endpoint } from './endpoint.ts'
import type { Log } from './log.ts'
import { NegotiationError } from './negotiation-error.ts'

const firstPauseMs = 5_000
const longestPauseMs = 300_000

/** Who keeps connections up, and until when. */
interface Keeping {
  readonly endpoint: Endpoint
  readonly log: Log
  readonly isClosed: () => boolean
}

/**
 * Brings up the children of `connections` that start by themselves, and again when the peer could not be reached or was lost:
 * after 5 s, then twice as long each time up to 5 minutes; at once when a lifetime ended. A refusal is not tried again, because it would be the same;
 * neither is what the peer, or we, deleted.
 */
export function keepUp(connections: readonly ConnectionConfig[], keeping: Keeping): void {
  const keepers = connections.map((connection) => new Keeper(connection, keeping))
  // One listener for all: Node.js takes many for a leak.
  keeping.endpoint.on('event', (event) => {
    for (const keeper of keepers) keeper.notice(event)
  })
  for (const keeper of keepers) void keeper.attempt()
}

class Keeper {
  readonly #keeping: Keeping
  readonly #connection: string
  /** Names of the children that start by themselves. */
  readonly #children: readonly string[]
  #pauseMs = firstPauseMs
  /** The IKE_SA that was brought up here, 0 for none. */
  #current = 0

  constructor({ name, children }: ConnectionConfig, keeping: Keeping) {
    this.#keeping = keeping
    this.#connection = name
    this.#children = children.filter(({ startAction }) => startAction === 'start').map((child) => child.name)
  }

  async attempt(): Promise<void> {
    const { endpoint, isClosed } = this.#keeping
    const [first, ...others] = this.#children
    if (first === undefined || isClosed()) return
    try {
      const { sa } = await endpoint.initiate(this.#connection, first)
      this.#current = sa.id
      this.#pauseMs = firstPauseMs
      // How these end is told by their own events; when the IKE_SA is lost, the retry takes them along.
      for (const name of others) endpoint.initiate(this.#connection, name).catch((error) => this.#note(error))
    } catch (error) {
      this.#note(error)
      if (isUnreachable(error)) this.#retry()
    }
  }

  notice(event: IkeEvent): void {
    if (event.kind === 'child-closed' && event.reason === 'expired') this.#renew(event.sa.id, event.child.name)
    if (event.kind !== 'ike-closed' || event.sa.id !== this.#current || event.reason !== 'timeout') return
    this.#current = 0
    this.#retry()
  }

  /** A CHILD_SA reached the end of its lifetime, or of its sequence numbers: its traffic goes on through a new one. */
  #renew(ikeSa: number, child: string): void {
    const { endpoint, isClosed } = this.#keeping
    if (isClosed() || ikeSa !== this.#current || !this.#children.includes(child)) return
    endpoint.initiate(this.#connection, child).catch((error) => this.#note(error))
  }

  #note(error: unknown): void {
    const { log, isClosed } = this.#keeping
    if (!isClosed() && !(error instanceof NegotiationError)) log.write('error', this.#connection, String(error))
  }

  #retry(): void {
    const { log, isClosed } = this.#keeping
    if (isClosed()) return
    log.write('info', this.#connection, `next try in ${Math.round(this.#pauseMs / 1000)} s`)
    setTimeout(() => void this.attempt(), this.#pauseMs).unref()
    this.#pauseMs = Math.min(2 * this.#pauseMs, longestPauseMs)
  }
}

/** Whether the peer may just be away: no answer, or no route to it. */
function isUnreachable(error: unknown): boolean {
  if (!(error instanceof NegotiationError)) return true
  return error.refusal?.kind === 'no-answer' || error.message.includes('(timeout)')
}
