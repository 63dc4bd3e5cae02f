import type { EncryptedDns } from '../../../ike/config-payload/configuration.ts'
import { formatIp } from '../../../ip/address.ts'
import type { DnsBackend, TlsServer } from './dns-backend.ts'

/**
 * The encrypted resolvers that a backend can ask, which is over TLS, those of the lowest priority first. `words`: what is not used and why,
 * for the log; plain resolvers take their place where there are any. RFC 9464 §4.
 */
export function tlsServersOf(
  resolvers: readonly EncryptedDns[],
  backend: DnsBackend | undefined,
): { readonly tls: readonly TlsServer[]; readonly words: string | undefined } {
  if (resolvers.length === 0) return { tls: [], words: undefined }
  if (backend?.canTls !== true) {
    const names = resolvers.map(({ name }) => name).join(', ')
    const why = backend === undefined ? 'nothing here is told of name servers' : `${backend.name} cannot`
    return { tls: [], words: `the encrypted resolvers ${names} are not asked: ${why} (systemd-resolved can, over TLS)` }
  }
  const overTls = resolvers.filter(({ alpn }) => alpn.includes('dot'))
  const others = resolvers.filter((one) => !overTls.includes(one))
  const tls = overTls.flatMap(({ name, addresses, port, alpn }) =>
    // The port is for all of its protocols, unless they have ports of their own.
    addresses.map((address) => ({ address: formatIp(address), port: alpn.length === 1 ? port : undefined, name })),
  )
  const words = others.map(({ name, alpn }) => `${name} (${alpn.join(', ') || 'of no protocol'})`).join(', ')
  return { tls, words: words === '' ? undefined : `not asked, since only DNS over TLS is carried here: ${words}` }
}
