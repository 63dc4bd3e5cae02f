/**
 * IANA "IKEv2 Transform" numbers by name, and the sizes that follow from each. RFC 7296 §3.3.2 and the registry
 * https://www.iana.org/assignments/ikev2-parameters. A number that is not in a table here is still kept by the
 * codec; it just cannot be negotiated.
 */

/** `ADDKE1` to `ADDKE7` are the additional key exchanges of RFC 9370: numbers from the registry of `KE`. */
export const TransformType = {
  ENCR: 1,
  PRF: 2,
  INTEG: 3,
  KE: 4,
  SN: 5,
  ADDKE1: 6,
  ADDKE2: 7,
  ADDKE3: 8,
  ADDKE4: 9,
  ADDKE5: 10,
  ADDKE6: 11,
  ADDKE7: 12,
} as const
export type TransformType = (typeof TransformType)[keyof typeof TransformType]

export const Encr = {
  ENCR_3DES: 3,
  ENCR_NULL: 11,
  ENCR_AES_CBC: 12,
  ENCR_AES_CTR: 13,
  ENCR_AES_CCM_8: 14,
  ENCR_AES_CCM_12: 15,
  ENCR_AES_CCM_16: 16,
  ENCR_AES_GCM_8: 18,
  ENCR_AES_GCM_12: 19,
  ENCR_AES_GCM_16: 20,
  ENCR_NULL_AUTH_AES_GMAC: 21,
  ENCR_CHACHA20_POLY1305: 28,
  ENCR_AES_CCM_8_IIV: 29,
  ENCR_AES_GCM_16_IIV: 30,
  ENCR_CHACHA20_POLY1305_IIV: 31,
} as const

export const Prf = {
  PRF_HMAC_MD5: 1,
  PRF_HMAC_SHA1: 2,
  PRF_AES128_XCBC: 4,
  PRF_HMAC_SHA2_256: 5,
  PRF_HMAC_SHA2_384: 6,
  PRF_HMAC_SHA2_512: 7,
  PRF_AES128_CMAC: 8,
} as const

export const Integ = {
  NONE: 0,
  AUTH_HMAC_MD5_96: 1,
  AUTH_HMAC_SHA1_96: 2,
  AUTH_AES_XCBC_96: 5,
  AUTH_AES_CMAC_96: 8,
  AUTH_HMAC_SHA2_256_128: 12,
  AUTH_HMAC_SHA2_384_192: 13,
  AUTH_HMAC_SHA2_512_256: 14,
} as const

export const KeGroup = {
  NONE: 0,
  MODP_768: 1,
  MODP_1024: 2,
  MODP_1536: 5,
  MODP_2048: 14,
  MODP_3072: 15,
  MODP_4096: 16,
  MODP_6144: 17,
  MODP_8192: 18,
  ECP_256: 19,
  ECP_384: 20,
  ECP_521: 21,
  MODP_1024_160: 22,
  MODP_2048_224: 23,
  MODP_2048_256: 24,
  ECP_192: 25,
  ECP_224: 26,
  BRAINPOOL_P224R1: 27,
  BRAINPOOL_P256R1: 28,
  BRAINPOOL_P384R1: 29,
  BRAINPOOL_P512R1: 30,
  CURVE25519: 31,
  CURVE448: 32,
  ML_KEM_512: 35,
  ML_KEM_768: 36,
  ML_KEM_1024: 37,
} as const

/** Sequence numbers (transform type 5): 0 is 32-bit, 1 is 64-bit (ESN). */
export const Sn = { NO_ESN: 0, ESN: 1 } as const

/** True for `ADDKE1` to `ADDKE7`, of any transform type that a peer sent. RFC 9370 §2.2.1. */
export const isAdditionalKe = (type: number): boolean => type >= TransformType.ADDKE1 && type <= TransformType.ADDKE7

export type HashName = 'sha1' | 'sha256' | 'sha384' | 'sha512'

/** With MD5, for EAP and RADIUS, which have nothing else; no transform of IKE uses it. */
export type AnyHashName = HashName | 'md5'

