import { wipe } from '../bytes/index.ts'
import type { IpAddress } from '../ip/address.ts'
import type { XfrmStateConfig, XfrmStateId } from '../xfrm/port.ts'
import { type OuterAddresses, policyKey } from './child-policies.ts'
import { type ChildSaState, childSaStates } from './child-sa-states.ts'
import type { ChildConfig, TrafficSelectorConfig } from './config.ts'
import type { ChildSaStatus, CloseReason } from './events.ts'
import { formatIdentity } from './identity.ts'
import type { IkeSa } from './ike-sa.ts'
import type { ChildKeys } from './keymat.ts'
import type { ChosenProposal } from './proposal.ts'
import { Lifecycle } from './states.ts'
import { toXfrmSelectors } from './traffic-selector.ts'
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
  readonly #sa: IkeSa
  readonly #lifecycle = new Lifecycle<ChildSaState>(childSaStates, 'negotiating')
  #agreement: ChildAgreement | undefined
  #policyKey = ''
  #reqid = 0
  #installedAt: number | undefined

  /** Takes an inbound SPI, so that it can be told to the peer. */
  constructor(sa: IkeSa) {
    this.#sa = sa
    this.spiIn = sa.runtime.takeChildSpi()
    const { local, remote } = this.#outer()
    sa.runtime.xfrm.allocSpi({ daddr: local, spi: this.spiIn, proto: ESP, saddr: remote, reqid: 0 })
  }

  get state(): ChildSaState {
    return this.#lifecycle.state
  }

  get spiOut(): number {
    return this.#agreement?.spiOut ?? 0
  }

  get configName(): string {
    return this.#agreement?.config.name ?? ''
  }

  /** Installs policies and both states, inbound first: the peer may send as soon as it has our answer. */
  install(agreement: ChildAgreement): void {
    const { runtime, path, connection } = this.#sa
    const { config, keys, localTs, remoteTs } = agreement
    const label = `${connection.name}/${config.name}`
    this.#agreement = agreement
    this.#policyKey = policyKey(label, localTs, remoteTs, this.#peerName())
    const selectors = {
      inbound: toXfrmSelectors(localTs, remoteTs, 'in'),
      outbound: toXfrmSelectors(localTs, remoteTs, 'out'),
    }
    this.#reqid = runtime.policies.acquire(this.#policyKey, label, selectors, this.#outer())
    const [inbound, outbound] =
      agreement.role === 'initiator'
        ? [
            { encr: keys.encrR2I, integ: keys.integR2I },
            { encr: keys.encrI2R, integ: keys.integI2R },
          ]
        : [
            { encr: keys.encrI2R, integ: keys.integI2R },
            { encr: keys.encrR2I, integ: keys.integR2I },
          ]
    const { local, remote } = path
    runtime.xfrm.newSa(
      this.#stateConfig(label, 'in', this.#inId(), remote.address, inbound, { sport: remote.port, dport: local.port }),
    )
    runtime.xfrm.newSa(
      this.#stateConfig(label, 'out', this.#outId(), local.address, outbound, {
        sport: local.port,
        dport: remote.port,
      }),
    )
    runtime.takeOutboundSpi(remote.address, agreement.spiOut)
    for (const key of [inbound, outbound]) wipe(key.encr.key, key.encr.salt, key.integ)
    this.#lifecycle.to('installed')
    this.#installedAt = runtime.now
    this.#sa.children.push(this)
    runtime.emit({ kind: 'child-established', sa: this.#sa.ref, child: this.status() })
  }

  deleting(): void {
    this.#lifecycle.to('deleting')
  }

  /** Takes states, policies and the SPI back. */
  remove(reason: CloseReason): void {
    if (this.state === 'closed') return
    const { runtime, children, ref } = this.#sa
    const wasInstalled = this.#agreement !== undefined
    const status = this.status()
    runtime.xfrm.delSa(this.#inId())
    if (wasInstalled) {
      runtime.xfrm.delSa(this.#outId())
      runtime.releaseOutboundSpi(this.#sa.path.remote.address, this.spiOut)
      runtime.policies.release(this.#policyKey)
      children.splice(children.indexOf(this), 1)
    }
    runtime.releaseChildSpi(this.spiIn)
    this.#lifecycle.to('closed')
    if (wasInstalled) runtime.emit({ kind: 'child-closed', sa: ref, child: { ...status, state: 'closed' }, reason })
  }

  /** The IKE_SA's peer moved from `oldRemote` to where its path says. */
  moved(oldRemote: IpAddress): void {
    const { runtime, path } = this.#sa
    const { local, remote } = path
    runtime.xfrm.updSa(this.#inId(), {
      saddr: remote.address,
      encap: { sport: remote.port, dport: local.port },
    })
    runtime.xfrm.updSa(
      { daddr: oldRemote, spi: this.spiOut, proto: ESP },
      { daddr: remote.address, encap: { sport: local.port, dport: remote.port } },
    )
    runtime.releaseOutboundSpi(oldRemote, this.spiOut)
    runtime.takeOutboundSpi(remote.address, this.spiOut)
    runtime.policies.move(this.#policyKey, this.#outer())
  }

  status(): ChildSaStatus {
    const agreement = this.#agreement
    return {
      name: this.configName,
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
    label: string,
    direction: 'in' | 'out',
    id: XfrmStateId,
    saddr: IpAddress,
    keys: {
      readonly encr: { readonly key: Uint8Array; readonly salt: Uint8Array }
      readonly integ: Uint8Array | undefined
    },
    encap: { readonly sport: number; readonly dport: number },
  ): XfrmStateConfig {
    const { config, suite } = this.#agreement!
    return {
      ...id,
      direction,
      saddr,
      reqid: this.#reqid,
      mode: config.mode,
      encr: { id: suite.encr, ...keys.encr },
      ...(keys.integ === undefined ? {} : { integ: { id: suite.integ, key: keys.integ } }),
      esn: suite.esn,
      replayWindow: config.replayWindow,
      encap,
      lifetime: config.lifetime,
      label,
    }
  }

  #inId(): XfrmStateId {
    return { daddr: this.#sa.path.local.address, spi: this.spiIn, proto: ESP }
  }

  #outId(): XfrmStateId {
    return { daddr: this.#sa.path.remote.address, spi: this.spiOut, proto: ESP }
  }

  #outer(): OuterAddresses {
    return { local: this.#sa.path.local.address, remote: this.#sa.path.remote.address }
  }

  // Two peers of one connection (road warriors) have policies of their own; one peer that came back shares them.
  #peerName(): string {
    const { remoteId } = this.#sa
    return remoteId === undefined ? '' : formatIdentity(remoteId)
  }
}
