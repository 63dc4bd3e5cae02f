import { equalBytes } from '../bytes/index.ts'
import type { IpAddress } from '../ip/address.ts'
import type { UdpEncap, XfrmStateConfig, XfrmStateId } from '../xfrm/port.ts'
import type { OuterAddresses, PolicySubject } from './child-policies.ts'
import { type ChildSaState, childSaStates } from './child-sa-states.ts'
import type { ChildConfig, TrafficSelectorConfig } from './config.ts'
import type { ChildSaStatus, CloseReason } from './events.ts'
import { formatIdentity } from './identity.ts'
import type { IkeSa } from './ike-sa.ts'
import { type ChildKeys, wipeChildKeys } from './keymat.ts'
import type { ChosenProposal } from './proposal.ts'
import { Lifecycle } from './states.ts'
import { formatTrafficSelector } from './traffic-selector-text.ts'

const ESP = 50

/** What a negotiation settles for one CHILD_SA. `keys` are handed over and wiped once they are installed. */
export interface ChildAgreement {
  readonly config: ChildConfig
  /** Our side of the exchange that made it decides which keys are for which direction. */
  readonly role: 'initiator' | 'responder'
  readonly suite: ChosenProposal
  /** The SPI that the peer wants on packets to it. */
  readonly spiOut: number
  readonly keys: ChildKeys
  readonly localTs: readonly TrafficSelectorConfig[]
  readonly remoteTs: readonly TrafficSelectorConfig[]
}

/** One CHILD_SA: a pair of ESP states and its share in a set of policies. RFC 7296 §1.3, §2.9. */
export class ChildSa {
  readonly spiIn: number
  readonly #lifecycle = new Lifecycle<ChildSaState>(childSaStates, 'negotiating')
  #sa: IkeSa
  #agreement: ChildAgreement | undefined
  // Under what its states are installed: the IKE_SA's path may be elsewhere already.
  #inId: XfrmStateId
  #outId: XfrmStateId | undefined
  #reqid = 0
  #installedAt: number | undefined

