import type { IpAddress } from '../../ip/address.ts'
import { certRequest, certRequestsIn } from '../auth/certificates.ts'
import { encodeGateway, type Gateway } from '../auth/gateway-identity.ts'
import { hasFurtherRounds } from '../auth/rounds.ts'
import {
  type AuthAnnouncement,
  decodeAuthMethods,
  decodeHashes,
  encodeAuthMethods,
  encodeHashes,
  ownAuthMethods,
  ownHashes,
} from '../auth/supported-methods.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import type { ConnectionConfig } from '../config.ts'
import { explainNotChildless } from '../explain/explain-childless.ts'
import { explainNoPpk } from '../explain/explain-ppk.ts'
import type { AuthenticationRefusal, Refusal } from '../explain/refusal.ts'
import { findNotify, notify } from '../message/notifies.ts'
import type { CertificateBlob } from '../questions.ts'
import { targetFor } from '../redirect/redirect-gateway.ts'

/** What both ends said in IKE_SA_INIT that IKE_AUTH depends on. */
export interface SetUp {
  /** Both have post-quantum pre-shared keys. RFC 8784 §3. */
  readonly ppk: boolean
  /** IKE_AUTH may be without a CHILD_SA: the responder said so. RFC 6023 §3. */
  readonly childless: boolean
  /** Hashes under which the peer verifies signatures; undefined when it did not say. RFC 7427 §4. */
  readonly peerHashes: readonly number[] | undefined
  /** Our signatures are to come with certificates of these authorities, copied. A responder learns it in IKE_AUTH. RFC 7296 §3.7. */
  readonly certRequests: readonly CertificateBlob[]
  /** Both ends can authenticate more than once: the peer said so. A responder learns it in IKE_AUTH. RFC 4739 §3.1. */
  readonly multipleAuth: boolean
  /** How the peer lets itself be convinced, as far as it said. A responder learns it in IKE_AUTH. RFC 9593. */
  readonly peerAuthMethods: readonly AuthAnnouncement[] | undefined
  /** What is told when the peer goes away: our last packet of EAP has told it no. */
  readonly refusing?: AuthenticationRefusal | undefined
  /** As responder: where each of the connections sends the initiator once it is known which one it is. RFC 5685 §6. */
  readonly elsewhere?: ReadonlyMap<ConnectionConfig, Gateway>
}

/** Our notifies in an IKE_SA_INIT request. */
export function requestNotifies(connection: ConnectionConfig, redirectedFrom: IpAddress | undefined): Payload[] {
  const { redirect } = connection
  const elsewhere =
    redirectedFrom === undefined
      ? notify(NotifyType.REDIRECT_SUPPORTED)
      : notify(NotifyType.REDIRECTED_FROM, encodeGateway({ address: redirectedFrom }))
  return [
    hashesPayload(),
    ...(connection.ppk !== undefined ? [notify(NotifyType.USE_PPK)] : []),
    ...(redirect.follow ? [elsewhere] : []),
  ]
}

/** In the responder's IKE_SA_INIT, and in IKE_AUTH of an initiator whose responder has said it too. RFC 9593 §3.1. */
export function authMethodsPayload(connections: readonly ConnectionConfig[]): Payload[] {
  const methods = ownAuthMethods(connections)
  return methods === undefined ? [] : [notify(NotifyType.SUPPORTED_AUTH_METHODS, encodeAuthMethods(methods))]
}

/** What a peer said of itself so. */
export function authMethodsIn(payloads: readonly Payload[]): AuthAnnouncement[] | undefined {
  const data = findNotify(payloads, NotifyType.SUPPORTED_AUTH_METHODS)?.data
  return data === undefined ? undefined : decodeAuthMethods(data)
}

/** What the response says besides, and what comes of it: the peer's identity will choose among `candidates`. */
export function answerSetUp(
  candidates: readonly ConnectionConfig[],
  request: readonly Payload[],
): { readonly setUp: SetUp; readonly notifies: Payload[] } {
  const ppk = has(request, NotifyType.USE_PPK) && candidates.some((connection) => connection.ppk !== undefined)
  const childless = candidates.some((connection) => connection.childless !== 'never')
  const notifies = [
    ...(ppk ? [notify(NotifyType.USE_PPK)] : []),
    ...(childless ? [notify(NotifyType.CHILDLESS_IKEV2_SUPPORTED)] : []),
    ...(has(request, NotifyType.SIGNATURE_HASH_ALGORITHMS) ? [hashesPayload()] : []),
    ...authMethodsPayload(candidates),
    ...certRequest(candidates),
    ...(candidates.some(hasFurtherRounds) ? [notify(NotifyType.MULTIPLE_AUTH_SUPPORTED)] : []),
  ]
  const targets = candidates.map((connection) => [connection, targetFor(connection, request)] as const)
  const elsewhere = new Map(targets.filter((one): one is [ConnectionConfig, Gateway] => one[1] !== undefined))
  const setUp = { ...unsaid, ppk, childless, peerHashes: hashesIn(request), elsewhere }
  return { setUp, notifies }
}

/** What the response came to, as initiator. */
export function setUpOf(connection: ConnectionConfig, response: readonly Payload[]): SetUp {
  return {
    ppk: connection.ppk !== undefined && has(response, NotifyType.USE_PPK),
    childless: has(response, NotifyType.CHILDLESS_IKEV2_SUPPORTED),
    peerHashes: hashesIn(response),
    ...saidOfAuth(response),
  }
}

/** What a peer says of authentication: a responder in IKE_SA_INIT, an initiator in IKE_AUTH. */
export const saidOfAuth = (
  payloads: readonly Payload[],
): Pick<SetUp, 'certRequests' | 'multipleAuth' | 'peerAuthMethods'> => ({
  certRequests: certRequestsIn(payloads),
  multipleAuth: has(payloads, NotifyType.MULTIPLE_AUTH_SUPPORTED),
  peerAuthMethods: authMethodsIn(payloads),
})

const unsaid = { certRequests: [], multipleAuth: false, peerAuthMethods: undefined } as const

/** The same of a resumed session, whose keys have had the PPK already if there was one. RFC 5723 §4.3. */
export const resumedSetUp = (response: readonly Payload[]): SetUp => ({
  ppk: false,
  childless: has(response, NotifyType.CHILDLESS_IKEV2_SUPPORTED),
  peerHashes: hashesIn(response),
  ...saidOfAuth(response),
})

/** What keeps an initiator from going on with IKE_AUTH. */
export function setUpObstacle(connection: ConnectionConfig, setUp: SetUp): Refusal | undefined {
  if (connection.ppk?.required === true && !setUp.ppk) return explainNoPpk({ connection })
  const needsChildless = connection.childless === 'force' || connection.children.length === 0
  return needsChildless && !setUp.childless ? explainNotChildless(connection) : undefined
}

/** As initiator: the IKE_SA is set up alone, and its first CHILD_SA follows. RFC 6023 §2. */
export const beginsChildless = ({ childless }: ConnectionConfig, setUp: SetUp): boolean =>
  setUp.childless && (childless === 'prefer' || childless === 'force')

const hashesPayload = (): Payload => notify(NotifyType.SIGNATURE_HASH_ALGORITHMS, encodeHashes(ownHashes))

function hashesIn(payloads: readonly Payload[]): number[] | undefined {
  const data = findNotify(payloads, NotifyType.SIGNATURE_HASH_ALGORITHMS)?.data
  return data === undefined ? undefined : decodeHashes(data)
}

const has = (payloads: readonly Payload[], type: number): boolean => findNotify(payloads, type) !== undefined
