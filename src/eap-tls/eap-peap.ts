import type { EapMethod } from '../eap/method.ts'
import type { EapTlsOptions } from './options.ts'
import { PeapPeer } from './peap-peer.ts'
import { PeapServer } from './peap-server.ts'
import { tunnelMethod } from './tunnel.ts'

export interface EapPeapOptions extends EapTlsOptions {
  /** Those that run inside, in order of preference: MSCHAPv2, GTC. */
  readonly methods: readonly EapMethod[]
}

/**
 * PEAP version 0, both roles, TLS 1.2 and 1.3: EAP inside of TLS, where only the server shows a certificate. [MS-PEAP], RFC 9427.
 */
export function eapPeap(options: EapPeapOptions): EapMethod {
  return tunnelMethod(
    {
      type: 25,
      name: 'peap',
      label: 'client EAP encryption',
      server: (world) => new PeapServer(world, options.methods),
      peer: (world) => new PeapPeer(world, options.methods),
    },
    options,
  )
}
