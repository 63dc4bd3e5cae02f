import type { Cipher, CryptoProvider } from '../crypto/provider.ts'
import { encrInfo, hasOwnIntegrity, TransformType, transformName } from '../crypto/transforms.ts'
import { UsageError } from '../errors.ts'
import { AeadEspCipher } from './aead-cipher.ts'
import { EncryptThenMacEspCipher } from './encrypt-then-mac.ts'
import type { EspCipher } from './esp-cipher.ts'
import { GmacEspCipher } from './gmac-cipher.ts'
import type { EspSaParameters } from './packet.ts'

/**
 * The transform of an SA. Keys are copied; the provider checks their lengths. Throws `UsageError` when a transform is not
 * implemented or the parts do not fit together.
 */
export function createEspCipher(crypto: CryptoProvider, parameters: EspSaParameters): EspCipher {
  const { encr, integ, esn } = parameters
  const info = encrInfo(encr.id)
  const name = transformName(TransformType.ENCR, encr.id)
  if (info === undefined) throw new UsageError('encr', `${name} is not implemented`)
  if (encr.salt.length !== info.saltBytes) {
    throw new UsageError('encr', `${name} needs ${info.saltBytes} octets of salt, not ${encr.salt.length}`)
  }
  if (hasOwnIntegrity(info)) {
    if (integ !== undefined) throw new UsageError('integ', `${name} has no integrity transform beside it`)
    const aead = crypto.aead(encr.id, encr.key)
    return info.kind === 'gmac'
      ? new GmacEspCipher(info, aead, encr.salt, esn)
      : new AeadEspCipher(info, aead, encr.salt, esn)
  }
  // Encryption alone can be decrypted by whoever may send packets and watch the answers. RFC 4303 §1.
  if (integ === undefined) throw new UsageError('integ', `${name} needs an integrity transform`)
  if (info.kind === 'null' && encr.key.length > 0) throw new UsageError('key', `${name} takes none`)
  const cipher = info.kind === 'null' ? noCipher : crypto.cipher(encr.id, encr.key)
  return new EncryptThenMacEspCipher(info, cipher, encr.salt, crypto.mac(integ.id, integ.key), esn)
}

/** ENCR_NULL: the text stays as it is. RFC 2410. */
const noCipher: Cipher = { encrypt() {}, decrypt() {}, destroy() {} }
