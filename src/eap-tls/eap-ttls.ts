import type { EapMethod } from '../eap/method.ts'
import type { EapTlsOptions } from './options.ts'
import { ttlsPeer } from './ttls-peer.ts'
import { TtlsServer } from './ttls-server.ts'
import { tunnelMethod } from './tunnel.ts'

/** How the peer proves itself inside. */
export type TtlsInner = 'eap' | 'mschapv2' | 'pap'

export interface EapTtlsOptions extends EapTlsOptions {
  /** For a peer, the first of them; for a server, all that it allows. EAP where nothing is set. */
  readonly inner?: readonly TtlsInner[]
  /** For `eap`, in order of preference. */
  readonly methods?: readonly EapMethod[]
}

/**
 * EAP-TTLS version 0, both roles, TLS 1.2 and 1.3: the server shows a certificate, the peer proves itself inside of TLS. The user's
 * real name is said inside only, where `anonymousIdentity` stands in for it outside. RFC 5281, RFC 9427.
 */
export function eapTtls(options: EapTtlsOptions): EapMethod {
  return tunnelMethod(
    {
      type: 21,
      name: 'ttls',
      label: 'ttls keying material',
      server: (world) => new TtlsServer(world, options),
      peer: (world) => ttlsPeer(world, options),
    },
    options,
  )
}
