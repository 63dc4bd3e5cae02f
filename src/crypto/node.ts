import { keyExchangeMethods } from './key-exchange.ts'
import { NodeAead, NodeCbc } from './node-cipher.ts'
import { NodeMac, nodeHash, nodeHmac } from './node-hash.ts'
import { loadNodePrivateKey } from './node-ke.ts'
import type { CryptoProvider } from './provider.ts'
import { requireAead, requireCbc, requireInteg } from './require.ts'
import { Encr } from './transforms.ts'

/**
 * The provider on node:crypto, all of it synchronous. Private values come from the injected source and never from
 * OpenSSL's generator, so that a handshake can be replayed.
 */
export const nodeProvider: CryptoProvider = {
  name: 'node',
  hash: nodeHash,
  hmac: nodeHmac,
  aead: (encr, key) => new NodeAead(requireAead(encr, key), key),
  cbc(key) {
    requireCbc(Encr.ENCR_AES_CBC, key)
    return new NodeCbc(key)
  },
  mac: (integ, key) => new NodeMac(requireInteg(integ, key), key),
  ...keyExchangeMethods(loadNodePrivateKey),
}
