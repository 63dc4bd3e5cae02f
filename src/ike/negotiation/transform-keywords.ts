import {
  Encr,
  encrInfo,
  Integ,
  integInfo,
  isAdditionalKe,
  KeGroup,
  keGroupInfo,
  Prf,
  prfInfo,
  Sn,
  TransformType,
  transformName,
} from '../../crypto/transforms.ts'
import type { TransformConfig } from '../config.ts'

/** A keyword of the proposal notation and the transform it stands for. */
export interface TransformKeyword extends TransformConfig {
  readonly keyword: string
  /** Set when the algorithm may only be used where it is named as allowed: the name to allow it by. */
  readonly weakAs?: string
}

const { ENCR, PRF, INTEG, KE, SN } = TransformType

/** One row for each of AES' key lengths. */
const aes = (suffix: string, id: number, weakAs?: string): TransformKeyword[] =>
  [128, 192, 256].map((keyBits) => {
    const row = { keyword: `aes${keyBits}${suffix}`, type: ENCR, id, keyBits }
    return weakAs === undefined ? row : { ...row, weakAs }
  })

const rows = (
  type: TransformType,
  ids: Readonly<Record<string, number>>,
  weak: Readonly<Record<string, string>> = {},
) =>
  Object.entries(ids).map(([keyword, id]): TransformKeyword => {
    const weakAs = weak[keyword]
    return weakAs === undefined ? { keyword, type, id } : { keyword, type, id, weakAs }
  })

const weakGroups = ['modp768', 'modp1024', 'modp1536', 'modp1024s160', 'ecp192']

const groups = {
  x25519: KeGroup.CURVE25519,
  curve25519: KeGroup.CURVE25519,
  ecp256: KeGroup.ECP_256,
  ecp384: KeGroup.ECP_384,
  ecp521: KeGroup.ECP_521,
  modp2048: KeGroup.MODP_2048,
  modp3072: KeGroup.MODP_3072,
  modp4096: KeGroup.MODP_4096,
  modp6144: KeGroup.MODP_6144,
  modp8192: KeGroup.MODP_8192,
  modp768: KeGroup.MODP_768,
  modp1024: KeGroup.MODP_1024,
  modp1536: KeGroup.MODP_1536,
  modp1024s160: KeGroup.MODP_1024_160,
  modp2048s224: KeGroup.MODP_2048_224,
  modp2048s256: KeGroup.MODP_2048_256,
  ecp192: KeGroup.ECP_192,
  ecp224: KeGroup.ECP_224,
  ecp224bp: KeGroup.BRAINPOOL_P224R1,
  ecp256bp: KeGroup.BRAINPOOL_P256R1,
  ecp384bp: KeGroup.BRAINPOOL_P384R1,
  ecp512bp: KeGroup.BRAINPOOL_P512R1,
  x448: KeGroup.CURVE448,
  curve448: KeGroup.CURVE448,
  mlkem512: KeGroup.ML_KEM_512,
  mlkem768: KeGroup.ML_KEM_768,
  mlkem1024: KeGroup.ML_KEM_1024,
}

const weakGroupNames = Object.fromEntries(weakGroups.map((group) => [group, group]))

/** The additional key exchanges `ke1_...` to `ke7_...`, each with the groups of KE or none. RFC 9370 §2.2.1. */
const additionalKe = (): TransformKeyword[] =>
  [1, 2, 3, 4, 5, 6, 7].flatMap((n) =>
    [...rows(KE, groups, weakGroupNames), { keyword: 'none', type: KE, id: KeGroup.NONE }].map((row) => ({
      ...row,
      keyword: `ke${n}_${row.keyword}`,
      type: (TransformType.ADDKE1 + n - 1) as TransformType,
    })),
  )