/** AES-XCBC-MAC (RFC 3566) and AES-CMAC (RFC 4493), both with AES-128. */
export type AesMacName = 'aes-xcbc' | 'aes-cmac'

/** Tells the MACs of AES from the hashes of HMAC. */
export const isAesMac = (algorithm: HashName | AesMacName): algorithm is AesMacName => algorithm.startsWith('aes-')

/** Sizes in octets of an encryption transform that is implemented. */
export interface EncrInfo {
  readonly id: number
  /** `gmac`: an AEAD that authenticates all and encrypts nothing (RFC 4543). `null`: no cipher at all (RFC 2410), nor asked of a provider. */
  readonly kind: 'aead' | 'gmac' | 'cbc' | 'ctr' | 'null'
  /** Set for what protects ESP alone, and never an IKE_SA. RFC 4543, RFC 8750, RFC 8247 §2.1. */
  readonly espOnly?: true
  /** Key lengths that may be negotiated, in bits; the key length attribute is omitted when `fixedKey`. */
  readonly keyBits: readonly number[]
  readonly fixedKey: boolean
  /** Octets of salt (a nonce in RFC 3686) that KEYMAT and SK_e carry after the key (RFC 4106 §8.1, RFC 4309 §7.1, RFC 3686 §5.1, RFC 7634 §2). */
  readonly saltBytes: number
  /** Octets of explicit IV in each packet; 0 where the sequence number takes its place (RFC 8750). */
  readonly ivBytes: number
  /** Octets of the cipher's nonce or IV: salt | IV, the implicit one too. */
  readonly nonceBytes: number
  /** Octets of ICV that the cipher itself makes, 0 when a separate integrity transform is needed. */
  readonly tagBytes: number
  /** Multiple of octets that the plaintext is padded to: the block for CBC, 1 for AEADs and CTR (ESP itself aligns to 4). */
  readonly blockBytes: number
}

export interface PrfInfo {
  readonly id: number
  /** The hash of an HMAC, or the MAC itself. */
  readonly algorithm: HashName | AesMacName
  /** Output and preferred key length in octets. */
  readonly bytes: number
  /** Set for the PRFs of AES: SKEYSEED then takes the first 64 bits of each nonce as its key. RFC 7296 §2.14. */
  readonly fixedKey: boolean
}

export interface IntegInfo {
  readonly id: number
  /** The hash of an HMAC, or the MAC itself. */
  readonly algorithm: HashName | AesMacName
  readonly keyBytes: number
  /** Octets of truncated ICV in a packet. */
  readonly icvBytes: number
}

export interface KeGroupInfo {
  readonly id: number
  readonly kind: 'modp' | 'ecp' | 'x25519' | 'x448' | 'ml-kem'
  /**
   * Octets of public value in the KE payload of the request (x|y without a prefix octet for ECP, RFC 5903 §7; the
   * encapsulation key for ML-KEM).
   */
  readonly publicBytes: number
  /** The same for the response, which for ML-KEM carries the ciphertext. */
  readonly answerBytes: number
  /** Octets of the shared secret g^ir. */
  readonly sharedBytes: number
}

const aesKeyBits: readonly number[] = [128, 192, 256]

const cbc = (id: number, keyBits: readonly number[], blockBytes: number): EncrInfo => ({
  id,
  kind: 'cbc',
  keyBits,
  fixedKey: keyBits.length === 1,
  saltBytes: 0,
  ivBytes: blockBytes,
  nonceBytes: blockBytes,
  tagBytes: 0,
  blockBytes,
})

/** An AEAD or CTR: the cipher counts, and the IV is a part of its nonce. */
const counting = (
  id: number,
  kind: 'aead' | 'gmac' | 'ctr',
  keyBits: readonly number[],
  saltBytes: number,
  tagBytes: number,
): EncrInfo => ({
  ...{ id, kind, keyBits, fixedKey: keyBits.length === 1, saltBytes },
  ...{ ivBytes: 8, nonceBytes: saltBytes + 8, tagBytes, blockBytes: 1 },
})

