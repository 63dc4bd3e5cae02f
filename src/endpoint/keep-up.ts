import type { ConnectionConfig } from '../ike/config.ts'
import type { IkeEvent } from '../ike/events.ts'
import type { Endpoint } from './endpoint.ts'
import type { Log } from './log.ts'
import { NegotiationError } from './negotiation-error.ts'

const firstPauseMs = 5_000
const longestPauseMs = 300_000

/**
 * Brings up the children of `connection` that start by themselves, and again when the peer could not be reached or was lost:
 * after 5 s, then twice as long each time up to 5 minutes. A refusal is not tried again, because it would be the same;
 * neither is what the peer, or we, deleted.
 */
export function keepUp(endpoint: Endpoint, connection: ConnectionConfig, log: Log, isClosed: () => boolean): void {
  const [first, ...others] = connection.children.filter(({ startAction }) => startAction === 'start')
  if (first === undefined) return
  let pauseMs = firstPauseMs
  /** The IKE_SA that was brought up here, 0 for none. */
  let current = 0

  const attempt = async (): Promise<void> => {
    if (isClosed()) return
    try {
      const { sa } = await endpoint.initiate(connection.name, first.name)
      current = sa.id
      pauseMs = firstPauseMs
      // How these end is told by their own events; when the IKE_SA is lost, the retry takes them along.
      for (const { name } of others) endpoint.initiate(connection.name, name).catch(note)
    } catch (error) {
      note(error)
      if (!isClosed() && isUnreachable(error)) retry()
    }
  }
  const note = (error: unknown): void => {
    if (!isClosed() && !(error instanceof NegotiationError)) log.write('error', connection.name, String(error))
  }
  const retry = (): void => {
    log.write('info', connection.name, `next try in ${Math.round(pauseMs / 1000)} s`)
    setTimeout(() => void attempt(), pauseMs).unref()
    pauseMs = Math.min(2 * pauseMs, longestPauseMs)
  }
  endpoint.on('event', (event: IkeEvent) => {
    if (event.kind !== 'ike-closed' || event.sa.id !== current || event.reason !== 'timeout' || isClosed()) return
    current = 0
    retry()
  })
  void attempt()
}

/** Whether the peer may just be away: no answer, or no route to it. */
function isUnreachable(error: unknown): boolean {
  if (!(error instanceof NegotiationError)) return true
  return error.refusal?.kind === 'no-answer' || error.message.includes('(timeout)')
}