/** Every keyword, the canonical one of a transform first. strongSwan's notation; `iiv` is ours, for the implicit IVs of RFC 8750. */
const table: readonly TransformKeyword[] = [
  ...aes('', Encr.ENCR_AES_CBC),
  ...aes('gcm16', Encr.ENCR_AES_GCM_16),
  ...aes('gcm12', Encr.ENCR_AES_GCM_12),
  ...aes('gcm8', Encr.ENCR_AES_GCM_8),
  ...aes('ctr', Encr.ENCR_AES_CTR),
  ...aes('ccm16', Encr.ENCR_AES_CCM_16),
  ...aes('ccm12', Encr.ENCR_AES_CCM_12),
  ...aes('ccm8', Encr.ENCR_AES_CCM_8),
  ...aes('gmac', Encr.ENCR_NULL_AUTH_AES_GMAC, 'null'),
  ...aes('gcm16iiv', Encr.ENCR_AES_GCM_16_IIV),
  ...aes('ccm8iiv', Encr.ENCR_AES_CCM_8_IIV),
  ...aes('gcm', Encr.ENCR_AES_GCM_16),
  ...aes('gcm128', Encr.ENCR_AES_GCM_16),
  ...aes('gcm96', Encr.ENCR_AES_GCM_12),
  ...aes('gcm64', Encr.ENCR_AES_GCM_8),
  ...aes('ccm128', Encr.ENCR_AES_CCM_16),
  ...aes('ccm96', Encr.ENCR_AES_CCM_12),
  ...aes('ccm64', Encr.ENCR_AES_CCM_8),
  { keyword: 'aes', type: ENCR, id: Encr.ENCR_AES_CBC, keyBits: 128 },
  ...rows(
    ENCR,
    {
      chacha20poly1305: Encr.ENCR_CHACHA20_POLY1305,
      chacha20poly1305iiv: Encr.ENCR_CHACHA20_POLY1305_IIV,
      '3des': Encr.ENCR_3DES,
      null: Encr.ENCR_NULL,
    },
    { '3des': '3des', null: 'null' },
  ),
  ...rows(
    PRF,
    {
      prfsha256: Prf.PRF_HMAC_SHA2_256,
      prfsha384: Prf.PRF_HMAC_SHA2_384,
      prfsha512: Prf.PRF_HMAC_SHA2_512,
      prfsha1: Prf.PRF_HMAC_SHA1,
      prfmd5: Prf.PRF_HMAC_MD5,
      prfaesxcbc: Prf.PRF_AES128_XCBC,
      prfaescmac: Prf.PRF_AES128_CMAC,
    },
    { prfsha1: 'sha1', prfmd5: 'md5' },
  ),
  ...rows(
    INTEG,
    {
      sha256: Integ.AUTH_HMAC_SHA2_256_128,
      sha384: Integ.AUTH_HMAC_SHA2_384_192,
      sha512: Integ.AUTH_HMAC_SHA2_512_256,
      sha1: Integ.AUTH_HMAC_SHA1_96,
      md5: Integ.AUTH_HMAC_MD5_96,
      aesxcbc: Integ.AUTH_AES_XCBC_96,
      aescmac: Integ.AUTH_AES_CMAC_96,
      sha2_256: Integ.AUTH_HMAC_SHA2_256_128,
      sha2_384: Integ.AUTH_HMAC_SHA2_384_192,
      sha2_512: Integ.AUTH_HMAC_SHA2_512_256,
      sha: Integ.AUTH_HMAC_SHA1_96,
    },
    { sha1: 'sha1', sha: 'sha1', md5: 'md5' },
  ),
  ...rows(KE, groups, weakGroupNames),
  ...additionalKe(),
  ...rows(SN, { esn: Sn.ESN, noesn: Sn.NO_ESN }),
]

// Reversed, so that the canonical keyword, which comes first, is the one that stays.
const byTransform = new Map(table.toReversed().map((row) => [`${row.type} ${row.id} ${row.keyBits}`, row]))
const byKeyword = new Map(table.map((row) => [row.keyword, row]))

/** All keywords, aliases too. */
export const transformKeywords: readonly string[] = table.map((row) => row.keyword)

/** The transform that a keyword (any case) stands for. */
export function transformOf(keyword: string): TransformKeyword | undefined {
  return byKeyword.get(keyword.toLowerCase())
}

/** The row of a transform, undefined when it has no keyword. `type` may be any number that a peer sent. */
export function keywordRow(type: number, id: number, keyBits: number | undefined): TransformKeyword | undefined {
  return byTransform.get(`${type} ${id} ${keyBits}`)
}

/** The canonical keyword; for what has none the registry's name, with the key length when there is one. */
export function keywordOf(type: number, id: number, keyBits: number | undefined): string {
  const known = keywordRow(type, id, keyBits)
  if (known !== undefined) return known.keyword
  if (type === INTEG && id === Integ.NONE) return 'nointeg'
  if (type === KE && id === KeGroup.NONE) return 'noke'
  if (isAdditionalKe(type)) return `ke${type - TransformType.ADDKE1 + 1}_${keywordOf(KE, id, keyBits)}`
  return transformName(type, id) + (keyBits === undefined ? '' : `/${keyBits}`)
}

/** True when it has a keyword and the crypto providers can do it. Of any transform that a peer sent. */
export function isProvided(type: number, id: number, keyBits: number | undefined): boolean {
  if (keywordRow(type, id, keyBits) === undefined) return false
  if (type === ENCR) return encrInfo(id) !== undefined
  if (type === PRF) return prfInfo(id) !== undefined
  if (type === INTEG) return integInfo(id) !== undefined
  if (type === KE) return keGroupInfo(id) !== undefined
  if (isAdditionalKe(type)) return id === KeGroup.NONE || keGroupInfo(id) !== undefined
  return true
}
