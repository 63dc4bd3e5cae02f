import { AesMac, aesMacPrf, TruncatedAesMac } from './aes-mac.ts'
import { keyExchangeMethods } from './key-exchange.ts'
import { NodeAead, NodeCipher } from './node-cipher.ts'
import { NodeMac, nodeHash, nodeHmac } from './node-hash.ts'
import { loadNodePrivateKey } from './node-ke.ts'
import { nodeKem } from './node-kem.ts'
import type { CryptoProvider } from './provider.ts'
import { requireAead, requireCipher, requireInteg, requirePrf } from './require.ts'
import { Encr, encrInfo, isAesMac } from './transforms.ts'

export { nodeSignatures } from './node-signature.ts'

/**
 * The provider on node:crypto, all of it synchronous. Private values come from the injected source and never from
 * OpenSSL's generator, so that a handshake can be replayed.
 */
export const nodeProvider: CryptoProvider = {
  name: 'node',
  hash: nodeHash,
  hmac: nodeHmac,
  prf(prf, key, data) {
    const { algorithm } = requirePrf(prf)
    return isAesMac(algorithm) ? aesMacPrf(algorithm, newCbc, key, data) : nodeHmac(algorithm, key, data)
  },
  aead: (encr, key) => new NodeAead(requireAead(encr, key), key),
  cipher: (encr, key) => new NodeCipher(requireCipher(encr, key), key),
  mac(integ, key) {
    const info = requireInteg(integ, key)
    const { algorithm } = info
    return isAesMac(algorithm)
      ? new TruncatedAesMac(info, new AesMac(algorithm, newCbc, key))
      : new NodeMac(algorithm, info.icvBytes, key)
  },
  ...keyExchangeMethods(loadNodePrivateKey, nodeKem),
}

const newCbc = (key: Uint8Array) => new NodeCipher(encrInfo(Encr.ENCR_AES_CBC)!, key)
