import { equalBytes, wipe } from '../bytes/index.ts'
import type { IpAddress } from '../ip/address.ts'
import type { XfrmLifetime, XfrmStateId } from '../xfrm/port.ts'
import { lifetimeOf } from './child-lifetime.ts'
import type { OuterAddresses, PolicySubject } from './child-policies.ts'
import { type ChildSaState, childSaStates } from './child-sa-states.ts'
import type { ChildTerms } from './child-terms.ts'
import type { ChildConfig } from './config.ts'
import type { ChildSaStatus, CloseReason, IkeEvent } from './events.ts'
import { formatIdentity } from './identity.ts'
import type { IkeSa } from './ike-sa.ts'
import { type ChildKeys, wipeChildKeys } from './keymat.ts'
import type { ChosenProposal } from './proposal.ts'
import { Lifecycle } from './states.ts'
import { sameSelectors } from './traffic-selector.ts'
import { formatTrafficSelector } from './traffic-selector-text.ts'

const ESP = 50

/** What a negotiation settles for one CHILD_SA. `keys` are handed over and wiped once they are installed. */
export interface ChildAgreement extends ChildTerms {
  readonly config: ChildConfig
  /** Our side of the exchange that made it decides which keys are for which direction. */
  readonly role: 'initiator' | 'responder'
  readonly suite: ChosenProposal
  /** The SPI that the peer wants on packets to it. */
  readonly spiOut: number
  readonly keys: ChildKeys
  /** The CHILD_SA in whose place it is made. RFC 7296 §2.8. */
  readonly replaces?: ChildSa | undefined
}

/** What stays of it. */
type Settled = Omit<ChildAgreement, 'keys'>

/** An exchange of the peer that rekeys a CHILD_SA. */
export interface TheirRekey {
  /** Copied. */
  readonly Ni: Uint8Array
  readonly Nr: Uint8Array
  /** What it made; undefined while additional key exchanges are under way. */
  child: ChildSa | undefined
}

/** How long packets that are under way are taken after a CHILD_SA was replaced and deleted. */
export const LINGER_MS = 5_000

/** So many replaced ones of an IKE_SA linger, for a peer that rekeys without a pause; the oldest goes first. */
const MOST_LINGERING = 64

/**
 * One CHILD_SA: a pair of ESP states and its share in a set of policies. Which of several for the same traffic sends, and
 * what users are told of it, is decided in `child-succession.ts`. RFC 7296 §1.3, §2.8, §2.9.
 */
export class ChildSa {
  readonly spiIn: number
  /** What takes its place, or has done so. */
  replacement: ChildSa | undefined
  /** The peer's exchange that is to replace it, once we have agreed to that. */
  theirRekey: TheirRekey | undefined
  /** It is the one that users know: they were told that it stands, and not that it closed or was rekeyed. */
  announced = false
  /** Our own exchange that is to replace it is under way. */
  beingRekeyed = false
  /** It is to be rekeyed: at once when it goes on after all. */
  rekeyDue = false
  /** Why our DELETE went out. */
  deletedFor: CloseReason | undefined
  /** How often the peer had no time to rekey it. */
  busyTries = 0
  readonly #lifecycle = new Lifecycle<ChildSaState>(childSaStates, 'negotiating')
  #sa: IkeSa
  #agreement: Settled | undefined
  // Under what its states are installed: the IKE_SA's path may be elsewhere already.
  #inId: XfrmStateId
  #outId: XfrmStateId | undefined
  /** What the outbound state needs, until that is installed. */
  #waiting: { readonly keys: DirectionKeys; readonly lifetime: XfrmLifetime } | undefined
  #reqid = 0
  #installedAt: number | undefined
  #closing: Extract<IkeEvent, { kind: 'child-closed' }> | undefined

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

