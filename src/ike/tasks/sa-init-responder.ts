import { encodeMessage, type IkeHeader, NotifyType, type Payload, type Proposal, ProtocolId } from '../codec/index.ts'
import type { ConnectionConfig, ProposalConfig } from '../config.ts'
import { explainNoConnectionAt } from '../explain/explain-auth.ts'
import { encapObstacle } from '../explain/explain-peer.ts'
import { explainRefusedProposal } from '../explain/explain-proposal.ts'
import type { Refusal } from '../explain/refusal.ts'
import { IkeSa } from '../ike-sa.ts'
import { beginIntermediate } from '../keys/intermediate.ts'
import { NONCE_BYTES, peerNonce } from '../keys/nonces.ts'
import { findNotify, invalidKePayload, need, notify } from '../message/notifies.ts'
import { type ChosenProposal, chooseProposal } from '../negotiation/proposal.ts'
import { detectNat, natDetectionPayloads } from '../path/nat-detection.ts'
import { goesElsewhere, redirectInInit } from '../redirect/redirect-gateway.ts'
import { type IkeRuntime, type Path, sameAddress } from '../runtime.ts'
import { settleInit } from '../set-up/init-result.ts'
import { initAnswerNotifies } from '../set-up/peer-abilities.ts'
import { answerSetUp } from '../set-up/set-up.ts'

/** A first request of a stranger, checked by the payload rules. */
export interface InitRequest {
  readonly header: IkeHeader
  readonly payloads: readonly Payload[]
  readonly message: Uint8Array
  readonly path: Path
}

/** Either a half-open IKE_SA, or a refusal for which no state is kept. */
export type InitAnswer =
  | { readonly sa: IkeSa; readonly response: Uint8Array; readonly payloads: readonly Payload[] }
  | {
      readonly sa: undefined
      readonly payloads: readonly Payload[]
      readonly explain?: () => Refusal
      /** It is welcome at another gateway. */
      readonly isElsewhere?: true
    }

/** IKE_SA_INIT as responder. `id` names the IKE_SA if there will be one. RFC 7296 §1.2, §2.7. */
// <-- HDR, SAi1, KEi, Ni, N(NAT_DETECTION_*)
export function answerInit(runtime: IkeRuntime, request: InitRequest, id: number): InitAnswer {
  const reachable = connectionsFor(runtime.connections, request.path)
  if (reachable.length === 0) {
    const { local, remote } = request.path
    return refuse(() =>
      explainNoConnectionAt({ connections: runtime.connections, local: local.address, remote: remote.address }),
    )
  }
  const elsewhere = redirectInInit(reachable, request.payloads)
  if (elsewhere !== undefined) return { sa: undefined, payloads: elsewhere, isElsewhere: true }
  const offered = need(request.payloads, 'SA').proposals
  const noIntermediate = findNotify(request.payloads, NotifyType.INTERMEDIATE_EXCHANGE_SUPPORTED) === undefined
  const acceptable = choices(offered, reachable, noIntermediate)
  const [best] = acceptable
  if (best === undefined) {
    return refuse(() => explainRefusedProposal({ what: 'IKE', connection: reachable[0]!, offered, noIntermediate }))
  }
  const { connection, suite } = best
  const KEi = need(request.payloads, 'KE')
  // HDR, N(INVALID_KE_PAYLOAD) -->
  if (KEi.group !== suite.ke) return { sa: undefined, payloads: [invalidKePayload(suite.ke)] }
  const candidates = acceptable.filter((other) => sameSuite(other.suite, suite)).map((other) => other.connection)
  return open(runtime, request, id, connection, candidates, suite)
}

/** Connections whose addresses fit, those that name the peer's address first. */
export function connectionsFor(connections: readonly ConnectionConfig[], path: Path): ConnectionConfig[] {
  const fitting = connections.filter(
    ({ local, remote }) =>
      (local.address === undefined || sameAddress(local.address, path.local.address)) &&
      (remote.address === undefined || sameAddress(remote.address, path.remote.address)),
  )
  const named = (connection: ConnectionConfig) => Number(connection.remote.address !== undefined)
  return fitting.sort((a, b) => named(b) - named(a))
}

