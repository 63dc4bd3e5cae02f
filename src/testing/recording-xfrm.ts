import type {
  LarvalState,
  XfrmPolicyConfig,
  XfrmPort,
  XfrmStateChange,
  XfrmStateConfig,
  XfrmStateId,
} from '../xfrm/port.ts'

/** An SA and policy database without packets: tests ask it what IKE has installed. Keys are copied, as the port demands. */
export class RecordingXfrm implements XfrmPort {
  readonly larval = new Map<number, LarvalState>()
  readonly states = new Map<number, XfrmStateConfig>()
  readonly policies = new Map<number, XfrmPolicyConfig>()
  /** Every call by its verb, in order. */
  readonly calls: string[] = []

  allocSpi(larval: LarvalState): void {
    this.calls.push('allocSpi')
    this.larval.set(larval.spi, larval)
  }

  newSa(state: XfrmStateConfig): void {
    this.calls.push('newSa')
    this.larval.delete(state.spi)
    this.states.set(state.spi, structuredClone(state))
  }

  updSa(id: XfrmStateId, change: XfrmStateChange): void {
    this.calls.push('updSa')
    const state = this.states.get(id.spi)
    if (state !== undefined) this.states.set(id.spi, { ...state, ...change })
  }

  delSa(id: XfrmStateId): void {
    this.calls.push('delSa')
    this.larval.delete(id.spi)
    this.states.delete(id.spi)
  }

  newPolicy(policy: XfrmPolicyConfig): void {
    this.calls.push('newPolicy')
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
