import type { IpAddress } from '../../ip/address.ts'
import { formatIdentity } from '../auth/identity.ts'
import type { ChildConfig } from '../config.ts'
import type { ChildSaStatus, CloseReason, IkeEvent } from '../events.ts'
import type { IkeSa } from '../ike-sa.ts'
import { wipeChildKeys } from '../keys/keymat.ts'
import { formatTrafficSelector } from '../negotiation/traffic-selector-text.ts'
import { isEncapsulated } from '../path/nat-detection.ts'
import { Lifecycle } from '../states.ts'
import { type ChildAgreement, inheritWorker, policySubject, type SettledChild, shareParts } from './child-agreement.ts'
import { lifetimeOf } from './child-lifetime.ts'
import type { OuterAddresses } from './child-policies.ts'
import { type ChildSaState, childSaStates } from './child-sa-states.ts'
import { ChildStates } from './child-states.ts'

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
  readonly #states: ChildStates
  #sa: IkeSa
  #agreement: SettledChild | undefined
  #reqid = 0
  #installedAt: number | undefined
  #closing: Extract<IkeEvent, { kind: 'child-closed' }> | undefined

  /** Takes an inbound SPI, so that it can be told to the peer. */
  constructor(sa: IkeSa) {
    const { runtime, path } = sa
    this.#sa = sa
    this.spiIn = runtime.takeChildSpi(path.local.address)
    this.#states = new ChildStates(runtime.xfrm, this.spiIn, path)
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
  get agreement(): SettledChild | undefined {
    return this.#agreement
  }

  /** The only one whose packets it carries; undefined for those of all. RFC 9611. */
  get worker(): number | undefined {
    return this.#agreement?.worker
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
    return this.#states.sends
  }

  /** Where the packets of its inbound state come to. */
  get localAddress(): IpAddress {
    return this.#states.localAddress
  }

  /**
   * Installs policies and both states, inbound first: the peer may send as soon as it has our answer. With `maySend` false the
   * outbound state waits for `startSending`, and so it does at a responder whose packets another one carries: whether the
   * initiator has our answer is not known yet. The caller has checked that the outbound SPI is free. Should it throw all
   * the same, nothing of this CHILD_SA is left.
   */
  install({ keys, ...agreed }: ChildAgreement, maySend: boolean): void {
    const { runtime, path, children, connection } = this.sa
    const agreement = shareParts(inheritWorker(agreed), runtime.suites)
    const { config, suite, replaces } = agreement
    const lifetime = lifetimeOf(config, suite.esn, runtime.random)
    const subject = policySubject(connection.name, agreement)
    let sends = maySend
    try {
      this.#states.followLocal(path.local.address)
      this.#reqid = runtime.policies.acquire(this, subject, this.#peerName(), this.#outer(), replaces)
      // The peer cannot take its packets before it has our answer, and takes those of the other one until it deletes that.
      if (agreement.role === 'responder' && this.siblings.some((one) => one.sends)) sends = false
      const terms = {
        agreement,
        lifetime,
        reqid: this.#reqid,
        label: `${connection.name}/${config.name}`,
        inUdp: isEncapsulated(this.sa),
      }
      this.#states.install(terms, keys, path, sends)
    } catch (error) {
      wipeChildKeys(keys)
      runtime.policies.release(this)
      this.remove('error')
      throw error
    }
    this.#agreement = agreement
    runtime.children.addOutbound(this.#states.outId!, this)
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
    if (!this.#states.startSending(this.sa.path)) return
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
    this.#states.stopReceiving()
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
    return this.#states.lastHeardAt
  }

  /** Our packets leave out `count` sequence numbers. RFC 6311 §5.2. */
  skipSequenceNumbers(count: number): void {
    this.#states.skipSequenceNumbers(count)
  }

  /** False when another state already has our outbound SPI at that address. */
  canMoveTo(remote: IpAddress): boolean {
    return !this.sa.runtime.children.isTaken(remote, this.spiOut, this)
  }

  /** The IKE_SA's peer moved to where its path says; `canMoveTo` was asked before. */
  moved(): void {
    const { runtime, path } = this.sa
    const from = this.#states.outId
    if (from === undefined) return
    this.#states.move(path, isEncapsulated(this.sa))
    runtime.children.removeOutbound(from)
    runtime.children.addOutbound(this.#states.outId!, this)
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
      ...(this.worker === undefined ? {} : { worker: this.worker }),
      installedAt: this.#installedAt,
    }
  }

  /** Leaves the ranks of the IKE_SA's CHILD_SAs: no outbound state, no policies. */
  #leave(): void {
    const { runtime, children } = this.sa
    const { outId } = this.#states
    if (outId === undefined) return
    this.#states.stopSending()
    runtime.children.removeOutbound(outId)
    runtime.policies.release(this)
    children.splice(children.indexOf(this), 1)
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
