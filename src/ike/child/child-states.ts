import { equalBytes, wipe } from '../../bytes/index.ts'
import type { IpAddress, SocketAddress } from '../../ip/address.ts'
import type { UdpEncap, XfrmLifetime, XfrmPort, XfrmStateId } from '../../xfrm/port.ts'
import type { ChildKeys } from '../keys/keymat.ts'
import type { Path } from '../runtime.ts'
import type { SettledChild } from './child-agreement.ts'

const ESP = 50

/** What both states have alike. */
export interface StateTerms {
  readonly agreement: SettledChild
  readonly lifetime: XfrmLifetime
  readonly reqid: number
  /** For people. */
  readonly label: string
  /** Between the ports of the path. */
  readonly inUdp: boolean
}

interface DirectionKeys {
  readonly encr: { readonly key: Uint8Array; readonly salt: Uint8Array }
  readonly integ: Uint8Array | undefined
}

/**
 * The two ESP states of one CHILD_SA, under what they are installed: the IKE_SA's path may be elsewhere already. The outbound one may
 * come later than the inbound one, and go before it.
 */
export class ChildStates {
  readonly #xfrm: XfrmPort
  #inId: XfrmStateId
  #outId: XfrmStateId | undefined
  /** What the outbound state needs, until that is installed. */
  #waiting: { readonly keys: DirectionKeys; readonly terms: StateTerms } | undefined