  /** Takes an inbound SPI, so that it can be told to the peer. */
  constructor(sa: IkeSa) {
    const { runtime, path } = sa
    this.#sa = sa
    this.spiIn = runtime.takeChildSpi(path.local.address)
    this.#inId = { daddr: path.local.address, spi: this.spiIn, proto: ESP }
    runtime.xfrm.allocSpi({ ...this.#inId, saddr: path.remote.address, reqid: 0 })
    runtime.children.addInbound(this)
  }

  /** The IKE_SA that manages it: another one after a rekeying. */
  get sa(): IkeSa {
    return this.#sa
  }

  get state(): ChildSaState {
    return this.#lifecycle.state
  }

  get spiOut(): number {
    return this.#agreement?.spiOut ?? 0
  }

  /** Undefined until it is agreed on. */
  get config(): ChildConfig | undefined {
    return this.#agreement?.config
  }

  get reqid(): number {
    return this.#reqid
  }

  /** Where the packets of its inbound state come to. */
  get localAddress(): IpAddress {
    return this.#inId.daddr
  }

  /**
   * Installs policies and both states, inbound first: the peer may send as soon as it has our answer. The caller has checked
   * that the outbound SPI is free. Should it throw all the same, nothing of this CHILD_SA is left.
   */
  install(agreement: ChildAgreement): void {
    const { runtime, path, children } = this.sa
    const { local, remote } = path
    const { i2r, r2i } = directionsOf(agreement.keys)
    const [inbound, outbound] = agreement.role === 'initiator' ? [r2i, i2r] : [i2r, r2i]
    const outId = { daddr: remote.address, spi: agreement.spiOut, proto: ESP }
    try {
      this.#followLocal(local.address)
      this.#reqid = runtime.policies.acquire(this, this.#subject(agreement), this.#peerName(), this.#outer())
      const encapIn = { sport: remote.port, dport: local.port }
      runtime.xfrm.newSa(this.#stateConfig(agreement, 'in', this.#inId, remote.address, inbound, encapIn))
      const encapOut = { sport: local.port, dport: remote.port }
      runtime.xfrm.newSa(this.#stateConfig(agreement, 'out', outId, local.address, outbound, encapOut))
    } catch (error) {
      runtime.policies.release(this)
      this.remove('error')
      throw error
    } finally {
      wipeChildKeys(agreement.keys)
    }
    this.#agreement = agreement
    this.#outId = outId
    runtime.children.addOutbound(outId, this)
    this.#lifecycle.to('installed')
    this.#installedAt = runtime.now
    children.push(this)
    runtime.emit({ kind: 'child-established', sa: this.sa.ref, child: this.status() })
  }

  deleting(): void {
    this.#lifecycle.to('deleting')
  }

  /** Takes states, policies and the SPI back. */
  remove(reason: CloseReason): void {
    if (this.state === 'closed') return
    const { runtime, children, ref } = this.sa
    const status = this.status()
    runtime.xfrm.delSa(this.#inId)
    runtime.children.removeInbound(this)
    this.#lifecycle.to('closed')
    if (this.#outId === undefined) return
    runtime.xfrm.delSa(this.#outId)
    runtime.children.removeOutbound(this.#outId)
    runtime.policies.release(this)
    children.splice(children.indexOf(this), 1)
    runtime.emit({ kind: 'child-closed', sa: ref, child: { ...status, state: 'closed' }, reason })
  }

  /** Another IKE_SA inherits it: states, policies and keys stay as they are. RFC 7296 §2.8. */
  moveTo(sa: IkeSa): void {
    this.#sa = sa
    if (this.#agreement !== undefined) sa.children.push(this)
  }

  /** When the last packet of the peer came, in ms; -1 for never, or where nobody can tell. */
  get lastHeardAt(): number {
    return this.sa.runtime.xfrm.lastUsed?.(this.#inId) ?? -1
  }

  /** Our packets leave out `count` sequence numbers. RFC 6311 §5.2. */
  skipSequenceNumbers(count: number): void {
    if (this.#outId !== undefined) this.sa.runtime.xfrm.skipSequence?.(this.#outId, count)
  }

  /** False when another state already has our outbound SPI at that address. */
  canMoveTo(remote: IpAddress): boolean {
    return !this.sa.runtime.children.isTaken(remote, this.spiOut, this)
  }

  /** The IKE_SA's peer moved to where its path says; `canMoveTo` was asked before. */
  moved(): void {
    const { runtime, path } = this.sa
    const { local, remote } = path
    const from = this.#outId
    if (from === undefined) return
    const to = { ...from, daddr: remote.address }
    const [encapIn, encapOut] = [
      { sport: remote.port, dport: local.port },
      { sport: local.port, dport: remote.port },
    ]
    runtime.xfrm.updSa(this.#inId, { daddr: local.address, saddr: remote.address, encap: encapIn })
    runtime.xfrm.updSa(from, { daddr: remote.address, saddr: local.address, encap: encapOut })
    this.#inId = { ...this.#inId, daddr: local.address }
    runtime.children.removeOutbound(from)
    runtime.children.addOutbound(to, this)
    this.#outId = to
    runtime.policies.move(this, this.#outer())
  }

  status(): ChildSaStatus {
    const agreement = this.#agreement
    return {
      name: this.config?.name ?? '',
      state: this.state,
      reqid: this.#reqid,
      spiIn: this.spiIn,
      spiOut: this.spiOut,
      suite: agreement?.suite.suite ?? '',
      esn: agreement?.suite.esn ?? false,
      localTs: agreement?.localTs.map(formatTrafficSelector) ?? [],
      remoteTs: agreement?.remoteTs.map(formatTrafficSelector) ?? [],
      installedAt: this.#installedAt,
    }
  }

  #stateConfig(
    { config, suite }: ChildAgreement,
    direction: 'in' | 'out',
    id: XfrmStateId,
    saddr: IpAddress,
    { encr, integ }: DirectionKeys,
    encap: UdpEncap,
  ): XfrmStateConfig {
    return {
      ...id,
      direction,
      saddr,
      reqid: this.#reqid,
      mode: config.mode,
      encr: { id: suite.encr, ...encr },
      ...(integ === undefined ? {} : { integ: { id: suite.integ, key: integ } }),
      esn: suite.esn,
      replayWindow: config.replayWindow,
      encap,
      lifetime: config.lifetime,
      label: `${this.sa.connection.name}/${config.name}`,
    }
  }

  /** The SPI was taken before the answer came, perhaps to another of our addresses. */
  #followLocal(local: IpAddress): void {
    if (equalBytes(local, this.#inId.daddr)) return
    this.sa.runtime.xfrm.delSa(this.#inId)
    this.#inId = { ...this.#inId, daddr: local }
  }

  #subject({ config, localTs, remoteTs }: ChildAgreement): PolicySubject {
    return { connection: this.sa.connection.name, child: config.name, localTs, remoteTs }
  }

  #outer(): OuterAddresses {
    return { local: this.sa.path.local.address, remote: this.sa.path.remote.address }
  }

  // Two peers of one connection (road warriors) have policies of their own; one peer that came back shares them.
  #peerName(): string {
    const { remoteId } = this.sa
    return remoteId === undefined ? '' : formatIdentity(remoteId)
  }
}

interface DirectionKeys {
  readonly encr: { readonly key: Uint8Array; readonly salt: Uint8Array }
  readonly integ: Uint8Array | undefined
}

const directionsOf = (keys: ChildKeys): { i2r: DirectionKeys; r2i: DirectionKeys } => ({
  i2r: { encr: keys.encrI2R, integ: keys.integI2R },
  r2i: { encr: keys.encrR2I, integ: keys.integR2I },
})
