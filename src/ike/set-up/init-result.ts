import { wipe } from '../../bytes/index.ts'
import type { CryptoProvider, RandomSource } from '../../crypto/provider.ts'
import { prfInfo } from '../../crypto/transforms.ts'
import {
  deriveIkeKeys,
  deriveSkeyseed,
  deriveSkeyseedRekey,
  deriveSkeyseedResumption,
  type IkeKeys,
  type LastingKeys,
} from '../keys/keymat.ts'
import { MessageProtector } from '../message/message-crypto.ts'
import type { ChosenProposal } from '../negotiation/proposal.ts'

/** What IKE_SA_INIT settles: everything that IKE_AUTH and the keys are made of. */
export interface InitResult {
  readonly SPIr: Uint8Array
  readonly Ni: Uint8Array
  readonly Nr: Uint8Array
  /** The two messages as they were on the wire: AUTH covers them (RFC 7296 §2.15). Empty when it came of a rekeying. */
  readonly initRequest: Uint8Array
  readonly initResponse: Uint8Array
  readonly suite: ChosenProposal
  readonly keys: LastingKeys
  readonly natLocal: boolean
  readonly natRemote: boolean
  readonly protectOutbound: MessageProtector
  readonly protectInbound: MessageProtector
}

/** The same without what is for IKE_AUTH only, whose keys are wiped. */
export function withoutAuth(init: InitResult): InitResult {
  const { SK_d, SK_pi, SK_pr } = init.keys
  wipe(SK_pi, SK_pr)
  return { ...init, keys: { SK_d, SK_pi: nothing, SK_pr: nothing }, initRequest: nothing, initResponse: nothing }
}

/** The same without nonces, which are wiped. */
export function withoutNonces(init: InitResult): InitResult {
  wipe(init.Ni, init.Nr)
  return { ...init, Ni: nothing, Nr: nothing }
}

const nothing = new Uint8Array(0)

/** SKEYSEED and the keys of a new IKE_SA. Wipes `sharedSecret`. The octet strings are kept, not copied. RFC 7296 §2.14. */
export function settleInit(
  world: { readonly crypto: CryptoProvider; readonly random: RandomSource },
  role: 'initiator' | 'responder',
  SPIi: Uint8Array,
  sharedSecret: Uint8Array,
  settled: Omit<InitResult, 'keys' | 'protectOutbound' | 'protectInbound'>,
): InitResult {
  const { Ni, Nr, suite } = settled
  const SKEYSEED = deriveSkeyseed(world.crypto, prfInfo(suite.prf)!, Ni, Nr, sharedSecret)
  wipe(sharedSecret)
  return settleKeys(world, role, SPIi, SKEYSEED, settled)
}

/** What an IKE_SA has that came of rekeying another one. The octet strings are kept, not copied. */
export interface RekeyResult {
  readonly SPIi: Uint8Array
  readonly SPIr: Uint8Array
  readonly Ni: Uint8Array
  readonly Nr: Uint8Array
  readonly suite: ChosenProposal
}

/**
 * The keys of an IKE_SA that rekeys `old`. `secrets` are those of its key exchanges in their order; the caller wipes them. RFC
 * 7296 §2.18, RFC 9370 §2.2.4.
 */
export function settleRekey(
  world: { readonly crypto: CryptoProvider; readonly random: RandomSource },
  role: 'initiator' | 'responder',
  old: InitResult,
  secrets: readonly Uint8Array[],
  { SPIi, SPIr, Ni, Nr, suite }: RekeyResult,
): InitResult {
  const [sharedSecret = new Uint8Array(0), ...additional] = secrets
  const prf = prfInfo(old.suite.prf)!
  const SKEYSEED = deriveSkeyseedRekey(world.crypto, prf, old.keys.SK_d, sharedSecret, Ni, Nr, additional)
  const { natLocal, natRemote } = old
  const settled = { SPIr, Ni, Nr, suite, natLocal, natRemote, initRequest: nothing, initResponse: nothing }
  return settleKeys(world, role, SPIi, SKEYSEED, settled)
}

/** Wipes `SKEYSEED`. */
function settleKeys(
  world: { readonly crypto: CryptoProvider; readonly random: RandomSource },
  role: 'initiator' | 'responder',
  SPIi: Uint8Array,
  SKEYSEED: Uint8Array,
  settled: Omit<InitResult, 'keys' | 'protectOutbound' | 'protectInbound'>,
): InitResult {
  const { suite, Ni, Nr, SPIr } = settled
  const keys = deriveIkeKeys(world.crypto, suite, SKEYSEED, Ni, Nr, SPIi, SPIr)
  wipe(SKEYSEED)
  return { ...settled, ...keyed(world, role, suite, keys) }
}

/** SKEYSEED and the keys of an IKE_SA that resumes a session. Wipes the session's `SK_d`. The octet strings are kept. RFC 5723 §5.1. */
export function settleResumption(
  world: { readonly crypto: CryptoProvider; readonly random: RandomSource },
  role: 'initiator' | 'responder',
  SPIi: Uint8Array,
  SK_d: Uint8Array,
  settled: Omit<InitResult, 'keys' | 'protectOutbound' | 'protectInbound'>,
): InitResult {
  const { suite, Ni, Nr } = settled
  const SKEYSEED = deriveSkeyseedResumption(world.crypto, prfInfo(suite.prf)!, SK_d, Ni, Nr)
  wipe(SK_d)
  return settleKeys(world, role, SPIi, SKEYSEED, settled)
}

/** What protects the messages of both directions, and the keys for all else. Wipes those that the ciphers have taken. */
export function keyed(
  world: { readonly crypto: CryptoProvider; readonly random: RandomSource },
  role: 'initiator' | 'responder',
  suite: ChosenProposal,
  keys: IkeKeys,
): Pick<InitResult, 'keys' | 'protectOutbound' | 'protectInbound'> {
  const { crypto, random } = world
  const ofInitiator = new MessageProtector(crypto, suite, keys.SK_ei, keys.SK_ai, random)
  const ofResponder = new MessageProtector(crypto, suite, keys.SK_er, keys.SK_ar, random)
  const { SK_d, SK_pi, SK_pr } = keys
  wipe(keys.SK_ei, keys.SK_ai, keys.SK_er, keys.SK_ar)
  const [protectOutbound, protectInbound] =
    role === 'initiator' ? [ofInitiator, ofResponder] : [ofResponder, ofInitiator]
  return { keys: { SK_d, SK_pi, SK_pr }, protectOutbound, protectInbound }
}
