import { UsageError } from '../errors.ts'
import { formatIp } from '../ip/address.ts'
import type {
  LarvalState,
  XfrmPolicyConfig,
  XfrmPort,
  XfrmStateChange,
  XfrmStateConfig,
  XfrmStateId,
} from '../xfrm/port.ts'

/**
 * An SA and policy database without packets: tests ask it what IKE has installed. Keys are copied and duplicates are refused, as
 * the port demands. States are under `keyOf` of their id.
 */
export class RecordingXfrm implements XfrmPort {
  readonly carriesTransport = true
  /** Set by a test before anything is negotiated. */
  carriesPlainEsp = false
  readonly larval = new Map<string, LarvalState>()
  readonly states = new Map<string, XfrmStateConfig>()
  readonly policies = new Map<number, XfrmPolicyConfig>()
  /** Set by a test that wants packets to have used the states. */
  lastUsed?: (id: XfrmStateId) => number
  /** Sequence numbers that were left out, by the SPI of the state. */
  readonly skipped = new Map<number, number>()
  /** Every call by its verb, in order. */
  readonly calls: string[] = []

  /** `198.51.100.2/0x1a2b3c4d`: the destination and the SPI. */
  static keyOf({ daddr, spi }: Pick<XfrmStateId, 'daddr' | 'spi'>): string {
    return `${formatIp(daddr)}/0x${spi.toString(16).padStart(8, '0')}`
  }

  /** Forgets everything, calls too. */
  clear(): void {
    this.larval.clear()
    this.states.clear()
    this.policies.clear()
    this.skipped.clear()
    this.calls.length = 0
  }

  allocSpi(larval: LarvalState): void {
    this.calls.push('allocSpi')
    const key = RecordingXfrm.keyOf(larval)
    if (this.larval.has(key) || this.states.has(key)) throw duplicate(key)
    this.larval.set(key, larval)
  }

  newSa(state: XfrmStateConfig): void {
    this.calls.push('newSa')
    const key = RecordingXfrm.keyOf(state)
    // Only an inbound state may replace a larval one, which is inbound itself.
    if (this.states.has(key) || (this.larval.has(key) && state.direction !== 'in')) throw duplicate(key)
    this.larval.delete(key)
    this.states.set(key, structuredClone(state))
  }

  updSa(id: XfrmStateId, change: XfrmStateChange): void {
    this.calls.push('updSa')
    const from = RecordingXfrm.keyOf(id)
    const state = this.states.get(from)
    if (state === undefined) return
    const to = RecordingXfrm.keyOf({ ...id, ...change })
    if (to !== from && (this.larval.has(to) || this.states.has(to))) throw duplicate(to)
    this.states.delete(from)
    this.states.set(to, { ...state, ...change })
  }

  delSa(id: XfrmStateId): void {
    this.calls.push('delSa')
    this.larval.delete(RecordingXfrm.keyOf(id))
    this.states.delete(RecordingXfrm.keyOf(id))
  }

  skipSequence({ spi }: XfrmStateId, count: number): void {
    this.calls.push('skipSequence')
    this.skipped.set(spi, (this.skipped.get(spi) ?? 0) + count)
  }

  newPolicy(policy: XfrmPolicyConfig): void {
    this.calls.push('newPolicy')
    if (this.policies.has(policy.index)) throw new UsageError('index', `policy ${policy.index} is installed already`)
    this.policies.set(policy.index, policy)
  }

  updPolicy(policy: XfrmPolicyConfig): void {
    this.calls.push('updPolicy')
    this.policies.set(policy.index, policy)
  }

  delPolicy(index: number): void {
    this.calls.push('delPolicy')
    this.policies.delete(index)
  }
}

const duplicate = (key: string): UsageError => new UsageError('spi', `${key} is in use`)
