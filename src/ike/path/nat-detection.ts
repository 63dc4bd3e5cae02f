import { equalBytes } from '../../bytes/index.ts'
import type { CryptoProvider } from '../../crypto/provider.ts'
import type { SocketAddress } from '../../ip/address.ts'
import { natDetectionHash } from '../../nat-t/detection.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import type { ConnectionConfig } from '../config.ts'
import { notify } from '../message/notifies.ts'
import type { Path } from '../runtime.ts'

/** What the NAT_DETECTION notifies of a peer say. RFC 7296 §2.23. */
export interface NatFindings {
  /** The peer sent both kinds of notify: it understands UDP encapsulation. */
  readonly supported: boolean
  /** Our address is not what the peer sees: we are behind a NAT. */
  readonly natLocal: boolean
  /** The peer's address is not what it believes: it is behind a NAT, or wants to look so. */
  readonly natRemote: boolean
  /** They came over TCP, where ESP goes whether there is a NAT or not. RFC 9329 §6.5. */
  readonly overTcp?: true
}

/** Both notifies for a message of ours. With `encap: 'force'` the source hash fits no address, so that the peer encapsulates. */
export function natDetectionPayloads(
  crypto: CryptoProvider,
  encap: ConnectionConfig['encap'],
  spis: { readonly SPIi: Uint8Array; readonly SPIr: Uint8Array },
  path: Path,
): Payload[] {
  const source = encap === 'force' ? { address: new Uint8Array(path.local.address.length), port: 0 } : path.local
  return [
    notify(NotifyType.NAT_DETECTION_SOURCE_IP, hashOf(crypto, spis, source)),
    notify(NotifyType.NAT_DETECTION_DESTINATION_IP, hashOf(crypto, spis, path.remote)),
  ]
}

/** Compares the peer's hashes with the addresses on its message. There may be several source hashes: one that fits is enough. */
export function detectNat(
  crypto: CryptoProvider,
  payloads: readonly Payload[],
  spis: { readonly SPIi: Uint8Array; readonly SPIr: Uint8Array },
  path: Path,
): NatFindings {
  const hashes = (type: number) =>
    payloads
      .filter((payload) => payload.kind === 'N' && payload.notify === type)
      .map((payload) => (payload as { data: Uint8Array }).data)
  const sources = hashes(NotifyType.NAT_DETECTION_SOURCE_IP)
  const destinations = hashes(NotifyType.NAT_DETECTION_DESTINATION_IP)
  const fits = (candidates: readonly Uint8Array[], endpoint: SocketAddress) => {
    const hash = hashOf(crypto, spis, endpoint)
    return candidates.some((candidate) => equalBytes(candidate, hash))
  }
  return {
    supported: sources.length > 0 && destinations.length > 0,
    natLocal: !fits(destinations, path.local),
    natRemote: !fits(sources, path.remote),
    ...(path.remote.tcp === true ? { overTcp: true as const } : {}),
  }
}

function hashOf(
  crypto: CryptoProvider,
  spis: { readonly SPIi: Uint8Array; readonly SPIr: Uint8Array },
  endpoint: SocketAddress,
): Uint8Array {
  return natDetectionHash((data) => crypto.hash('sha1', data), spis.SPIi, spis.SPIr, endpoint.address, endpoint.port)
}

/**
 * ESP goes in UDP: where a NAT is, was at the beginning, or is pretended by either end. Once in UDP it stays there, which every peer has to take.
 * So it does in TCP, or when it was there before. RFC 7296 §2.23, RFC 9329 §6.5.
 */
export const isEncapsulated = ({ connection, init, nat, path, leftStream }: EncapTerms): boolean =>
  path.remote.tcp === true ||
  leftStream ||
  connection.encap === 'force' ||
  nat.natLocal ||
  nat.natRemote ||
  init?.natLocal === true ||
  init?.natRemote === true

interface EncapTerms {
  readonly path: Path
  readonly leftStream: boolean
  readonly connection: Pick<ConnectionConfig, 'encap'>
  readonly init: Pick<NatFindings, 'natLocal' | 'natRemote'> | undefined
  readonly nat: Pick<NatFindings, 'natLocal' | 'natRemote'>
}
