import { Encr, encrInfo, Integ, integInfo } from '../../src/crypto/transforms.ts'

/** One combination of algorithms, and what `esp_peer.py` calls it. */
export interface ScapySuite {
  readonly name: string
  readonly encr: number
  readonly keyBytes: number
  readonly crypt: string
  /** Octets of ICV where Scapy has to be told. */
  readonly icv?: number
  readonly integ?: number
  readonly auth?: string
}

const aes = (crypt: string, encr: number, more: Partial<ScapySuite> = {}): ScapySuite[] =>
  [16, 24, 32].map((keyBytes) => ({ name: `${crypt} ${8 * keyBytes}`, encr, keyBytes, crypt, ...more }))

const macs = [
  { integ: Integ.AUTH_HMAC_SHA1_96, auth: 'HMAC-SHA1-96' },
  { integ: Integ.AUTH_HMAC_SHA2_256_128, auth: 'SHA2-256-128' },
  { integ: Integ.AUTH_HMAC_SHA2_384_192, auth: 'SHA2-384-192' },
  { integ: Integ.AUTH_HMAC_SHA2_512_256, auth: 'SHA2-512-256' },
  { integ: Integ.AUTH_AES_CMAC_96, auth: 'AES-CMAC-96' },
  { integ: Integ.AUTH_AES_XCBC_96, auth: 'AES-XCBC-96' },
] as const

const withMacs = (ciphers: readonly ScapySuite[]): ScapySuite[] =>
  macs.flatMap((mac, at) => {
    const cipher = ciphers[at % ciphers.length]!
    return { ...cipher, ...mac, name: `${cipher.name} + ${mac.auth}` }
  })

const fixed = (crypt: string, encr: number): ScapySuite[] => {
  const keyBytes = encrInfo(encr)!.keyBits[0]! / 8
  return [{ name: crypt, encr, keyBytes, crypt }]
}

/** Every transform of ESP; each cipher without integrity of its own with every integrity transform. */
export const scapySuites: readonly ScapySuite[] = [
  ...aes('AES-GCM', Encr.ENCR_AES_GCM_16),
  ...aes('AES-GCM-12', Encr.ENCR_AES_GCM_12),
  ...aes('AES-GCM-8', Encr.ENCR_AES_GCM_8),
  ...aes('AES-CCM', Encr.ENCR_AES_CCM_16, { icv: 16 }),
  ...aes('AES-CCM', Encr.ENCR_AES_CCM_12, { icv: 12 }),
  ...aes('AES-CCM', Encr.ENCR_AES_CCM_8, { icv: 8 }),
  ...fixed('CHACHA20-POLY1305', Encr.ENCR_CHACHA20_POLY1305),
  ...aes('AES-GMAC', Encr.ENCR_NULL_AUTH_AES_GMAC),
  ...aes('AES-GCM-IIV', Encr.ENCR_AES_GCM_16_IIV),
  ...aes('AES-CCM-8-IIV', Encr.ENCR_AES_CCM_8_IIV),
  ...fixed('CHACHA20-POLY1305-IIV', Encr.ENCR_CHACHA20_POLY1305_IIV),
  ...withMacs(aes('AES-CBC', Encr.ENCR_AES_CBC)),
  ...withMacs(aes('AES-CTR', Encr.ENCR_AES_CTR)),
  ...withMacs(fixed('3DES', Encr.ENCR_3DES)),
  ...withMacs([{ name: 'NULL', encr: Encr.ENCR_NULL, keyBytes: 0, crypt: 'NULL' }]),
]

/** Octets of the integrity key, 0 for none. */
export const authKeyBytes = ({ integ }: ScapySuite): number => (integ === undefined ? 0 : integInfo(integ)!.keyBytes)
