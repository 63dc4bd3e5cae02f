import { answersOf, eapSessions } from '../credentials/answers.ts'
import { AddressPools, type PoolStatus } from '../credentials/pool.ts'
import type { IkeEvent } from '../ike/events.ts'
import type { Asks } from '../ike/runtime.ts'
import { LeaseFile } from './lease-store.ts'
import type { Log } from './log.ts'
import { OpenEap } from './open-eap.ts'
import type { EndpointOptions } from './options.ts'

/**
 * Who answers the core's questions: the option `answers` first, then the handles of the configuration, the pools with their leases, and the
 * program's own policy.
 */
export class OwnAnswers {
  readonly answer: NonNullable<EndpointOptions['answers']>
  /** Which questions are asked only because the program wants them. */
  readonly asks: Asks
  readonly #pools: AddressPools | undefined
  readonly #leases: LeaseFile | undefined
  readonly #openEap: OpenEap

  /** Throws `PlatformError` when the leases cannot be read, `UsageError` for pools that do not fit together. */
  constructor(options: EndpointOptions, log: Log) {
    const { pools = [], leaseFile, authorize, assignAddress, selectChild } = options
    this.#leases = pools.length === 0 || leaseFile === undefined ? undefined : new LeaseFile(leaseFile, log)
    this.#pools = pools.length === 0 ? undefined : new AddressPools(pools, this.#leases)
    this.asks = {
      authorize: authorize !== undefined,
      assign: assignAddress !== undefined,
      selectChild: selectChild !== undefined,
      ...options.asks,
    }
    const policy = {
      ...(authorize === undefined ? {} : { authorize }),
      ...(assignAddress === undefined ? {} : { assignAddress }),
      ...(selectChild === undefined ? {} : { selectChild }),
    }
    const eapSession = eapSessions()
    this.#openEap = new OpenEap(eapSession)
    const answer = answersOf({
      eapSession,
      ...(this.#pools === undefined ? {} : { pools: this.#pools }),
      policy,
      onError: (kind, error) => {
        const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
        log.write('error', 'policy', `the question "${kind}" met an error: ${detail}`)
      },
    })
    this.answer = (question, ask) => {
      const own = options.answers?.(question, ask)
      if (own !== undefined) return own
      this.#openEap.asked(ask)
      return answer(question)
    }
  }

  /** Told of every event: addresses that nobody has any more are free, conversations of EAP that nobody goes on with over. */
  notice(event: IkeEvent): void {
    this.#openEap.notice(event)
    const isEnd = event.kind === 'ike-closed' || event.kind === 'unassigned'
    if (isEnd && event.addresses !== undefined) this.#pools?.release(event.addresses)
  }

  status(): PoolStatus[] {
    return this.#pools?.status() ?? []
  }

  /** Writes the leases. */
  async close(): Promise<void> {
    await this.#leases?.close()
  }
}
