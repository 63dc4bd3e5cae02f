import { formatIp, type IpAddress } from '../../ip/address.ts'
import { ask, type Flow } from '../asking/flow.ts'
import { formatIdentity } from '../auth/identity.ts'
import {
  CfgAttribute,
  CfgType,
  type ConfigurationAttribute,
  type CpPayload,
  NotifyType,
  type Payload,
} from '../codec/index.ts'
import { explainNotAsked, explainUnassigned } from '../explain/explain-address.ts'
import type { PeerRefusal } from '../explain/refusal.ts'
import type { IkeSa } from '../ike-sa.ts'
import { notify } from '../message/notifies.ts'
import type { AssignAnswer, AssignQuestion, No } from '../questions.ts'
import { decodeAttribute } from './attribute.ts'
import { addressAttribute } from './config-request.ts'
import { tellWithoutAddress } from './no-address.ts'
import { versionAnswers } from './peer-question.ts'
import { tellUnused } from './unused-addresses.ts'

/** What a responder says to CFG_REQUEST. */
export interface ConfigAnswer {
  /** What stands between AUTH and SA in the response. */
  readonly payloads: readonly Payload[]
  /** In the place of the CHILD_SA, which is not made. */
  readonly error?: Payload
  /** What the peer gets, to be told when it is in. */
  readonly given?: Given
}

interface Given {
  readonly addresses: readonly IpAddress[]
  readonly attributes: readonly ConfigurationAttribute[]
  readonly ignored?: readonly string[]
}

/** Tells what the peer got. */
export function announceGiven(sa: IkeSa, given: Given | undefined): void {
  if (given !== undefined) sa.runtime.emit({ kind: 'assigned', sa: sa.ref, ...given })
}

/**
 * As responder, when the peer has proved itself (`sa.provenPeer`) and before the first CHILD_SA is made: answers the CFG_REQUEST
 * among the `payloads` of its first IKE_AUTH request. Where the connection has pools, and where `asks` says so, somebody of ours is
 * asked; what the server of EAP gave is given without. A connection without any of them leaves addresses unanswered, as an
 * implementation that has none. RFC 7296 §2.19, §3.15.
 */
// <-- [CP(CFG_REQUEST)]
export function* answerConfigRequest(sa: IkeSa, payloads: readonly Payload[]): Flow<ConfigAnswer> {
  const request = payloads.find(isRequest)
  const question = request === undefined ? undefined : assignQuestion(sa, request.attributes)
  const answer = question === undefined ? ofEap(sa, request) : yield* ask(question)
  if (answer?.ok === false) return refuse(sa, NotifyType.INTERNAL_ADDRESS_FAILURE, explainUnassigned(sa, answer))
  const taken = answer && whoHasThem(sa, answer.addresses)
  if (answer !== undefined && taken !== undefined) {
    tellUnused(sa.runtime, answer.addresses)
    return refuse(sa, NotifyType.INTERNAL_ADDRESS_FAILURE, explainUnassigned(sa, taken))
  }
  const addresses = answer?.addresses ?? []
  if (addresses.length === 0 && sa.connection.remote.addressRequired === true)
    return refuse(sa, NotifyType.FAILED_CP_REQUIRED, explainNotAsked(sa))
  if (request === undefined) return { payloads: [] }
  const answered = reply(sa, request.attributes, answer)
  return answer === undefined && request.attributes.some(asksForAddress)
    ? { ...answered, given: { addresses: [], attributes: [], ignored: [noPools(sa)] } }
    : answered
}

const asksForAddress = ({ type }: ConfigurationAttribute): boolean =>
  type === CfgAttribute.INTERNAL_IP4_ADDRESS || type === CfgAttribute.INTERNAL_IP6_ADDRESS

const noPools = ({ connection }: IkeSa): string =>
  `it asks for an address, and connections.${connection.name}.remote.pools names no pool`

const isRequest = (payload: Payload): payload is CpPayload =>
  payload.kind === 'CP' && payload.cfgType === CfgType.CFG_REQUEST