  /** Takes `spiIn` for the inbound state. */
  constructor(xfrm: XfrmPort, spiIn: number, { local, remote }: Path) {
    this.#xfrm = xfrm
    this.#inId = { daddr: local.address, spi: spiIn, proto: ESP }
    xfrm.allocSpi({ ...this.#inId, saddr: remote.address, reqid: 0 })
  }

  /** Where the packets of the inbound state come to. */
  get localAddress(): IpAddress {
    return this.#inId.daddr
  }

  /** Under what the outbound state is installed, or will be; undefined before `install` and after `stopSending`. */
  get outId(): XfrmStateId | undefined {
    return this.#outId
  }

  /** The outbound state is installed. */
  get sends(): boolean {
    return this.#outId !== undefined && this.#waiting === undefined
  }

  /** When the last packet of the peer came, in ms; -1 for never, or where nobody can tell. */
  get lastHeardAt(): number {
    return this.#xfrm.lastUsed?.(this.#inId) ?? -1
  }

  /** The SPI was taken before the answer came, perhaps to another of our addresses. */
  followLocal(local: IpAddress): void {
    if (equalBytes(local, this.#inId.daddr)) return
    this.#xfrm.delSa(this.#inId)
    this.#inId = { ...this.#inId, daddr: local }
  }

  /**
   * Installs the inbound state, and with `sends` the outbound one after it; else that waits for `startSending`. Keys are wiped once
   * they are installed. Should it throw, the inbound state may be there, and the keys are the caller's to wipe.
   */
  install(terms: StateTerms, keys: ChildKeys, path: Path, sends: boolean): void {
    const { role, spiOut } = terms.agreement
    const { i2r, r2i } = directionsOf(keys)
    const [inbound, outbound] = role === 'initiator' ? [r2i, i2r] : [i2r, r2i]
    const outId = { daddr: path.remote.address, spi: spiOut, proto: ESP }
    this.#installIn(terms, inbound, path)
    if (sends) this.#installOut(outId, terms, outbound, path)
    wipeDirection(inbound)
    if (sends) wipeDirection(outbound)
    else this.#waiting = { keys: outbound, terms }
    this.#outId = outId
  }

  /** Installs the outbound state: the newest of its reqid is the one that packets find. False when it does not wait for that. */
  startSending(path: Path): boolean {
    if (this.#waiting === undefined) return false
    const { keys, terms } = this.#waiting
    this.#installOut(this.#outId!, terms, keys, path)
    wipeDirection(keys)
    this.#waiting = undefined
    return true
  }

  /** Both go over to `path`, in UDP from here on or without. */
  move({ local, remote }: Path, inUdp: boolean): void {
    const from = this.#outId
    if (from === undefined) return
    const inward = encapBetween(remote, local, inUdp)
    const outward = encapBetween(local, remote, inUdp)
    this.#xfrm.updSa(this.#inId, { daddr: local.address, saddr: remote.address, ...inward })
    if (this.sends) this.#xfrm.updSa(from, { daddr: remote.address, saddr: local.address, ...outward })
    this.#inId = { ...this.#inId, daddr: local.address }
    this.#outId = { ...from, daddr: remote.address }
  }

  /** Our packets leave out `count` sequence numbers. RFC 6311 §5.2. */
  skipSequenceNumbers(count: number): void {
    if (this.#outId !== undefined) this.#xfrm.skipSequence(this.#outId, count)
  }

  /** Takes the outbound state back, or what waits for it. */
  stopSending(): void {
    if (this.#outId !== undefined && this.sends) this.#xfrm.delSa(this.#outId)
    if (this.#waiting !== undefined) wipeDirection(this.#waiting.keys)
    this.#waiting = undefined
    this.#outId = undefined
  }

  /** Takes the inbound state and its SPI back. */
  stopReceiving(): void {
    this.#xfrm.delSa(this.#inId)
  }

  #installIn(terms: StateTerms, keys: DirectionKeys, { local, remote }: Path): void {
    this.#xfrm.newSa({
      ...this.#inId,
      direction: 'in',
      saddr: remote.address,
      ...encapBetween(remote, local, terms.inUdp),
      ...alike(terms, keys),
      ...originalAddresses(terms.agreement),
    })
  }

  #installOut(id: XfrmStateId, terms: StateTerms, keys: DirectionKeys, { local, remote }: Path): void {
    const tfcPad = tfcPadOf(terms.agreement)
    this.#xfrm.newSa({
      ...{ ...id, direction: 'out', saddr: local.address, ...encapBetween(local, remote, terms.inUdp) },
      ...alike(terms, keys),
      ...(tfcPad === 0 ? {} : { tfcPad }),
    })
  }
}

/** Octets to pad to: nothing for a peer that has said that it cannot tell padding from the packet. RFC 7296 §1.3.1, RFC 4303 §2.7. */
const tfcPadOf = ({ peerTakesTfc, mode, config }: SettledChild): number =>
  peerTakesTfc && mode === 'tunnel' ? config.tfcPad : 0

/** The encapsulation of packets from one end to the other: in UDP, or in the TCP connection of IKE. RFC 9329 §6.1. */
function encapBetween(from: SocketAddress, to: SocketAddress, inUdp: boolean): { encap?: UdpEncap } {
  const ports = { sport: from.port, dport: to.port }
  if (to.tcp === true) return { encap: { type: 'tcp', ...ports } }
  return inUdp ? { encap: ports } : {}
}

function alike({ agreement, lifetime, reqid, label }: StateTerms, { encr, integ }: DirectionKeys) {
  const { suite, mode, config, worker } = agreement
  const { flags, path } = config
  return {
    ...(flags === undefined ? {} : { flags }),
    ...(path === undefined ? {} : { path }),
    ...(worker === undefined ? {} : { worker }),
    replayWindow: config.replayWindow,
    reqid,
    mode,
    encr: { id: suite.encr, ...encr },
    ...(integ === undefined ? {} : { integ: { id: suite.integ, key: integ } }),
    esn: suite.esn,
    lifetime,
    label,
  }
}

/** What the peer's packets have in their sums, where a NAT makes the addresses of their headers. */
const originalAddresses = ({ peers }: SettledChild) =>
  peers === undefined ? {} : { originalAddresses: { source: peers.remote, destination: peers.local } }

const wipeDirection = ({ encr, integ }: DirectionKeys): void => wipe(encr.key, encr.salt, integ)

const directionsOf = (keys: ChildKeys): { i2r: DirectionKeys; r2i: DirectionKeys } => ({
  i2r: { encr: keys.encrI2R, integ: keys.integI2R },
  r2i: { encr: keys.encrR2I, integ: keys.integR2I },
})