/** The same AEAD with the sequence number for an IV, which the packet need not carry twice. RFC 8750 §4. */
const implicitIv = (id: number, explicit: EncrInfo): EncrInfo => ({ ...explicit, id, ivBytes: 0, espOnly: true })

const ccm8 = counting(Encr.ENCR_AES_CCM_8, 'aead', aesKeyBits, 3, 8)
const gcm16 = counting(Encr.ENCR_AES_GCM_16, 'aead', aesKeyBits, 4, 16)
const chacha20Poly1305 = counting(Encr.ENCR_CHACHA20_POLY1305, 'aead', [256], 4, 16)

const noCipher: EncrInfo = {
  ...{ id: Encr.ENCR_NULL, kind: 'null', keyBits: [0], fixedKey: true, espOnly: true },
  ...{ saltBytes: 0, ivBytes: 0, nonceBytes: 0, tagBytes: 0, blockBytes: 1 },
}

const encrTable: readonly EncrInfo[] = [
  cbc(Encr.ENCR_3DES, [192], 8),
  cbc(Encr.ENCR_AES_CBC, aesKeyBits, 16),
  counting(Encr.ENCR_AES_CTR, 'ctr', aesKeyBits, 4, 0),
  ccm8,
  counting(Encr.ENCR_AES_CCM_12, 'aead', aesKeyBits, 3, 12),
  counting(Encr.ENCR_AES_CCM_16, 'aead', aesKeyBits, 3, 16),
  counting(Encr.ENCR_AES_GCM_8, 'aead', aesKeyBits, 4, 8),
  counting(Encr.ENCR_AES_GCM_12, 'aead', aesKeyBits, 4, 12),
  gcm16,
  chacha20Poly1305,
  implicitIv(Encr.ENCR_AES_CCM_8_IIV, ccm8),
  implicitIv(Encr.ENCR_AES_GCM_16_IIV, gcm16),
  implicitIv(Encr.ENCR_CHACHA20_POLY1305_IIV, chacha20Poly1305),
  { ...counting(Encr.ENCR_NULL_AUTH_AES_GMAC, 'gmac', aesKeyBits, 4, 16), espOnly: true },
  noCipher,
]

const prfTable: readonly PrfInfo[] = [
  { id: Prf.PRF_HMAC_SHA1, algorithm: 'sha1', bytes: 20, fixedKey: false },
  { id: Prf.PRF_HMAC_SHA2_256, algorithm: 'sha256', bytes: 32, fixedKey: false },
  { id: Prf.PRF_HMAC_SHA2_384, algorithm: 'sha384', bytes: 48, fixedKey: false },
  { id: Prf.PRF_HMAC_SHA2_512, algorithm: 'sha512', bytes: 64, fixedKey: false },
  { id: Prf.PRF_AES128_XCBC, algorithm: 'aes-xcbc', bytes: 16, fixedKey: true },
  { id: Prf.PRF_AES128_CMAC, algorithm: 'aes-cmac', bytes: 16, fixedKey: true },
]

const integTable: readonly IntegInfo[] = [
  { id: Integ.AUTH_HMAC_SHA1_96, algorithm: 'sha1', keyBytes: 20, icvBytes: 12 },
  { id: Integ.AUTH_HMAC_SHA2_256_128, algorithm: 'sha256', keyBytes: 32, icvBytes: 16 },
  { id: Integ.AUTH_HMAC_SHA2_384_192, algorithm: 'sha384', keyBytes: 48, icvBytes: 24 },
  { id: Integ.AUTH_HMAC_SHA2_512_256, algorithm: 'sha512', keyBytes: 64, icvBytes: 32 },
  { id: Integ.AUTH_AES_XCBC_96, algorithm: 'aes-xcbc', keyBytes: 16, icvBytes: 12 },
  { id: Integ.AUTH_AES_CMAC_96, algorithm: 'aes-cmac', keyBytes: 16, icvBytes: 12 },
]

