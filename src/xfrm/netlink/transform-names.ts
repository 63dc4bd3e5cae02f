import { Encr, encrInfo, hasOwnIntegrity, Integ, integInfo, transformName } from '../../crypto/transforms.ts'
import type { XfrmAttributes } from './attributes.ts'

/** The kernel's names of transforms. It has none for those with implicit IVs. */
const encrNames: Readonly<Record<number, string>> = {
  [Encr.ENCR_3DES]: 'cbc(des3_ede)',
  [Encr.ENCR_NULL]: 'ecb(cipher_null)',
  [Encr.ENCR_AES_CBC]: 'cbc(aes)',
  [Encr.ENCR_AES_CTR]: 'rfc3686(ctr(aes))',
  [Encr.ENCR_AES_CCM_8]: 'rfc4309(ccm(aes))',
  [Encr.ENCR_AES_CCM_12]: 'rfc4309(ccm(aes))',
  [Encr.ENCR_AES_CCM_16]: 'rfc4309(ccm(aes))',
  [Encr.ENCR_AES_GCM_8]: 'rfc4106(gcm(aes))',
  [Encr.ENCR_AES_GCM_12]: 'rfc4106(gcm(aes))',
  [Encr.ENCR_AES_GCM_16]: 'rfc4106(gcm(aes))',
  [Encr.ENCR_NULL_AUTH_AES_GMAC]: 'rfc4543(gcm(aes))',
  [Encr.ENCR_CHACHA20_POLY1305]: 'rfc7539esp(chacha20,poly1305)',
}
const integNames: Readonly<Record<number, string>> = {
  [Integ.AUTH_HMAC_SHA1_96]: 'hmac(sha1)',
  [Integ.AUTH_AES_XCBC_96]: 'xcbc(aes)',
  [Integ.AUTH_AES_CMAC_96]: 'cmac(aes)',
  [Integ.AUTH_HMAC_SHA2_256_128]: 'hmac(sha256)',
  [Integ.AUTH_HMAC_SHA2_384_192]: 'hmac(sha384)',
  [Integ.AUTH_HMAC_SHA2_512_256]: 'hmac(sha512)',
}

/** True for transforms that the kernel has a name for. `integId` is 0 for AEADs. */
export const kernelHasTransforms = (encrId: number, integId: number): boolean =>
  encrNames[encrId] !== undefined && (integId === 0 || integNames[integId] !== undefined)

/**
 * The algorithms of a state with these keys: `encrKey` with its salt behind it. A transform that the kernel has no name for stands with
 * that of the registry.
 */
export function algorithmAttributes(
  encrId: number,
  encrKey: Uint8Array,
  integId: number,
  integKey: Uint8Array,
): Pick<XfrmAttributes, 'algAead' | 'algCrypt' | 'algAuthTrunc'> {
  const info = encrInfo(encrId)
  const algorithm = { name: encrNames[encrId] ?? transformName(1, encrId), key: encrKey }
  if (info !== undefined && hasOwnIntegrity(info)) return { algAead: { ...algorithm, icvBits: 8 * info.tagBytes } }
  if (integId === 0) return { algCrypt: algorithm }
  const icvBits = 8 * (integInfo(integId)?.icvBytes ?? 0)
  const name = integNames[integId] ?? transformName(3, integId)
  return { algCrypt: algorithm, algAuthTrunc: { name, key: integKey, icvBits } }
}