/** Undefined: nobody is asked. */
function assignQuestion(sa: IkeSa, attributes: readonly ConfigurationAttribute[]): AssignQuestion | undefined {
  const pools = sa.connection.remote.pools ?? []
  if (pools.length === 0 && sa.runtime.asks.assign !== true) return undefined
  const request = attributes.map(({ type, value }) => ({ type, value: value.slice() }))
  return { kind: 'assign', peer: sa.provenPeer!, pools, request, held: heldAddresses(sa) }
}

/** The addresses of the same peer's IKE_SAs that this one is to replace. */
function heldAddresses(sa: IkeSa): IpAddress[] {
  const { runtime, connection } = sa
  if (connection.uniqueness === 'never') return []
  runtime.peers.add(sa)
  const others = (runtime.peers.othersOf(sa) ?? []).filter(
    (other) => other.connection === connection && isSamePeer(other, sa),
  )
  return others.flatMap(({ assignedIps }) => assignedIps)
}

/** Users of EAP may all come with the same IKE identity, for example an address of a home network. */
const isSamePeer = (a: IkeSa, b: IkeSa): boolean => a.provenPeer?.eapIdentity === b.provenPeer?.eapIdentity

function ofEap(sa: IkeSa, request: CpPayload | undefined): AssignAnswer | undefined {
  const { addresses = [], attributes = [] } = sa.provenPeer ?? {}
  if (request === undefined || addresses.length + attributes.length === 0) return undefined
  return { ok: true, addresses, attributes }
}

/** No address may be with two peers: packets to it would go to either. */
function whoHasThem(sa: IkeSa, addresses: readonly IpAddress[]): Omit<No, 'ok'> | undefined {
  const { runtime } = sa
  runtime.peers.add(sa)
  const isOwn = (holder: IkeSa) => sa.peerKey !== undefined && holder.peerKey === sa.peerKey && isSamePeer(holder, sa)
  for (const address of addresses) {
    const other = runtime.assigned.holdersOf(address).find((holder) => !isOwn(holder))
    if (other === undefined) continue
    const who = other.remoteId === undefined ? 'another peer' : formatIdentity(other.remoteId)
    return {
      message: `${formatIp(address)}, which it was to have, is with ${who} on IKE_SA ${other.connection.name}[${other.id}]`,
      hint: 'whoever answers "assign" has to give each address once',
    }
  }
  return undefined
}

// HDR, SK {..., N(INTERNAL_ADDRESS_FAILURE | FAILED_CP_REQUIRED)} -->
function refuse(sa: IkeSa, type: number, refusal: PeerRefusal): ConfigAnswer {
  sa.withoutAddress = { notify: type, refusal }
  tellWithoutAddress(sa, sa.withoutAddress)
  return { payloads: [], error: notify(type) }
}

/** Gives what was answered, and what we know ourselves. */
// HDR, SK {..., CP(CFG_REPLY), ...} -->
function reply(
  sa: IkeSa,
  request: readonly ConfigurationAttribute[],
  answer: Extract<AssignAnswer, { ok: true }> | undefined,
): ConfigAnswer {
  const addresses = (answer?.addresses ?? []).map((address) => address.slice())
  const told = (answer?.attributes ?? []).filter(
    ({ type }) => !isOnRequest(type) || request.some((one) => one.type === type),
  )
  const attributes = [...addresses.map(addressAttribute), ...told, ...versionAnswers(sa, request)]
  if (attributes.length === 0) return { payloads: [] }
  sa.assignedIps = addresses
  sa.runtime.assigned.give(sa, addresses)
  const payloads: Payload[] = [{ kind: 'CP', critical: false, cfgType: CfgType.CFG_REPLY, attributes }]
  if (answer === undefined) return { payloads }
  const ignored = request.map(decodeAttribute).flatMap((value) => (value.kind === 'malformed' ? [value.reason] : []))
  return { payloads, given: { addresses, attributes: told, ...(ignored.length === 0 ? {} : { ignored }) } }
}

/** What only those get who ask for it: RFC 8598 §3.2, RFC 9464 §4. */
const isOnRequest = (type: number): boolean =>
  type >= CfgAttribute.INTERNAL_DNS_DOMAIN && type <= CfgAttribute.ENCDNS_DIGEST_INFO
