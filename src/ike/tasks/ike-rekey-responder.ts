import { PeerError } from '../../errors.ts'
import { NotifyType, type Payload, ProtocolId } from '../codec/index.ts'
import { explainRefusedProposal } from '../explain/explain-proposal.ts'
import type { IkeSa } from '../ike-sa.ts'
import { rekeyingOf } from '../life/ike-rekeying.ts'
import { need } from '../message/notifies.ts'
import { type ChosenProposal, chooseProposal } from '../negotiation/proposal.ts'
import { answerCreate } from './create-responder.ts'
import { IkeRekey, makeSuccessor, peerSpi } from './ike-rekey.ts'
import { Liveness } from './liveness.ts'
import { LivenessBehindNat } from './update-addresses.ts'

/** True for a CREATE_CHILD_SA request that rekeys the IKE_SA itself. RFC 7296 §1.3.2. */
export const isIkeRekey = (payloads: readonly Payload[]): boolean =>
  need(payloads, 'SA').proposals.some(({ protocol }) => protocol === ProtocolId.IKE)

/** The peer rekeys the IKE_SA. Throws `PeerError` for an error notify. RFC 7296 §1.3.2, §2.18, §2.25.2. */
// <-- HDR, SK {SA, Ni, KEi}
export function answerIkeRekey(sa: IkeSa, payloads: readonly Payload[]): Payload[] {
  const rekeying = rekeyingOf(sa)
  if (sa.state !== 'established' || rekeying.hasTheirs || isBusy(sa)) {
    throw new PeerError('BUSY', `the IKE_SA is ${sa.state}, or busy`, {
      notify: NotifyType.TEMPORARY_FAILURE,
    })
  }
  const suite = choose(sa, payloads)
  const SPIi = peerSpi(suite)
  return answerCreate(sa, payloads, suite, ({ Ni, Nr }) => {
    const SPIr = sa.runtime.takeIkeSpi()
    rekeying.theirsBegins({ Ni, Nr })
    return {
      spi: SPIr,
      before: [],
      after: [],
      finish({ secrets }) {
        const next = makeSuccessor(sa, 'responder', secrets, { SPIi, SPIr, Ni: Ni.slice(), Nr: Nr.slice(), suite })
        next.rekeyingOf = rekeying
        rekeying.theirsMade(next)
      },
      abandon() {
        sa.runtime.releaseIkeSpi(SPIr)
        rekeying.theirsEnds()
      },
    }
  })
}

function choose(sa: IkeSa, payloads: readonly Payload[]): ChosenProposal {
  const { connection } = sa
  const offered = need(payloads, 'SA').proposals
  const suite = chooseProposal(offered, connection.ikeProposals, { protocol: ProtocolId.IKE })
  if (suite !== undefined) return suite
  const refusal = explainRefusedProposal({ what: 'IKE', connection, offered })
  sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal, renewal: true })
  throw new PeerError('NO_PROPOSAL_CHOSEN', refusal.message, {
    notify: NotifyType.NO_PROPOSAL_CHOSEN,
    explanation: refusal,
  })
}

/**
 * We are making, rekeying or deleting a CHILD_SA, or changing addresses, or an SA waits for the peer's additional key
 * exchanges: to which IKE_SA that applies would be unclear. RFC 7296 §2.25.2.
 */
const isBusy = (sa: IkeSa): boolean =>
  (sa.followUps !== undefined && sa.followUps.size > 0) ||
  sa.activeTasks.some(
    (task) => !(task instanceof IkeRekey || task instanceof Liveness || task instanceof LivenessBehindNat),
  )
