import { prfInfo } from '../../crypto/transforms.ts'
import { PeerError } from '../../errors.ts'
import { ExchangeType, NotifyType } from '../codec/index.ts'
import type { IkeSa } from '../ike-sa.ts'
import { type ChildKeys, deriveChildKeys } from '../keys/keymat.ts'
import type { ChosenProposal } from '../negotiation/proposal.ts'
import type { CreateKeying } from '../tasks/create-exchange.ts'

// What both sides need to make the CHILD_SA that they agreed on: its SPIs and keys.

/** Exchanges whose response makes a CHILD_SA. */
const making: readonly number[] = [ExchangeType.CREATE_CHILD_SA, ExchangeType.IKE_FOLLOWUP_KE]

/** The peer may have a CHILD_SA by now whose making we have not heard the end of. */
export const mayBeMade = (sa: IkeSa): boolean =>
  sa.activeTasks.some(({ exchangeType }) => making.includes(exchangeType))

/** The keys of the agreed CHILD_SA. RFC 7296 §2.17. */
export function childKeys(sa: IkeSa, suite: ChosenProposal, { Ni, Nr, secrets }: CreateKeying): ChildKeys {
  const { keys, suite: ikeSuite } = sa.init!
  const [own, ...additional] = secrets
  return deriveChildKeys(sa.runtime.crypto, prfInfo(ikeSuite.prf)!, keys.SK_d, suite, Ni, Nr, own, additional)
}

/** The peer's SPI, 0 when it is not one of ESP. */
export function spiOf({ spi }: ChosenProposal): number {
  return spi.length === 4 ? new DataView(spi.buffer, spi.byteOffset, 4).getUint32(0) : 0
}

/** The SPI that our packets are to have. Throws `PeerError` when it cannot be used. */
export function freeOutboundSpi(sa: IkeSa, suite: ChosenProposal): number {
  const value = spiOf(suite)
  // RFC 4303 §2.1: 1 to 255 are reserved, and 0 is for nobody.
  if (value < 256 || sa.runtime.children.isTaken(sa.path.remote.address, value)) {
    throw new PeerError('BAD_SPI', `the peer's ESP SPI ${value} is reserved or already in use at its address`, {
      notify: NotifyType.NO_PROPOSAL_CHOSEN,
    })
  }
  return value
}

/** An SPI as the four octets of a payload. */
export function spiBytes(spi: number): Uint8Array {
  return Uint8Array.of(spi >>> 24, (spi >>> 16) & 0xff, (spi >>> 8) & 0xff, spi & 0xff)
}
