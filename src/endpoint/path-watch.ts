import type { Datapath, ProbeReport } from '../datapath/index.ts'
import type { IkeEvent } from '../ike/events.ts'
import type { Xfrm, XfrmState } from '../xfrm/index.ts'
import type { EventLog } from './event-log.ts'

/** Has the paths of new CHILD_SAs probed, and tells in the log what is learnt of a path. */
export class PathWatch {
  readonly #xfrm: Xfrm
  readonly #log: EventLog
  readonly #probes: boolean

  /** `probes`: every new CHILD_SA's path is probed. */
  constructor(xfrm: Xfrm, log: EventLog, probes: boolean) {
    this.#xfrm = xfrm
    this.#log = log
    this.#probes = probes
  }

  /** Begins to probe when the event tells of a new CHILD_SA. */
  follow(event: IkeEvent, datapath: Datapath, now: number): void {
    if (!this.#probes || (event.kind !== 'child-established' && event.kind !== 'child-rekeyed')) return
    const { spiOut, reqid } = event.child
    for (const state of this.#xfrm.states()) {
      if (state.direction === 'out' && state.spi === spiOut && state.reqid === reqid) datapath.probe(state, now)
    }
  }

  lowered(state: XfrmState, now: number): void {
    const text = `the path of ${state.label} takes packets of ${state.pathMtu} octets, a router says`
    this.#log.limited('info', 'path-lowered', 'xfrm', text, now)
  }

  probed({ state, outcome, arrives, lost }: ProbeReport, now: number): void {
    const about = `the path of ${state.label}`
    if (outcome === 'clear') this.#log.limited('debug', outcome, 'xfrm', `${about} takes ${arrives} octets`, now)
    else if (outcome === 'unanswered') {
      this.#log.limited('debug', outcome, 'xfrm', `${about} cannot be probed: the peer does not answer`, now)
    } else {
      const text = `${about} takes packets of ${arrives} octets, and those of ${lost} vanish without a word`
      this.#log.limited('warn', outcome, 'xfrm', text, now)
    }
  }
}
