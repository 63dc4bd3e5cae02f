import { AesMac, aesMacPrf, TruncatedAesMac } from './aes-mac.ts'
import { keyExchangeMethods } from './key-exchange.ts'
import { NobleAead, NobleCipher } from './noble-cipher.ts'
import { NobleMac, nobleHash, nobleHmac } from './noble-hash.ts'
import { loadNoblePrivateKey } from './noble-ke.ts'
import { nobleKem } from './noble-kem.ts'
import type { CryptoProvider } from './provider.ts'
import { requireAead, requireCipher, requireInteg, requirePrf } from './require.ts'
import { Encr, encrInfo, isAesMac } from './transforms.ts'

/**
 * The reference provider: JavaScript alone (@noble/ciphers, /hashes, /curves), for any engine. It allocates for each
 * packet and expands the key each time; use it where nothing faster runs, and to check the others.
 */
export const nobleProvider: CryptoProvider = {
  name: 'noble',
  hash: nobleHash,
  hmac: nobleHmac,
  prf(prf, key, data) {
    const { algorithm } = requirePrf(prf)
    return isAesMac(algorithm) ? aesMacPrf(algorithm, newCbc, key, data) : nobleHmac(algorithm, key, data)
  },
  aead: (encr, key) => new NobleAead(requireAead(encr, key), key),
  cipher: (encr, key) => new NobleCipher(requireCipher(encr, key), key),
  mac(integ, key) {
    const info = requireInteg(integ, key)
    const { algorithm } = info
    return isAesMac(algorithm)
      ? new TruncatedAesMac(info, new AesMac(algorithm, newCbc, key))
      : new NobleMac(algorithm, info.icvBytes, key)
  },
  ...keyExchangeMethods(loadNoblePrivateKey, nobleKem),
}

const newCbc = (key: Uint8Array) => new NobleCipher(encrInfo(Encr.ENCR_AES_CBC)!, key)
