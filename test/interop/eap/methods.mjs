// Our side of each case: methods with the certificates of the unit tests.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { nodeProvider } from 'typeswan/crypto/node'
import { gtc, md5Challenge, mschapv2 } from 'typeswan/eap'
import { eapPeap, eapTls, eapTtls } from 'typeswan/eap-tls'

export const certificates = fileURLToPath(new URL('../../eap-tls/certificates/', import.meta.url))
export const user = 'alice@example.org'
export const anonymous = 'anonymous@example.org'
export const password = 'test-only'

export const world = (mtu) => ({ crypto: nodeProvider, random: (length) => new Uint8Array(randomBytes(length)), mtu })

const file = (name) => readFileSync(`${certificates}${name}`, 'utf8')
const ca = [file('ca.pem')]
const inner = { mschapv2, gtc, md5: md5Challenge }

/** A server that takes all that its method can have inside. */
export function serverMethod(outer, version) {
  const tls = { ca, certificates: [file('server.pem')], key: file('server.key'), ...only(version) }
  if (outer === 'tls') return eapTls(tls)
  if (outer === 'peap') return eapPeap({ ...tls, methods: [mschapv2, gtc] })
  return eapTtls({ ...tls, inner: ['pap', 'mschapv2', 'eap'], methods: [mschapv2, gtc, md5Challenge] })
}

/** `inside`: a name of `inner`, for TTLS with `eap-` before it, `pap` or `mschapv2`; for TLS whose certificate it is. */
export function peerMethod(outer, version, inside, cryptobinding = 'offered') {
  const tls = { ca, serverNames: ['aaa.example.org'], ...only(version) }
  if (outer === 'tls') {
    const chain = inside.startsWith('long') ? `${inside}-chain.pem` : `${inside}.pem`
    return eapTls({ ...tls, certificates: [file(chain)], key: file(`${inside}.key`) })
  }
  if (outer === 'peap') return eapPeap({ ...tls, methods: [inner[inside]], cryptobinding })
  const name = inside.startsWith('eap-') ? inside.slice(4) : undefined
  return name === undefined ? eapTtls({ ...tls, inner: [inside] }) : eapTtls({ ...tls, methods: [inner[name]] })
}

const only = (version) => ({ minimumVersion: version, maximumVersion: version })
