import { keyExchangeMethods } from './key-exchange.ts'
import { NobleAead, NobleCbc } from './noble-cipher.ts'
import { NobleMac, nobleHash, nobleHmac } from './noble-hash.ts'
import { loadNoblePrivateKey } from './noble-ke.ts'
import type { CryptoProvider } from './provider.ts'
import { requireAead, requireCbc, requireInteg } from './require.ts'
import { Encr } from './transforms.ts'

/**
 * The reference provider: JavaScript alone (@noble/ciphers, /hashes, /curves), for any engine. It allocates for each
 * packet and expands the key each time; use it where nothing faster runs, and to check the others.
 */
export const nobleProvider: CryptoProvider = {
  name: 'noble',
  hash: nobleHash,
  hmac: nobleHmac,
  aead: (encr, key) => new NobleAead(requireAead(encr, key), key),
  cbc(key) {
    requireCbc(Encr.ENCR_AES_CBC, key)
    return new NobleCbc(key)
  },
  mac: (integ, key) => new NobleMac(requireInteg(integ, key), key),
  ...keyExchangeMethods(loadNoblePrivateKey),
}
