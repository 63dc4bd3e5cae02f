import { PeerError } from '../../errors.ts'
import { acceptChild, chooseChild } from '../child/child-choice.ts'
import { mayBeMade } from '../child/child-making.ts'
import type { ChildSa, TheirRekey } from '../child/child-sa.ts'
import { NotifyType, type Payload, ProtocolId } from '../codec/index.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { NotifyPayload } from '../message/notifies.ts'
import { isBeingDeleted } from './child-delete.ts'
import { answerCreate } from './create-responder.ts'

/**
 * CREATE_CHILD_SA as responder, in place of the CHILD_SA that `rekeySa` names by the SPI that the peer receives on. What is
 * made receives at once, and sends when the peer has deleted the old one. RFC 7296 §1.3.3, §2.8, §2.25.1.
 */
// <-- HDR, SK {N(REKEY_SA), SA, Ni, [KEi,] TSi, TSr}
export function answerRekey(sa: IkeSa, rekeySa: NotifyPayload, payloads: readonly Payload[]): Payload[] {
  const old = childOfPeer(sa, rekeySa)
  // It may be the one that the answer to us is about, which is late: the peer would delete it, and we keep it. RFC 7296 §2.25.
  if (old === undefined && mayBeMade(sa)) throw busy()
  // HDR, SK {N(CHILD_SA_NOT_FOUND)} -->
  if (old === undefined) return [{ ...rekeySa, notify: NotifyType.CHILD_SA_NOT_FOUND, data: new Uint8Array(0) }]
  if (old.state === 'receiving' && old.announced) old.startSending()
  if (old.state !== 'installed' || old.theirRekey !== undefined || isBeingDeleted(old)) throw busy()
  const { config, localTs, remoteTs } = old.agreement!
  const choice = chooseChild(sa, payloads, false, [config], { localTs, remoteTs })
  return answerCreate(sa, payloads, choice.suite, (nonces) => {
    const theirs: TheirRekey = { ...nonces, child: undefined }
    const answer = acceptChild(sa, choice, old, (child) => {
      theirs.child = child
      if (old.state === 'installed') old.rekeyedBy(child)
    })
    // Our own rekeying of it is not begun any more; one that is under way will compare the nonces. RFC 7296 §2.8.1.
    sa.cancelWaiting(old)
    old.theirRekey = theirs
    return {
      ...answer,
      finish(keying) {
        // It was deleted during additional key exchanges, and is not to come back.
        if (!old.isAlive && old.replacement === undefined) throw busy()
        answer.finish(keying)
      },
      abandon() {
        answer.abandon()
        if (old.theirRekey === theirs) old.reinstate()
      },
    }
  })
}

const busy = (): PeerError =>
  new PeerError('BUSY', 'the CHILD_SA is being made, or rekeyed or deleted already', {
    notify: NotifyType.TEMPORARY_FAILURE,
  })

function childOfPeer(sa: IkeSa, { protocol, spi }: NotifyPayload): ChildSa | undefined {
  if (protocol !== ProtocolId.ESP || spi.length !== 4) return undefined
  const value = new DataView(spi.buffer, spi.byteOffset, 4).getUint32(0)
  return sa.children.find(({ spiOut }) => spiOut === value)
}
