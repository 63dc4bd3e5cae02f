import { concat, Writer, wipe } from '../../bytes/index.ts'
import type { CryptoProvider } from '../../crypto/provider.ts'
import type { PrfInfo } from '../../crypto/transforms.ts'
import { genericHeaderBytes, PayloadType } from '../codec/index.ts'

/**
 * The octets that a side signs or MACs for AUTH: RealMessage | the other side's nonce | prf(SK_p, RestOfIDPayload).
 * RFC 7296 §2.15.
 *
 * @param ownMessage the signer's first message as sent: from the IKE header (without a non-ESP marker) to its last octet.
 *   When IKE_SA_INIT was repeated with a cookie or another group, the last one.
 * @param peerNonce Nr for the initiator, Ni for the responder, without the payload header.
 * @param SK_p SK_pi for the initiator, SK_pr for the responder.
 * @param idBody the signer's ID payload after the generic header: type, three reserved octets, data.
 * @param intAuth when there were IKE_INTERMEDIATE exchanges: what `intermediateIntAuth` made of them, the same for both sides.
 */
export function signedOctets(
  crypto: CryptoProvider,
  prf: PrfInfo,
  ownMessage: Uint8Array,
  peerNonce: Uint8Array,
  SK_p: Uint8Array,
  idBody: Uint8Array,
  intAuth: Uint8Array = new Uint8Array(0),
): Uint8Array {
  return concat(ownMessage, peerNonce, crypto.prf(prf.id, SK_p, idBody), intAuth)
}

/**
 * IntAuth_iN or IntAuth_rN = prf(SK_p(N), IntAuth(N-1) | A | P): what one side's IKE_INTERMEDIATE messages up to the N-th come to.
 * RFC 9242 §3.3.2.
 *
 * @param SK_p SK_pi or SK_pr of the keys that protect this exchange: those before its additional key exchange.
 * @param previous the same side's value of the exchange before, empty for the first.
 * @param header the IKE header of the message, 28 octets; of any fragment when it came in fragments.
 * @param firstPayload the type of the first payload inside SK.
 * @param plaintext the payloads inside SK without padding, of all fragments.
 */
export function intermediateAuth(
  crypto: CryptoProvider,
  prf: PrfInfo,
  SK_p: Uint8Array,
  previous: Uint8Array,
  header: Uint8Array,
  firstPayload: number,
  plaintext: Uint8Array,
): Uint8Array {
  const skBytes = genericHeaderBytes + plaintext.length
  const writer = new Writer(previous.length + header.length + skBytes)
  // Both lengths count neither IV nor padding nor ICV, and fragments are taken as the one message that they are.
  writer.bytes(previous).bytes(header.subarray(0, 16)).u8(PayloadType.SK).bytes(header.subarray(17, 24))
  writer
    .u32(header.length + skBytes)
    .u8(firstPayload)
    .u8(0)
    .u16(skBytes)
    .bytes(plaintext)
  return crypto.prf(prf.id, SK_p, writer.finish())
}

/** IntAuth = IntAuth_iN | IntAuth_rN | IKE_AUTH_MID, the message id of the first IKE_AUTH request. RFC 9242 §3.3.2. */
export function intermediateIntAuth(
  ofInitiator: Uint8Array,
  ofResponder: Uint8Array,
  authMessageId: number,
): Uint8Array {
  return new Writer(ofInitiator.length + ofResponder.length + 4)
    .bytes(ofInitiator)
    .bytes(ofResponder)
    .u32(authMessageId)
    .finish()
}

/**
 * AUTH data of method 2: prf(prf(secret, "Key Pad for IKEv2"), octets), for a pre-shared key or an EAP method's MSK.
 * RFC 7296 §§2.15, 2.16.
 */
export function pskAuth(crypto: CryptoProvider, prf: PrfInfo, secret: Uint8Array, octets: Uint8Array): Uint8Array {
  const padded = crypto.prf(prf.id, secret, keyPad)
  const auth = crypto.prf(prf.id, padded, octets)
  wipe(padded)
  return auth
}

/** 17 octets of ASCII without a terminator. */
const keyPad = Uint8Array.from('Key Pad for IKEv2', (character) => character.charCodeAt(0))
