import type { IpAddress } from '../ip/address.ts'
import type { Flow } from './asking/flow.ts'
import type { ChildSa } from './child/child-sa.ts'
import type { Trigger } from './child/child-terms.ts'
import type { Payload } from './codec/index.ts'
import type { ChildConfig, ConnectionConfig, Identity } from './config.ts'
import type { NoAddress } from './config-payload/no-address.ts'
import type { CloseReason } from './events.ts'
import type { Refusal } from './explain/refusal.ts'
import type { IkeSa } from './ike-sa.ts'
import type { IkeSaState } from './ike-sa-states.ts'
import type { FollowUps } from './keys/follow-up.ts'
import type { Intermediate } from './keys/intermediate.ts'
import type { IkeRekeying } from './life/ike-rekeying.ts'
import type { OwnSync, PeerSync } from './message/message-id-sync.ts'
import { MessageWindow } from './message/message-window.ts'
import { Reassembly } from './message/reassembly.ts'
import type { OpenRequest } from './message/request-answering.ts'
import type { Mobike } from './path/mobike.ts'
import type { NatFindings } from './path/nat-detection.ts'
import { isStream } from './path/streams.ts'
import type { CertificateBlob, ProvenPeer } from './questions.ts'
import type { Session } from './resumption/session.ts'
import type { IkeRuntime, Path } from './runtime.ts'
import type { InitResult } from './set-up/init-result.ts'
import { noAbilities, type PeerAbilities } from './set-up/peer-abilities.ts'
import type { SetUp } from './set-up/set-up.ts'
import type { Task } from './task.ts'
import { TaskQueue } from './task-queue.ts'
import type { CreateAnswered } from './tasks/create-responder.ts'
import type { IkeTimer } from './time/ike-timers.ts'
import { Timers } from './time/timers.ts'

/** What another IKE_SA of the same peer, that has the place of this one, means for it. */
interface Replacement {
  readonly by: IkeSa
  readonly since: number
  /** We are to ask for the CHILD_SAs that the other one has not, and have not done so yet. */
  asks: boolean
  /** Asks the peer for a sign that it has the other one. */
  probe?: Task
}

/** What an IKE_SA begins with. */
export interface IkeSaParameters {
  readonly runtime: IkeRuntime
  readonly id: number
  readonly role: 'initiator' | 'responder'
  readonly SPIi: Uint8Array
  readonly connection: ConnectionConfig
  readonly candidates?: readonly ConnectionConfig[]
  readonly path: Path
  /** `undecided`: made by a rekeying, of an authenticated peer. */
  readonly state?: 'connecting' | 'undecided'
  /** Of the IKE_SA that this one replaces. */
  readonly abilities?: PeerAbilities
}