  get installedAt(): number | undefined {
    return this.#installedAt
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

  /** What was negotiated; undefined until then. */
  get agreement(): Settled | undefined {
    return this.#agreement
  }

  get reqid(): number {
    return this.#reqid
  }

  /** Neither closed nor on its way there. */
  get isAlive(): boolean {
    return this.state === 'receiving' || this.state === 'installed' || this.state === 'rekeyed'
  }

  /** Its outbound state is installed. */
  get sends(): boolean {
    return this.#outId !== undefined && this.#waiting === undefined
  }

  /** Where the packets of its inbound state come to. */
  get localAddress(): IpAddress {
    return this.#inId.daddr
  }

  /**
   * Installs policies and both states, inbound first: the peer may send as soon as it has our answer. With `maySend` false the
   * outbound state waits for `startSending`, and so it does at a responder whose packets another one carries: whether the
   * initiator has our answer is not known yet. The caller has checked that the outbound SPI is free. Should it throw all
   * the same, nothing of this CHILD_SA is left.
   */
  install({ keys, ...agreed }: ChildAgreement, maySend: boolean): void {
    const { runtime, path, children } = this.sa
    const agreement = this.#shareParts(agreed)
    const { config, suite } = agreement
    const lifetime = lifetimeOf(config, suite.esn, runtime.random)
    const { i2r, r2i } = directionsOf(keys)
    const [inbound, outbound] = agreement.role === 'initiator' ? [r2i, i2r] : [i2r, r2i]
    const outId = { daddr: path.remote.address, spi: agreement.spiOut, proto: ESP }
    let sends = maySend
    try {
      this.#followLocal(path.local.address)
      const { replaces } = agreement
      this.#reqid = runtime.policies.acquire(this, this.#subject(agreement), this.#peerName(), this.#outer(), replaces)
      // The peer cannot take its packets before it has our answer, and takes those of the other one until it deletes that.
      if (agreement.role === 'responder' && this.siblings.some((one) => one.sends)) sends = false
      this.#installIn(agreement, inbound, lifetime)
      if (sends) this.#installOut(agreement, outId, outbound, lifetime)
    } catch (error) {
      wipeChildKeys(keys)
      runtime.policies.release(this)
      this.remove('error')
      throw error
    }
    if (sends) wipeChildKeys(keys)
    else wipeDirection(inbound)
    this.#agreement = agreement
    this.#outId = outId
    this.#waiting = sends ? undefined : { keys: outbound, lifetime }
    runtime.children.addOutbound(outId, this)
    this.#lifecycle.to(sends ? 'installed' : 'receiving')
    this.#installedAt = runtime.now
    children.push(this)
  }

  /** The other CHILD_SAs for the same traffic, of any IKE_SA, oldest first. */
  get siblings(): ChildSa[] {
    return this.sa.runtime.policies.othersOf(this).filter((user) => user instanceof ChildSa)
  }

  /** Installs the outbound state as well: the newest of its reqid is the one that packets find. */
  startSending(): void {
    if (this.#waiting === undefined) return
    const { keys, lifetime } = this.#waiting
    this.#installOut(this.#agreement!, this.#outId!, keys, lifetime)
    wipeDirection(keys)
    this.#waiting = undefined
    this.sa.childTimers.clear(this)
    this.#lifecycle.to('installed')
    if (this.rekeyDue) this.sa.childTimers.set(this, this.sa.runtime.now)
  }

  /** Another one takes its place. */
  rekeyedBy(replacement: ChildSa): void {
    this.replacement = replacement
    if (this.state === 'installed') this.#lifecycle.to('rekeyed')
  }

  /** What was to take its place is gone. */
  reinstate(): void {
    const { runtime, childTimers } = this.sa
    this.replacement = undefined
    this.theirRekey = undefined
    if (this.state === 'rekeyed') this.#lifecycle.to('installed')
    if (this.rekeyDue && this.state === 'installed') childTimers.set(this, runtime.now)
  }

  /** Our DELETE goes out, for this reason. */
  deleting(reason: CloseReason): void {
    this.#lifecycle.to('deleting')
    this.deletedFor = reason
  }

  /** Others carry its traffic, and it is deleted: `on` keeps it while it takes what is still under way. */
  linger(on: IkeSa): void {
    this.#lifecycle.to('deleted')
    this.#leave()
    this.sa.childTimers.clear(this)
    this.#sa = on
    on.lingering.push(this)
    on.childTimers.set(this, on.runtime.now + LINGER_MS)
    if (on.lingering.length > MOST_LINGERING) on.lingering[0]!.remove('local')
  }

  /** Takes states, policies and the SPI back; users who know it are told. */
  remove(reason: CloseReason): void {
    if (this.state === 'closed') return
    const { runtime, lingering, childTimers } = this.sa
    const lingered = this.state === 'deleted'
    runtime.xfrm.delSa(this.#inId)
    runtime.children.removeInbound(this)
    // Else each would keep the one before it, and that one its own, for as long as there is any.
    if (this.#agreement !== undefined) this.#agreement = { ...this.#agreement, replaces: undefined }
    childTimers.clear(this)
    this.#lifecycle.to('closed')
    if (lingered) lingering.splice(lingering.indexOf(this), 1)
    else this.#leave()
    this.tellClosed(reason)
  }

  /** Users who know it are told that it has closed: at once, or when nothing came of what was to replace it. */
  tellClosed(reason: CloseReason): void {
    const child = { ...this.status(), state: 'closed' }
    this.#closing = { kind: 'child-closed', sa: this.sa.ref, child, reason }
    if (!this.beingRekeyed) this.rekeyEnded()
  }

  /** Our own exchange to replace it is over, or there was none. */
  rekeyEnded(): void {
    this.beingRekeyed = false
    if (this.#closing === undefined) return
    if (this.announced) this.sa.runtime.emit(this.#closing)
    this.announced = false
    this.#closing = undefined
  }

  /** Another IKE_SA inherits it: states, policies and keys stay as they are. RFC 7296 §2.8. */
  moveTo(sa: IkeSa): void {
    const { childTimers } = this.sa
    const at = childTimers.at(this)
    childTimers.clear(this)
    this.#sa = sa
    if (at !== undefined) sa.childTimers.set(this, at)
    if (this.#agreement !== undefined) (this.state === 'deleted' ? sa.lingering : sa.children).push(this)
  }

  /** When the last packet of the peer came, in ms; -1 for never, or where nobody can tell. */
  get lastHeardAt(): number {
    return this.sa.runtime.xfrm.lastUsed?.(this.#inId) ?? -1
  }

  /** Our packets leave out `count` sequence numbers. RFC 6311 §5.2. */
  skipSequenceNumbers(count: number): void {
    if (this.#outId !== undefined) this.sa.runtime.xfrm.skipSequence(this.#outId, count)
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
    if (this.sends) runtime.xfrm.updSa(from, { daddr: remote.address, saddr: local.address, encap: encapOut })
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
      mode: agreement?.mode ?? 'tunnel',
      moreTs: agreement?.moreTs ?? false,
      peerTakesTfc: agreement?.peerTakesTfc ?? true,
      installedAt: this.#installedAt,
    }
  }

  #installIn(agreement: Settled, keys: DirectionKeys, lifetime: XfrmLifetime): void {
    const { runtime, path } = this.sa
    const { local, remote } = path
    const encap = { sport: remote.port, dport: local.port }
    const { replayWindow } = agreement.config
    const id = this.#inId
    runtime.xfrm.newSa({
      ...id,
      direction: 'in',
      saddr: remote.address,
      replayWindow,
      encap,
      ...this.#common(agreement, keys, lifetime),
    })
  }

  #installOut(agreement: Settled, id: XfrmStateId, keys: DirectionKeys, lifetime: XfrmLifetime): void {
    const { runtime, path } = this.sa
    const { local, remote } = path
    const encap = { sport: local.port, dport: remote.port }
    const { replayWindow } = agreement.config
    runtime.xfrm.newSa({
      ...id,
      direction: 'out',
      saddr: local.address,
      replayWindow,
      encap,
      ...this.#common(agreement, keys, lifetime),
    })
  }

  /** What the states of both directions have alike. */
  #common({ config, suite, mode }: Settled, { encr, integ }: DirectionKeys, lifetime: XfrmLifetime) {
    return {
      reqid: this.#reqid,
      mode,
      encr: { id: suite.encr, ...encr },
      ...(integ === undefined ? {} : { integ: { id: suite.integ, key: integ } }),
      esn: suite.esn,
      lifetime,
      label: `${this.sa.connection.name}/${config.name}`,
    }
  }

  /** Leaves the ranks of the IKE_SA's CHILD_SAs: no outbound state, no policies. */
  #leave(): void {
    const { runtime, children } = this.sa
    if (this.#outId === undefined) return
    if (this.sends) runtime.xfrm.delSa(this.#outId)
    if (this.#waiting !== undefined) wipeDirection(this.#waiting.keys)
    this.#waiting = undefined
    runtime.children.removeOutbound(this.#outId)
    this.#outId = undefined
    runtime.policies.release(this)
    children.splice(children.indexOf(this), 1)
  }

  /** The SPI was taken before the answer came, perhaps to another of our addresses. */
  #followLocal(local: IpAddress): void {
    if (equalBytes(local, this.#inId.daddr)) return
    this.sa.runtime.xfrm.delSa(this.#inId)
    this.#inId = { ...this.#inId, daddr: local }
  }

  /** The same with what many CHILD_SAs have alike in one place. */
  #shareParts(agreement: Settled): Settled {
    const { config, suite, localTs, remoteTs } = agreement
    return {
      ...agreement,
      suite: this.sa.runtime.suites.share(suite),
      localTs: sameSelectors(localTs, config.localTs) ? config.localTs : localTs,
      remoteTs: sameSelectors(remoteTs, config.remoteTs) ? config.remoteTs : remoteTs,
    }
  }

  #subject({ config, localTs, remoteTs, mode }: Settled): PolicySubject {
    return { connection: this.sa.connection.name, child: config.name, localTs, remoteTs, mode }
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

const wipeDirection = ({ encr, integ }: DirectionKeys): void => wipe(encr.key, encr.salt, integ)

const directionsOf = (keys: ChildKeys): { i2r: DirectionKeys; r2i: DirectionKeys } => ({
  i2r: { encr: keys.encrI2R, integ: keys.integI2R },
  r2i: { encr: keys.encrR2I, integ: keys.integR2I },
})
