import type { EapMethod, EapPeerWorld, EapServerWorld } from '../eap/method.ts'
import { wrongServerName } from './chain-check.ts'
import type { Inside } from './inside.ts'
import type { EapTlsOptions } from './options.ts'
import { TlsPeerExchange } from './peer-exchange.ts'
import { readTlsSettings, tlsSettings } from './secure-context.ts'
import { TlsServerExchange } from './server-exchange.ts'

/** What one method that goes through TLS does inside. */
export interface TunnelMethod {
  readonly type: number
  readonly name: string
  /** Exporter label of its keys under TLS 1.2. */
  readonly label: string
  server(world: EapServerWorld): Inside
  peer(world: EapPeerWorld): Inside
}

/** A method where only the server shows a certificate, and the peer proves itself inside. Throws `ConfigError`. */
export function tunnelMethod(method: TunnelMethod, options: EapTlsOptions): EapMethod {
  const settings = tlsSettings(options)
  const context = readTlsSettings(settings, `EAP-${method.name.toUpperCase()}`)
  const { type, label, name } = method
  return {
    type,
    name,
    beginServer(world) {
      const end = { role: 'server', settings, requestCertificate: false } as const
      return new TlsServerExchange(
        { end, options, inside: method.server(world), type, label, judge: undefined },
        world.mtu,
      )
    },
    beginPeer(world) {
      const end = { role: 'client', context } as const
      const inside = method.peer(world)
      return new TlsPeerExchange(
        { end, options, inside, type, label, judge: (check) => wrongServerName(check, options) },
        world.mtu,
      )
    },
  }
}