const modp = (id: number, bits: number): KeGroupInfo => ({
  id,
  kind: 'modp',
  publicBytes: bits / 8,
  answerBytes: bits / 8,
  sharedBytes: bits / 8,
})
const ecp = (id: number, fieldBytes: number): KeGroupInfo => ({
  id,
  kind: 'ecp',
  publicBytes: 2 * fieldBytes,
  answerBytes: 2 * fieldBytes,
  sharedBytes: fieldBytes,
})
/** FIPS 203 table 3: encapsulation key and ciphertext. */
const mlKem = (id: number, publicBytes: number, answerBytes: number): KeGroupInfo => ({
  id,
  kind: 'ml-kem',
  publicBytes,
  answerBytes,
  sharedBytes: 32,
})

const keTable: readonly KeGroupInfo[] = [
  modp(KeGroup.MODP_1024, 1024),
  modp(KeGroup.MODP_1536, 1536),
  modp(KeGroup.MODP_2048, 2048),
  modp(KeGroup.MODP_3072, 3072),
  modp(KeGroup.MODP_4096, 4096),
  modp(KeGroup.MODP_6144, 6144),
  modp(KeGroup.MODP_8192, 8192),
  ecp(KeGroup.ECP_256, 32),
  ecp(KeGroup.ECP_384, 48),
  ecp(KeGroup.ECP_521, 66),
  ecp(KeGroup.BRAINPOOL_P224R1, 28),
  ecp(KeGroup.BRAINPOOL_P256R1, 32),
  ecp(KeGroup.BRAINPOOL_P384R1, 48),
  ecp(KeGroup.BRAINPOOL_P512R1, 64),
  { id: KeGroup.CURVE25519, kind: 'x25519', publicBytes: 32, answerBytes: 32, sharedBytes: 32 },
  { id: KeGroup.CURVE448, kind: 'x448', publicBytes: 56, answerBytes: 56, sharedBytes: 56 },
  mlKem(KeGroup.ML_KEM_512, 800, 768),
  mlKem(KeGroup.ML_KEM_768, 1184, 1088),
  mlKem(KeGroup.ML_KEM_1024, 1568, 1568),
]

/** True for a transform that makes the ICV itself and takes no integrity transform beside it. */
export const hasOwnIntegrity = ({ kind }: EncrInfo): boolean => kind === 'aead' || kind === 'gmac'

const byId = <T extends { readonly id: number }>(table: readonly T[]) => new Map(table.map((row) => [row.id, row]))
const encrById = byId(encrTable)
const prfById = byId(prfTable)
const integById = byId(integTable)
const keById = byId(keTable)

/** Sizes of an encryption transform, undefined when no provider implements it. */
export const encrInfo = (id: number): EncrInfo | undefined => encrById.get(id)
/** Sizes of a PRF, undefined when no provider implements it. */
export const prfInfo = (id: number): PrfInfo | undefined => prfById.get(id)
/** Sizes of an integrity transform, undefined when no provider implements it. */
export const integInfo = (id: number): IntegInfo | undefined => integById.get(id)
/** Sizes of a key exchange group, undefined when no provider implements it. */
export const keGroupInfo = (id: number): KeGroupInfo | undefined => keById.get(id)

const inverted = (table: Readonly<Record<string, number>>): ReadonlyMap<number, string> =>
  new Map(Object.entries(table).map(([name, value]) => [value, name]))

const typeNames = inverted(TransformType)
const transformNames = new Map(
  [Encr, Prf, Integ, KeGroup, Sn].map((table, at) => [at + TransformType.ENCR, inverted(table)]),
)
for (let type: number = TransformType.ADDKE1; isAdditionalKe(type); type++) {
  transformNames.set(type, transformNames.get(TransformType.KE)!)
}

/** The registry's name of a transform, or `TYPE_number` when this table does not know it, for example `ENCR_99`. */
export const transformName = (type: number, id: number): string =>
  transformNames.get(type)?.get(id) ?? `${typeNames.get(type) ?? `TRANSFORM${type}`}_${id}`
