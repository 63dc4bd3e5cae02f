import type { SessionTraffic } from '../credentials/companion.ts'
import type { ChildSaStatus, IkeEvent } from '../ike/events.ts'
import { StatePhase, type XfrmState } from '../xfrm/index.ts'

/** Where states are looked up. */
export interface States {
  states(): Iterable<XfrmState>
}

interface Counted {
  inputOctets: number
  inputPackets: number
  outputOctets: number
  outputPackets: number
  /** Of CHILD_SAs that carry traffic, or did until lately. */
  readonly states: Set<XfrmState>
}

/** Sums the counters of each IKE_SA's CHILD_SAs over rekeying: a state that is gone has counted for the last time, and stays in the sum. */
export class SessionTrafficBook {
  readonly #xfrm: States
  readonly #bySa = new Map<number, Counted>()

  constructor(xfrm: States) {
    this.#xfrm = xfrm
  }

  /** Told of every event, before those who ask. */
  notice(event: IkeEvent): void {
    if (event.kind === 'child-established' || event.kind === 'child-rekeyed') this.#count(event.sa.id, event.child)
  }

  /** The sums so far; zeros for an IKE_SA that had no CHILD_SA. */
  of(ikeSaId: number): SessionTraffic {
    const counted = this.#bySa.get(ikeSaId)
    if (counted === undefined) return nothing
    settle(counted)
    const sum = { ...pick(counted) }
    for (const state of counted.states) add(sum, state)
    return sum
  }

  /** Nobody asks for this IKE_SA again. */
  forget(ikeSaId: number): void {
    this.#bySa.delete(ikeSaId)
  }

  #count(id: number, { spiIn, spiOut, reqid }: ChildSaStatus): void {
    let counted = this.#bySa.get(id)
    if (counted === undefined) {
      counted = { ...nothing, states: new Set() }
      this.#bySa.set(id, counted)
    }
    settle(counted)
    for (const state of this.#xfrm.states()) {
      if (state.reqid !== reqid || state.phase !== StatePhase.VALID) continue
      if (state.spi === (state.direction === 'in' ? spiIn : spiOut)) counted.states.add(state)
    }
  }
}

const nothing: SessionTraffic = Object.freeze({ inputOctets: 0, inputPackets: 0, outputOctets: 0, outputPackets: 0 })

const pick = ({ inputOctets, inputPackets, outputOctets, outputPackets }: Counted) => ({
  ...{ inputOctets, inputPackets, outputOctets, outputPackets },
})

/** Those that are gone become numbers. */
function settle(counted: Counted): void {
  for (const state of counted.states) {
    if (state.phase !== StatePhase.DEAD) continue
    add(counted, state)
    counted.states.delete(state)
  }
}

type Sum = { -readonly [Name in keyof SessionTraffic]: number }

function add(sum: Sum, { direction, bytes, packets }: XfrmState): void {
  if (direction === 'in') {
    sum.inputOctets += bytes
    sum.inputPackets += packets
  } else {
    sum.outputOctets += bytes
    sum.outputPackets += packets
  }
}