interface Choice {
  readonly connection: ConnectionConfig
  readonly suite: ChosenProposal
}

/** The connections that accept something, each with what. Lists that several of them share are compared with the offer once. */
function choices(
  offered: readonly Proposal[],
  connections: readonly ConnectionConfig[],
  noIntermediate: boolean,
): Choice[] {
  const chosen = new Map<readonly ProposalConfig[], ChosenProposal | undefined>()
  return connections.flatMap((connection) => {
    const { ikeProposals } = connection
    if (!chosen.has(ikeProposals)) {
      chosen.set(ikeProposals, chooseProposal(offered, ikeProposals, { protocol: ProtocolId.IKE, noIntermediate }))
    }
    const suite = chosen.get(ikeProposals)
    return suite === undefined ? [] : [{ connection, suite }]
  })
}

const sameSuite = (a: ChosenProposal, b: ChosenProposal): boolean =>
  a.number === b.number &&
  a.encr === b.encr &&
  a.keyBits === b.keyBits &&
  a.integ === b.integ &&
  a.prf === b.prf &&
  a.ke === b.ke &&
  a.additionalKe.join() === b.additionalKe.join()

const refuse = (explain: () => Refusal): InitAnswer => ({
  sa: undefined,
  payloads: [notify(NotifyType.NO_PROPOSAL_CHOSEN)],
  explain,
})

function open(
  runtime: IkeRuntime,
  request: InitRequest,
  id: number,
  connection: ConnectionConfig,
  candidates: readonly ConnectionConfig[],
  suite: ChosenProposal,
): InitAnswer {
  const { header, payloads, path } = request
  const { crypto, random } = runtime
  const Ni = peerNonce(payloads, suite.prf).slice()
  const SPIi = header.SPIi.slice()
  const nat = detectNat(crypto, payloads, { SPIi, SPIr: new Uint8Array(8) }, path)
  const obstacle = encapObstacle(connection, nat, runtime.xfrm.carriesPlainEsp === true)
  if (obstacle !== undefined) return refuse(() => obstacle)
  const answer = crypto.respondKeyExchange(suite.ke, need(payloads, 'KE').data, random)
  const SPIr = runtime.takeIkeSpi()
  const { setUp, notifies } = answerSetUp(candidates, payloads)
  const Nr = random(NONCE_BYTES, 'nonce')
  // HDR, SAr1, KEr, Nr, N(NAT_DETECTION_*) -->
  const ours: Payload[] = [
    { kind: 'SA', critical: false, proposals: [suite.toProposal()] },
    { kind: 'KE', critical: false, group: suite.ke, data: answer.publicValue },
    { kind: 'Nonce', critical: false, data: Nr },
    ...natDetectionPayloads(crypto, connection.encap, { SPIi, SPIr }, path),
    ...(suite.additionalKe.length === 0 ? [] : [notify(NotifyType.INTERMEDIATE_EXCHANGE_SUPPORTED)]),
    ...initAnswerNotifies(connection, payloads),
    ...notifies,
  ]
  const response = encodeMessage(
    { ...header, SPIi, SPIr, flags: { initiator: false, response: true, higherVersion: false } },
    ours,
  )
  const init = settleInit(runtime, 'responder', SPIi, answer.sharedSecret, {
    SPIr,
    Ni,
    Nr,
    initRequest: request.message.slice(),
    initResponse: response,
    suite,
    natLocal: nat.natLocal,
    natRemote: nat.natRemote,
  })
  const sa = new IkeSa({ runtime, id, role: 'responder', SPIi, connection, candidates, path })
  sa.init = init
  sa.setUp = setUp
  sa.abilities.redirect = goesElsewhere(payloads)
  beginIntermediate(sa)
  sa.window.responded(header.messageId, { datagrams: [response], recut: undefined }, runtime.now)
  return { sa, response, payloads: ours }
}
