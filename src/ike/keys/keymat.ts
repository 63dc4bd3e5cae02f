import { concat, wipe } from '../../bytes/index.ts'
import { prfPlus } from '../../crypto/prf-plus.ts'
import type { CryptoProvider } from '../../crypto/provider.ts'
import {
  type EncrInfo,
  encrInfo,
  hasOwnIntegrity,
  Integ,
  integInfo,
  type PrfInfo,
  prfInfo,
  TransformType,
  transformName,
} from '../../crypto/transforms.ts'
import { UsageError } from '../../errors.ts'

/** The transforms of an IKE SA that decide about its keys. */
export interface IkeSuite {
  readonly encr: number
  /** As negotiated; not looked at when the cipher has one key length only. */
  readonly keyBits: number
  readonly prf: number
  /** `Integ.NONE` (0) with an AEAD. */
  readonly integ: number
}

/** The transforms of a CHILD_SA that decide about its keys, as in `IkeSuite`. */
export type ChildSuite = Omit<IkeSuite, 'prf'>

/** The seven secrets of an IKE SA. RFC 7296 §2.14. */
export interface IkeKeys {
  readonly SK_d: Uint8Array
  /** Empty with an AEAD, as `SK_ar`. */
  readonly SK_ai: Uint8Array
  readonly SK_ar: Uint8Array
  /** The cipher's key, with an AEAD followed by its salt (RFC 5282 §7.1). */
  readonly SK_ei: Uint8Array
  readonly SK_er: Uint8Array
  readonly SK_pi: Uint8Array
  readonly SK_pr: Uint8Array
}

/** Those that are needed beside the ciphers: one for other keys, two for AUTH. */
export type LastingKeys = Pick<IkeKeys, 'SK_d' | 'SK_pi' | 'SK_pr'>

/** A cipher's key and its salt, which is empty for CBC. */
export interface CipherKey {
  readonly key: Uint8Array
  readonly salt: Uint8Array
}

/** The keys of a CHILD_SA; I is the side that sent the request that made it. RFC 7296 §2.17. */
export interface ChildKeys {
  readonly encrI2R: CipherKey
  /** Absent with an AEAD, as `integR2I`. */
  readonly integI2R?: Uint8Array
  readonly encrR2I: CipherKey
  readonly integR2I?: Uint8Array
}

/** SKEYSEED = prf(Ni | Nr, g^ir), with a PRF of AES prf(the first 64 bits of Ni | those of Nr, g^ir). RFC 7296 §2.14. */
export function deriveSkeyseed(
  crypto: CryptoProvider,
  prf: PrfInfo,
  Ni: Uint8Array,
  Nr: Uint8Array,
  sharedSecret: Uint8Array,
): Uint8Array {
  const key = prf.fixedKey ? concat(Ni.subarray(0, prf.bytes / 2), Nr.subarray(0, prf.bytes / 2)) : concat(Ni, Nr)
  return crypto.prf(prf.id, key, sharedSecret)
}

/**
 * SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr), after the n-th additional key exchange of IKE_INTERMEDIATE. `SK_d` is that of the
 * keys in use until then, `sharedSecret` that of the additional key exchange; the nonces are those of IKE_SA_INIT. The new
 * keys come from `deriveIkeKeys`. RFC 9370 §2.2.2.
 */
export function deriveSkeyseedAdditional(
  crypto: CryptoProvider,
  prf: PrfInfo,
  SK_d: Uint8Array,
  sharedSecret: Uint8Array,
  Ni: Uint8Array,
  Nr: Uint8Array,
): Uint8Array {
  return deriveSkeyseedRekey(crypto, prf, SK_d, sharedSecret, Ni, Nr)
}

/** SKEYSEED = prf(SK_d (old), "Resumption" | Ni | Nr), with the prf of the session. RFC 5723 §5.1. */
export function deriveSkeyseedResumption(
  crypto: CryptoProvider,
  prf: PrfInfo,
  SK_d: Uint8Array,
  Ni: Uint8Array,
  Nr: Uint8Array,
): Uint8Array {
  return crypto.prf(prf.id, SK_d, concat(resumption, Ni, Nr))
}

/** 10 octets of ASCII without a terminator. */
const resumption = Uint8Array.from('Resumption', (character) => character.charCodeAt(0))

/**
 * SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr [| SK(1) | ... SK(n)]), with the prf of the old IKE SA. `additional` holds the
 * shared secrets of IKE_FOLLOWUP_KE in their order. RFC 7296 §2.18, RFC 9370 §2.2.4.
 */
export function deriveSkeyseedRekey(
  crypto: CryptoProvider,
  prf: PrfInfo,
  SK_d: Uint8Array,
  sharedSecret: Uint8Array,
  Ni: Uint8Array,
  Nr: Uint8Array,
  additional: readonly Uint8Array[] = [],
): Uint8Array {
  const data = concat(sharedSecret, Ni, Nr, ...additional)
  const SKEYSEED = crypto.prf(prf.id, SK_d, data)
  wipe(data)
  return SKEYSEED
}

/**
 * {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr). `suite` is the new SA's,
 * SPIs are 8 octets each. Throws `UsageError` for transforms that are not implemented. RFC 7296 §2.14.
 */
