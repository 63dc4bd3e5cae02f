import { concat, wipe } from '../bytes/index.ts'
import type { CryptoProvider } from '../crypto/provider.ts'
import type { PrfInfo } from '../crypto/transforms.ts'

/**
 * The octets that a side signs or MACs for AUTH: RealMessage | the other side's nonce | prf(SK_p, RestOfIDPayload).
 * RFC 7296 §2.15.
 *
 * @param ownMessage the signer's first message as sent: from the IKE header (without a non-ESP marker) to its last octet.
 *   When IKE_SA_INIT was repeated with a cookie or another group, the last one.
 * @param peerNonce Nr for the initiator, Ni for the responder, without the payload header.
 * @param SK_p SK_pi for the initiator, SK_pr for the responder.
 * @param idBody the signer's ID payload after the generic header: type, three reserved octets, data.
 */
export function signedOctets(
  crypto: CryptoProvider,
  prf: PrfInfo,
  ownMessage: Uint8Array,
  peerNonce: Uint8Array,
  SK_p: Uint8Array,
  idBody: Uint8Array,
): Uint8Array {
  return concat(ownMessage, peerNonce, crypto.hmac(prf.hash, SK_p, idBody))
}

/**
 * AUTH data of method 2: prf(prf(secret, "Key Pad for IKEv2"), octets), for a pre-shared key or an EAP method's MSK.
 * RFC 7296 §§2.15, 2.16.
 */
export function pskAuth(crypto: CryptoProvider, prf: PrfInfo, secret: Uint8Array, octets: Uint8Array): Uint8Array {
  const padded = crypto.hmac(prf.hash, secret, keyPad)
  const auth = crypto.hmac(prf.hash, padded, octets)
  wipe(padded)
  return auth
}

/** 17 octets of ASCII without a terminator. */
const keyPad = Uint8Array.from('Key Pad for IKEv2', (character) => character.charCodeAt(0))
