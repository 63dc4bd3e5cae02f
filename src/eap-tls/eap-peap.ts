import type { EapMethod } from '../eap/method.ts'
import type { EapTlsOptions } from './options.ts'
import { peapLabel, peapType } from './peap-keys.ts'
import { PeapPeer } from './peap-peer.ts'
import { PeapServer } from './peap-server.ts'
import { tunnelMethod } from './tunnel.ts'

export interface EapPeapOptions extends EapTlsOptions {
  /** Those that run inside, in order of preference: MSCHAPv2, GTC. */
  readonly methods: readonly EapMethod[]
  /**
   * Whether both sides show that TLS and the method inside have the same ends. `offered` (the default): when the other side can.
   * `never`: not even then; hostapd 2.10 as server computes it otherwise than RFC 9427 under TLS 1.3.
   */
  readonly cryptobinding?: 'required' | 'offered' | 'never'
}

/**
 * PEAP version 0, both roles, TLS 1.2 and 1.3: EAP inside of TLS, where only the server shows a certificate. [MS-PEAP], RFC 9427.
 */
export function eapPeap(options: EapPeapOptions): EapMethod {
  return tunnelMethod(
    {
      type: peapType,
      name: 'peap',
      label: peapLabel,
      server: (world) => new PeapServer(world, options),
      peer: (world) => new PeapPeer(world, options),
    },
    options,
  )
}
