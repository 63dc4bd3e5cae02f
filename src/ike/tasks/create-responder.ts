import { equalBytes, wipe } from '../../bytes/index.ts'
import type { Payload } from '../codec/index.ts'
import type { IkeSa } from '../ike-sa.ts'
import { finishOrAbandon, followUpsOf } from '../keys/follow-up.ts'
import { NONCE_BYTES, peerNonce } from '../keys/nonces.ts'
import { find, invalidKePayload, kePayload, need } from '../message/notifies.ts'
import type { ChosenProposal } from '../negotiation/proposal.ts'
import type { CreateKeying } from './create-exchange.ts'

/** What a responder makes in CREATE_CHILD_SA: what the response says of it, and its installation. */
export interface CreateAnswer {
  /** Our SPI of the new SA. */
  readonly spi: Uint8Array
  /** What stands before SA (USE_TRANSPORT_MODE), and after KE (TSi, TSr). */
  readonly before: readonly Payload[]
  readonly after: readonly Payload[]
  /** All secrets are there: installs it. The secrets are wiped afterwards. May throw `PeerError`. */
  finish(keying: CreateKeying): void
  /** It will not be finished: gives back what was taken. */
  abandon(): void
}

/** What a CREATE_CHILD_SA request was answered, by its nonce (copied). */
export interface CreateAnswered {
  readonly Ni: Uint8Array
  readonly answer: readonly Payload[]
}

/**
 * The answer to a request that came before: when message ids are agreed on anew, what is under way is asked again under another one,
 * and must not be made twice. RFC 6311 §5.1.
 */
export function answeredBefore(sa: IkeSa, request: readonly Payload[]): Payload[] | undefined {
  const { data } = need(request, 'Nonce')
  const before = sa.createAnswered.find(({ Ni }) => equalBytes(Ni, data))
  return before === undefined ? undefined : [...before.answer]
}

function remember(sa: IkeSa, Ni: Uint8Array, answer: Payload[]): Payload[] {
  if (sa.abilities.messageIdSync) sa.createAnswered = [...sa.createAnswered, { Ni, answer }].slice(-sa.window.ownSize)
  return answer
}

/**
 * The responder's side of what all CREATE_CHILD_SA exchanges share, from the choice of `suite` on: nonce, key exchange and
 * the response. `begin` is called once the peer's KE payload is of the right group. With additional key exchanges what it
 * gave is finished after the last of them, or abandoned when they do not come. RFC 7296 §1.3, RFC 9370 §2.2.4.
 */
// <-- HDR, SK {[N(REKEY_SA),] SA, Ni, [KEi,] [TSi, TSr]}
export function answerCreate(
  sa: IkeSa,
  payloads: readonly Payload[],
  suite: ChosenProposal,
  begin: (nonces: { readonly Ni: Uint8Array; readonly Nr: Uint8Array }) => CreateAnswer,
): Payload[] {
  const { crypto, random } = sa.runtime
  const Ni = peerNonce(payloads, sa.init!.suite.prf).slice()
  const KEi = find(payloads, 'KE')
  // HDR, SK {N(INVALID_KE_PAYLOAD)} -->
  if (suite.ke !== 0 && KEi?.group !== suite.ke) return [invalidKePayload(suite.ke)]
  const hasMore = suite.additionalKe.length > 0
  if (hasMore) followUpsOf(sa).requireRoom()
  const exchanged = suite.ke === 0 ? undefined : crypto.respondKeyExchange(suite.ke, KEi!.data, random)
  const secrets = exchanged === undefined ? [] : [exchanged.sharedSecret]
  const Nr = random(NONCE_BYTES, 'nonce')
  const answer = wipingOnFailure(secrets, () => begin({ Ni, Nr }))
  const more = hasMore ? [followUpsOf(sa).wait({ answer, Ni, Nr, suite, secrets })] : []
  if (!hasMore) finishOrAbandon(answer, { Ni, Nr, secrets })
  // HDR, SK {SA, Nr, [KEr,] [TSi, TSr,] [N(ADDITIONAL_KEY_EXCHANGE)]} -->
  return remember(sa, Ni, [
    ...answer.before,
    { kind: 'SA', critical: false, proposals: [suite.toProposal(answer.spi)] },
    { kind: 'Nonce', critical: false, data: Nr },
    ...(exchanged === undefined ? [] : [kePayload(suite.ke, exchanged.publicValue)]),
    ...answer.after,
    ...more,
  ])
}

/** Runs `make`; should it throw, nobody needs the secrets any more. */
function wipingOnFailure<T>(secrets: readonly Uint8Array[], make: () => T): T {
  try {
    return make()
  } catch (error) {
    wipe(...secrets)
    throw error
  }
}
