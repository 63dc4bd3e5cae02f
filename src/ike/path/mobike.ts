import { equalBytes, toHex } from '../../bytes/index.ts'
import { PeerError } from '../../errors.ts'
import { formatIp, type IpAddress } from '../../ip/address.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import { explainAddressRefused, explainPlainPort } from '../explain/explain-mobike.ts'
import type { IkeSa } from '../ike-sa.ts'
import { findNotify, notify } from '../message/notifies.ts'
import { copyEndpoint, type Path, sameAddress, sameEndpoint } from '../runtime.ts'
import { natChanged } from './keepalive.ts'
import { detectNat, natDetectionPayloads } from './nat-detection.ts'
import { isStream } from './streams.ts'

/** Addresses of the peer that are kept; each is a path to try. */
const MOST_PEER_ADDRESSES = 8

/** Paths that a request is tried on, one after the other. */
export const MOST_PATHS = 16

/** What an IKE_SA needs to change its addresses; shared by the IKE_SAs that follow it when it is rekeyed. RFC 4555. */
export interface Mobike {
  /**
   * We are the original initiator, who alone decides about the path; rekeying does not change that. RFC 4555 §2.1.
   */
  readonly decides: boolean
  /** The peer's other addresses, beside the one in use. */
  peerAddresses: readonly IpAddress[]
  /** The data of the last NAT_DETECTION_DESTINATION_IP: another one means that a NAT has changed our mapping. RFC 4555 §3.8. */
  seenAs: Uint8Array | undefined
  /** Our addresses as the peer was told last, so that it is not told the same again. */
  told: string
}

/** The notifies of an IKE_AUTH message of ours; `announced`: the initiator has said that it can. RFC 4555 §3.1, §3.3. */
export function mobikeAuthPayloads(sa: IkeSa, announced: boolean): Payload[] {
  if (!sa.connection.mobike || !announced) return []
  return [notify(NotifyType.MOBIKE_SUPPORTED), ...additionalAddresses(sa)]
}

/** Notes what the peer's IKE_AUTH message says. The caller has checked that we announced MOBIKE too. */
export function noteMobikeSupport(sa: IkeSa, payloads: readonly Payload[]): void {
  if (!sa.connection.mobike || findNotify(payloads, NotifyType.MOBIKE_SUPPORTED) === undefined) return
  sa.mobike = {
    decides: sa.role === 'initiator',
    peerAddresses: addressesIn(payloads),
    seenAs: undefined,
    told: addressesText(sa),
  }
}

/** All addresses that the peer may reach us at, for comparison. */
export const addressesText = (sa: IkeSa): string =>
  [sa.path.local.address, ...ownAddresses(sa)].map(toHex).sort().join()

function ownAddresses(sa: IkeSa): IpAddress[] {
  if (sa.connection.local.address !== undefined) return []
  const others = sa.runtime.localAddresses.filter((address) => !sameAddress(address, sa.path.local.address))
  return others.slice(0, MOST_PEER_ADDRESSES)
}

/** ADDITIONAL_IP4_ADDRESS and ADDITIONAL_IP6_ADDRESS for each of our addresses that is not in use. RFC 4555 §3.3. */
export const additionalAddresses = (sa: IkeSa): Payload[] =>
  ownAddresses(sa).map((address) =>
    notify(
      address.length === 4 ? NotifyType.ADDITIONAL_IP4_ADDRESS : NotifyType.ADDITIONAL_IP6_ADDRESS,
      address.slice(),
    ),
  )

/**
 * Answers what an INFORMATIONAL request says about addresses: echoes COOKIE2, notes the peer's addresses, and moves where the
 * deciding peer wants us. `path` is where the request came from and to. RFC 4555 §3.5, §3.6, §3.7.
 */
// <-- HDR, SK {N(UPDATE_SA_ADDRESSES), N(NAT_DETECTION_*), [N(NO_NATS_ALLOWED),] [N(COOKIE2)]}
export function answerMobike(sa: IkeSa, messageId: number, payloads: readonly Payload[], path: Path): Payload[] {
  const { mobike } = sa
  if (mobike === undefined) return []
  const cookie = findNotify(payloads, NotifyType.COOKIE2)
  const echo = cookie === undefined ? [] : [notify(NotifyType.COOKIE2, cookie.data.slice())]
  const isNews = isNewest(sa, messageId, payloads)
  if (isNews) noteAddresses(sa, mobike, payloads, path)
  if (isNews && !mobike.decides && findNotify(payloads, NotifyType.UPDATE_SA_ADDRESSES) !== undefined) {
    const refused = follow(sa, payloads, path)
    if (refused !== undefined) return [notify(refused), ...echo]
  }
  // HDR, SK {N(NAT_DETECTION_*), [N(COOKIE2)]} -->
  return [
    ...(findNotify(payloads, NotifyType.NAT_DETECTION_SOURCE_IP) === undefined ? [] : natPayloads(sa, path)),
    ...echo,
  ]
}

const aboutAddresses: readonly number[] = [
  NotifyType.UPDATE_SA_ADDRESSES,
  NotifyType.ADDITIONAL_IP4_ADDRESS,
  NotifyType.ADDITIONAL_IP6_ADDRESS,
  NotifyType.NO_ADDITIONAL_ADDRESSES,
]

/** False when what the request says about addresses is overtaken: with a window above 1 requests may change places. RFC 4555 §3.5, §3.6. */
function isNewest(sa: IkeSa, messageId: number, payloads: readonly Payload[]): boolean {
  if (!payloads.some((payload) => payload.kind === 'N' && aboutAddresses.includes(payload.notify))) return true
  if (messageId < sa.addressesToldIn) return false
  sa.addressesToldIn = messageId
  return true
}

