import { nodeProvider } from '../../src/crypto/node.ts'
import type { KeyExchange, RandomSource } from '../../src/crypto/provider.ts'
import { Encr, Integ, KeGroup, Prf, prfInfo } from '../../src/crypto/transforms.ts'
import { pskAuth, signedOctets } from '../../src/ike/auth/auth-octets.ts'
import {
  encodeIdBody,
  keyLengthAttribute,
  type Payload,
  type Proposal,
  ProtocolId,
  type Transform,
} from '../../src/ike/codec/index.ts'
import { deriveChildKeys, deriveIkeKeys, deriveSkeyseed, type IkeKeys } from '../../src/ike/keys/keymat.ts'
import { MessageProtector } from '../../src/ike/message/message-crypto.ts'

/** Transforms of an IKE_SA or a CHILD_SA. */
export interface Suite {
  readonly encr: number
  readonly keyBits: number
  readonly prf: number
  readonly integ: number
  readonly ke: number
}

const { PRF_HMAC_SHA2_256 } = Prf
const { CURVE25519, ECP_256, MODP_2048 } = KeGroup
const chacha = { encr: Encr.ENCR_CHACHA20_POLY1305, keyBits: 256, integ: 0 }
const gcm = { encr: Encr.ENCR_AES_GCM_16, keyBits: 128, integ: 0 }
const cbc = { encr: Encr.ENCR_AES_CBC, keyBits: 128, integ: Integ.AUTH_HMAC_SHA2_256_128 }

/** Cheapest first. */
export const ikeSuites: readonly Suite[] = [
  { ...chacha, prf: PRF_HMAC_SHA2_256, ke: CURVE25519 },
  { ...gcm, prf: PRF_HMAC_SHA2_256, ke: ECP_256 },
  { ...cbc, prf: PRF_HMAC_SHA2_256, ke: MODP_2048 },
]

export const espSuites: readonly Suite[] = [chacha, gcm, cbc].map((suite) => ({ ...suite, prf: 0, ke: 0 }))

export function proposalOf(suite: Suite, protocol: number, spi: Uint8Array): Proposal {
  const { encr, keyBits, integ, prf, ke } = suite
  const attributes = encr === Encr.ENCR_CHACHA20_POLY1305 ? [] : [keyLengthAttribute(keyBits)]
  const transforms: Transform[] = [{ type: 1, id: encr, attributes }]
  for (const [type, id] of [
    [2, prf],
    [3, integ],
    [4, ke],
  ] as const) {
    if (id !== 0) transforms.push({ type, id, attributes: [] })
  }
  if (protocol === ProtocolId.ESP) transforms.push({ type: 5, id: 0, attributes: [] })
  return { number: 1, protocol, spi, transforms }
}

/** One key pair for each group: nothing that attackers send is secret, and making them costs time. */
export class AttackerKeyPairs {
  readonly #random: RandomSource
  readonly #pairs = new Map<number, KeyExchange>()

  constructor(random: RandomSource) {
    this.#random = random
  }

  of(group: number): KeyExchange {
    const known = this.#pairs.get(group) ?? nodeProvider.keyExchange(group, this.#random)
    this.#pairs.set(group, known)
    return known
  }
}

/** An IKE_SA that the attacker has the keys of, either role. */
export interface AttackerIkeSa {
  readonly role: 'initiator' | 'responder'
  readonly suite: Suite
  readonly SPIi: Uint8Array
  readonly SPIr: Uint8Array
  readonly Ni: Uint8Array
  readonly Nr: Uint8Array
  readonly initRequest: Uint8Array
  readonly initResponse: Uint8Array
  readonly keys: IkeKeys
  readonly outbound: MessageProtector
  readonly inbound: MessageProtector
}

export function deriveAttackerSa(
  settled: Omit<AttackerIkeSa, 'keys' | 'outbound' | 'inbound'>,
  sharedSecret: Uint8Array,
  random: RandomSource,
): AttackerIkeSa {
  const { suite, Ni, Nr, SPIi, SPIr, role } = settled
  const SKEYSEED = deriveSkeyseed(nodeProvider, prfInfo(suite.prf)!, Ni, Nr, sharedSecret)
  const keys = deriveIkeKeys(nodeProvider, suite, SKEYSEED, Ni, Nr, SPIi, SPIr)
  const ofInitiator = new MessageProtector(nodeProvider, suite, keys.SK_ei, keys.SK_ai, random)
  const ofResponder = new MessageProtector(nodeProvider, suite, keys.SK_er, keys.SK_ar, random)
  const [outbound, inbound] = role === 'initiator' ? [ofInitiator, ofResponder] : [ofResponder, ofInitiator]
  return { ...settled, keys, outbound, inbound }
}

/** The AUTH payload of the attacker's side. */
export function authPayload(
  sa: AttackerIkeSa,
  psk: Uint8Array,
  id: Payload & { readonly kind: 'IDi' | 'IDr' },
): Payload {
  const prf = prfInfo(sa.suite.prf)!
  const [message, nonce, key] =
    sa.role === 'initiator' ? [sa.initRequest, sa.Nr, sa.keys.SK_pi] : [sa.initResponse, sa.Ni, sa.keys.SK_pr]
  const octets = signedOctets(nodeProvider, prf, message, nonce, key, encodeIdBody(id))
  return { kind: 'AUTH', critical: false, method: 2, data: pskAuth(nodeProvider, prf, psk, octets) }
}

/** Keys of a CHILD_SA for the direction that the attacker sends in, `role` in the exchange that made it. */
export function childKeysToVictim(
  sa: AttackerIkeSa,
  role: 'initiator' | 'responder',
  suite: Suite,
  nonces: { readonly Ni: Uint8Array; readonly Nr: Uint8Array },
  sharedSecret?: Uint8Array,
) {
  const keys = deriveChildKeys(
    nodeProvider,
    prfInfo(sa.suite.prf)!,
    sa.keys.SK_d,
    suite,
    nonces.Ni,
    nonces.Nr,
    sharedSecret,
  )
  const [encr, integ] = role === 'initiator' ? [keys.encrI2R, keys.integI2R] : [keys.encrR2I, keys.integR2I]
  return {
    encr: { id: suite.encr, ...encr },
    ...(integ === undefined ? {} : { integ: { id: suite.integ, key: integ } }),
  }
}