export function deriveIkeKeys(
  crypto: CryptoProvider,
  suite: IkeSuite,
  SKEYSEED: Uint8Array,
  Ni: Uint8Array,
  Nr: Uint8Array,
  SPIi: Uint8Array,
  SPIr: Uint8Array,
): IkeKeys {
  const prf = prfInfo(suite.prf)
  if (prf === undefined) throw notImplemented('prf', TransformType.PRF, suite.prf)
  // SK hides identities and has an IV of its own in each message: neither NULL nor an implicit IV will do. RFC 7296 §3.14.
  if (encrInfo(suite.encr)?.espOnly === true) {
    throw new UsageError('encr', `${transformName(TransformType.ENCR, suite.encr)} is for ESP alone`)
  }
  const { keyBytes, saltBytes, integBytes } = keySizes(suite)
  const encrBytes = keyBytes + saltBytes
  const seed = concat(Ni, Nr, SPIi, SPIr)
  const keymat = prfPlus(crypto, prf.id, SKEYSEED, seed, 3 * prf.bytes + 2 * (integBytes + encrBytes))
  const next = cutter(keymat)
  const keys = {
    SK_d: next(prf.bytes),
    SK_ai: next(integBytes),
    SK_ar: next(integBytes),
    SK_ei: next(encrBytes),
    SK_er: next(encrBytes),
    SK_pi: next(prf.bytes),
    SK_pr: next(prf.bytes),
  }
  wipe(keymat)
  return keys
}

/**
 * The keys after a PPK was mixed in: SK_d = prf+ (PPK, SK_d'), SK_pi and SK_pr likewise. All others are the same arrays as
 * before; what was replaced is not wiped. RFC 8784 §3.
 */
export function mixPpk<Keys extends LastingKeys>(
  crypto: CryptoProvider,
  prf: PrfInfo,
  ppk: Uint8Array,
  keys: Keys,
): Keys {
  const mixed = (key: Uint8Array) => prfPlus(crypto, prf.id, ppk, key, prf.bytes)
  return { ...keys, SK_d: mixed(keys.SK_d), SK_pi: mixed(keys.SK_pi), SK_pr: mixed(keys.SK_pr) }
}

/**
 * KEYMAT = prf+(SK_d, [g^ir (new) |] Ni | Nr [| SK(1) | ... SK(n)]), cut for both directions: initiator to responder first,
 * encryption before integrity. `prf` is the IKE SA's; `sharedSecret` is that of this exchange's own key exchange, when it had
 * one, `additional` those of IKE_FOLLOWUP_KE in their order. Throws `UsageError` for transforms that are not implemented.
 * RFC 7296 §2.17, RFC 9370 §2.2.4.
 */
export function deriveChildKeys(
  crypto: CryptoProvider,
  prf: PrfInfo,
  SK_d: Uint8Array,
  suite: ChildSuite,
  Ni: Uint8Array,
  Nr: Uint8Array,
  sharedSecret: Uint8Array = new Uint8Array(0),
  additional: readonly Uint8Array[] = [],
): ChildKeys {
  const { keyBytes, saltBytes, integBytes } = keySizes(suite)
  const seed = concat(sharedSecret, Ni, Nr, ...additional)
  const keymat = prfPlus(crypto, prf.id, SK_d, seed, 2 * (keyBytes + saltBytes + integBytes))
  wipe(seed)
  const next = cutter(keymat)
  const cipherKey = (): CipherKey => ({ key: next(keyBytes), salt: next(saltBytes) })
  const keys =
    integBytes === 0
      ? { encrI2R: cipherKey(), encrR2I: cipherKey() }
      : { encrI2R: cipherKey(), integI2R: next(integBytes), encrR2I: cipherKey(), integR2I: next(integBytes) }
  wipe(keymat)
  return keys
}

/** Overwrites all seven secrets. */
export function wipeIkeKeys(keys: IkeKeys): void {
  wipe(keys.SK_d, keys.SK_ai, keys.SK_ar, keys.SK_ei, keys.SK_er, keys.SK_pi, keys.SK_pr)
}

/** Overwrites the keys of both directions. */
export function wipeChildKeys(keys: ChildKeys): void {
  for (const { key, salt } of [keys.encrI2R, keys.encrR2I]) wipe(key, salt)
  wipe(keys.integI2R, keys.integR2I)
}

interface KeySizes {
  readonly keyBytes: number
  readonly saltBytes: number
  readonly integBytes: number
}

function keySizes(suite: ChildSuite): KeySizes {
  const encr = encrInfo(suite.encr)
  if (encr === undefined) throw notImplemented('encr', TransformType.ENCR, suite.encr)
  return {
    keyBytes: keyBits(encr, suite.keyBits) / 8,
    saltBytes: encr.saltBytes,
    integBytes: integBytes(encr, suite.integ),
  }
}

function keyBits(encr: EncrInfo, negotiated: number): number {
  const bits = encr.fixedKey ? encr.keyBits[0] : encr.keyBits.find((possible) => possible === negotiated)
  if (bits !== undefined) return bits
  throw new UsageError('keyBits', `${transformName(TransformType.ENCR, encr.id)} has no key of ${negotiated} bits`)
}

function integBytes(encr: EncrInfo, integ: number): number {
  if (integ === Integ.NONE && hasOwnIntegrity(encr)) return 0
  const info = integInfo(integ)
  if (info === undefined) throw notImplemented('integ', TransformType.INTEG, integ)
  if (!hasOwnIntegrity(encr)) return info.keyBytes
  throw new UsageError('integ', `${transformName(TransformType.ENCR, encr.id)} takes no integrity transform beside it`)
}

function notImplemented(argument: string, type: number, id: number): UsageError {
  return new UsageError(argument, `${transformName(type, id)} is not implemented`)
}

/** Copies consecutive pieces out of `keymat`. */
function cutter(keymat: Uint8Array): (length: number) => Uint8Array {
  let at = 0
  return (length) => {
    const piece = keymat.slice(at, at + length)
    at += length
    return piece
  }
}