/** The NAT_DETECTION notifies of a message on `path`. */
export const natPayloads = (sa: IkeSa, path: Path): Payload[] =>
  natDetectionPayloads(sa.runtime.crypto, sa.connection.encap, { SPIi: sa.SPIi, SPIr: sa.init!.SPIr }, path)

/** Compares the peer's NAT_DETECTION notifies with where its message came from and to. Nothing happens without them. */
export function noteNat(sa: IkeSa, payloads: readonly Payload[], path: Path): void {
  const spis = { SPIi: sa.SPIi, SPIr: sa.init!.SPIr }
  const nat = detectNat(sa.runtime.crypto, payloads, spis, path)
  if (nat.supported) natChanged(sa, nat)
}

/**
 * The paths on which a request may reach the peer, the one in use first: each of our addresses with each of the peer's. For
 * the side that decides; the other has its one path. RFC 4555 §3.10.
 */
export function candidatePaths(sa: IkeSa): Path[] {
  const { mobike, path, runtime } = sa
  if (mobike === undefined || !mobike.decides || isStream(path)) return [path]
  const locals = [path.local.address, ...(sa.connection.local.address === undefined ? runtime.localAddresses : [])]
  const remotes = [path.remote.address, ...mobike.peerAddresses]
  const paths = remotes.flatMap((remote) =>
    locals.filter((local) => local.length === remote.length).map((local) => pathBetween(sa, local, remote)),
  )
  return withoutRepeats([path, ...paths]).slice(0, MOST_PATHS)
}

/** A path of the NAT traversal ports of UDP; the peer's port is the one in use when its address is. */
export function pathBetween(sa: IkeSa, local: IpAddress, remote: IpAddress): Path {
  const { path, runtime, connection } = sa
  const isInUse = sameAddress(remote, path.remote.address) && !isStream(path)
  const port = isInUse ? path.remote.port : connection.remote.natPort
  return { local: { address: local, port: runtime.ports.nat }, remote: { address: remote, port } }
}

const withoutRepeats = (paths: readonly Path[]): Path[] =>
  paths.filter((path, at) => paths.findIndex((other) => samePath(other, path)) === at)

export const samePath = (a: Path, b: Path): boolean =>
  sameEndpoint(a.local, b.local) && sameEndpoint(a.remote, b.remote)

function addressesIn(payloads: readonly Payload[]): IpAddress[] {
  const addresses: IpAddress[] = []
  for (const payload of payloads) {
    if (payload.kind !== 'N' || addresses.length === MOST_PEER_ADDRESSES) continue
    const { notify: type, data } = payload
    const wanted = type === NotifyType.ADDITIONAL_IP4_ADDRESS ? 4 : type === NotifyType.ADDITIONAL_IP6_ADDRESS ? 16 : 0
    if (wanted === 0) continue
    if (data.length !== wanted) {
      throw new PeerError('BAD_ADDRESS', `an additional address has ${data.length} octets (RFC 4555 §4.2.2)`, {
        notify: NotifyType.INVALID_SYNTAX,
      })
    }
    addresses.push(data.slice())
  }
  return addresses
}

/** Each list replaces the one before; it names all addresses but the one that it came from. RFC 4555 §3.6. */
function noteAddresses(sa: IkeSa, mobike: Mobike, payloads: readonly Payload[], path: Path): void {
  const addresses = addressesIn(payloads)
  if (addresses.length === 0 && findNotify(payloads, NotifyType.NO_ADDITIONAL_ADDRESSES) === undefined) return
  const { remote } = sa.path
  const all = [path.remote.address, ...addresses]
  mobike.peerAddresses = all
    .map((address) => address.slice())
    .filter((address) => !sameAddress(address, remote.address))
  if (mobike.decides && !all.some((address) => sameAddress(address, remote.address))) {
    // The address in use is gone: the request came from one that works.
    sa.changePath(path)
  }
}

/** Moves to the path that an UPDATE_SA_ADDRESSES came on, or gives the notify that refuses it. RFC 4555 §3.5, §3.9. */
function follow(sa: IkeSa, payloads: readonly Payload[], path: Path): number | undefined {
  if (isTranslated(payloads, path)) return NotifyType.UNEXPECTED_NAT_DETECTED
  // ESP in UDP is carried on the port for NAT traversal only.
  const canCarry = path.local.port === sa.runtime.ports.nat || isStream(path)
  if (canCarry && sa.moveTo(path)) {
    noteNat(sa, payloads, path)
    // Whoever opens a TCP connection from there is there. RFC 9329 §7.1.
    if (!isStream(path)) sa.probePath(sa.path)
    return undefined
  }
  const refusal = canCarry
    ? explainAddressRefused(sa.connection, copyEndpoint(path.remote))
    : explainPlainPort(sa.connection, copyEndpoint(path.remote))
  sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: copyEndpoint(path.remote), refusal })
  return NotifyType.UNACCEPTABLE_ADDRESSES
}

/** NO_NATS_ALLOWED holds source and destination address, then both ports, as the sender wrote them. RFC 4555 §4.2.6. */
function isTranslated(payloads: readonly Payload[], path: Path): boolean {
  const data = findNotify(payloads, NotifyType.NO_NATS_ALLOWED)?.data
  // TCP has no trouble with NATs. RFC 9329 §7.1.
  if (data === undefined || isStream(path)) return false
  const { local, remote } = path
  const ports = Uint8Array.of(remote.port >>> 8, remote.port & 0xff, local.port >>> 8, local.port & 0xff)
  const seen = [...remote.address, ...local.address, ...ports]
  return !equalBytes(data, Uint8Array.from(seen))
}

/** For logs. */
export const formatPath = ({ local, remote }: Path): string =>
  `${formatIp(local.address)}[${local.port}] to ${formatIp(remote.address)}[${remote.port}]`