/** What an IKE_SA and the exchanges on it know and share; what becomes of it is in `ike-sa.ts`. */
export abstract class IkeSaFacts extends TaskQueue {
  readonly runtime: IkeRuntime
  readonly id: number
  readonly role: 'initiator' | 'responder'
  readonly SPIi: Uint8Array
  readonly window: MessageWindow
  readonly timers = new Timers<IkeTimer>(this)
  readonly children: ChildSa[] = []
  readonly reassembly: Reassembly
  /** Shared with the IKE_SA that replaces this one. */
  readonly abilities: PeerAbilities
  /** Replaced and deleted CHILD_SAs that still take what is under way. */
  readonly lingering: ChildSa[] = []
  /** When a lingering CHILD_SA ends, or another one is to be rekeyed (again). */
  readonly childTimers = new Timers<ChildSa>(this)
  /** A responder learns which of its candidates it is by the peer's identity, in IKE_AUTH. */
  connection: ConnectionConfig
  candidates: readonly ConnectionConfig[]
  path: Path
  /** Where the peer seems to be, while a request under way keeps us from asking: it goes there in turn. */
  alsoAt: Path | undefined
  init: InitResult | undefined
  /** What IKE_SA_INIT settled besides; undefined before, and for one that came of a rekeying. */
  setUp: SetUp | undefined
  /** The gateway that sent us here, as initiator. RFC 5685. */
  redirectedFrom: IpAddress | undefined
  /** Set when it resumes a session: whom that was with, and when the peer proved it. RFC 5723. */
  resumed: Pick<Session, 'remoteId' | 'authenticatedAt' | 'eapIdentity' | 'certificate'> | undefined
  /** As initiator that may resume its session: what the peer sent with its certificate. */
  peerCertificates: readonly CertificateBlob[] = []
  /** A PPK is mixed into its keys, of old or by the session that it resumes. RFC 8784 §3. */
  hasPpk = false
  /** As initiator: what became of the last ticket that the peer gave us. RFC 5723. */
  ticket: 'none' | 'good' | 'void' = 'none'
  /** Set when additional key exchanges were agreed on. */
  intermediate: Intermediate | undefined
  /** Set once the peer owes us additional key exchanges in IKE_FOLLOWUP_KE. */
  followUps: FollowUps | undefined
  remoteId: Identity | undefined
  /** The CHILD_SA that an initiator sets up in IKE_AUTH. */
  firstChild: ChildConfig | undefined
  /** The packet that asked for it. */
  trigger: Trigger | undefined
  establishedAt: number | undefined
  /** When the peer proved its identity: a rekeyed IKE_SA has it from the one before. */
  authenticatedAt: number | undefined
  /** For an initiator: when the responder had answered, and so knew of it. */
  createdAt: number
  /** Decides between two that were begun by either end: the lowest of the nonces that the first keys were made of, as far as that fits. */
  tieBreak = 0
  /** Our role in the IKE_SA that was authenticated: rekeying may change the roles of those that follow. */
  beganAs: 'initiator' | 'responder'
  /** Under what `IkePeers` knows it. */
  peerKey: string | undefined
  /** Under what the responder knows the request that began it, while that may come again. */
  attempt: string | undefined
  /** It was begun to take the place of this one. RFC 7296 §2.8.3. */
  replaces: IkeSa | undefined
  /** Runs when the peer of an IKE_SA that we began has authenticated, and its first CHILD_SA stands or is refused. */
  onEstablished: (() => void) | undefined
  /** Another one of the same peer has its place, and it is about to be deleted. */
  replacement: Replacement | undefined
  /** What is under way to rekey it, if anything was. */
  rekeying: IkeRekeying | undefined
  /** The rekeying of another IKE_SA that this one came of, while it is undecided. */
  rekeyingOf: IkeRekeying | undefined
  /** The IKE_SA that has its place after a rekeying. */
  successor: IkeSa | undefined
  /** Octets of an IP packet that got through where those of the configured size did not. */
  fragmentBytes: number | undefined
  /** The token by which the peer can prove that it lost this IKE_SA, and whether it has ours. RFC 6290. */
  peerToken: Uint8Array | undefined
  hasToldToken = false
  /** From when on a hint that the peer has lost it is followed. */
  hintsFrom = Number.NEGATIVE_INFINITY
  /** Its message ids ran low, and it was to be rekeyed for that. */
  isRenewedForIds = false
  /** Our synchronisation of message ids, while it waits for its response, and the peer's last one. */
  ownSync: OwnSync | undefined
  peerSync: PeerSync | undefined
  /** What the peer asked for last in CREATE_CHILD_SA, and may ask again under another message id. */
  createAnswered: readonly CreateAnswered[] = []
  /** Why the last unauthenticated answer was not taken; told when the peer is given up. */
  lastProblem: string | undefined
  /** Set while a request is answered: the IKE_SA ends as soon as the response is out. */
  closing: { readonly reason: CloseReason; readonly refusal?: Refusal } | undefined
  /**
   * The peer's SPIs that it deleted before its answer to our CREATE_CHILD_SA reached us: that CHILD_SA must not come up. Kept
   * while tasks are active.
   */
  deletedEarly: Set<number> | undefined
  /** Our addresses inside, from the peer's CFG_REPLY. RFC 7296 §2.19. */
  virtualIps: readonly IpAddress[] = []
  /** The peer's addresses inside, which we gave it. */
  assignedIps: readonly IpAddress[] = []
  /** Why the peer gets no CHILD_SA: it has no address. */
  withoutAddress: NoAddress | undefined
  /** Undefined: one of the peers does not do it. */
  mobike: Mobike | undefined
  /** The message id of the peer's last request that said something about addresses. */
  addressesToldIn = 0
  /** Who is behind a NAT; MOBIKE may find that changed. RFC 7296 §2.23. */
  nat: Pick<NatFindings, 'natLocal' | 'natRemote'> = { natLocal: false, natRemote: false }
  /** As responder: IKE_AUTH between two requests of the peer. */
  authFlow: Flow<Payload[]> | undefined
  /** Who the peer is, once all its proofs are good. */
  provenPeer: ProvenPeer | undefined
  /** The peer's requests whose responses wait for somebody of ours. */
  held: readonly OpenRequest[] = []
  /** As TCP originator: its connection was lost, or could not be opened so often in a row; undefined while there is nothing amiss. */
  streamTries: number | undefined
  /** It went from TCP to UDP, where its ESP then stays. */
  leftStream = false
  /** Paths that the peer did not take since the addresses changed last. */
  readonly refusedPaths: Path[] = []

  constructor(parameters: IkeSaParameters) {
    super()
    this.runtime = parameters.runtime
    this.id = parameters.id
    this.role = parameters.role
    this.beganAs = parameters.role
    this.createdAt = parameters.runtime.now
    this.SPIi = parameters.SPIi
    this.connection = parameters.connection
    this.candidates = parameters.candidates ?? [parameters.connection]
    this.path = this.runtime.keepPath(parameters.path)
    this.abilities = parameters.abilities ?? noAbilities()
    this.reassembly = new Reassembly(this.runtime.reassembly, () => this.state === 'connecting')
    this.window = new MessageWindow(this.connection.retransmit, this.runtime.random, this, () => isStream(this.path))
  }

  abstract get state(): IkeSaState
}
