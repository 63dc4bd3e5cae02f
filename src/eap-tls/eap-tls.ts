import type { EapMethod } from '../eap/method.ts'
import { hasIdentity, holder, nameText, wrongServerName } from './chain-check.ts'
import { failure, type Inside, say, wait } from './inside.ts'
import type { EapTlsOptions } from './options.ts'
import { TlsPeerExchange } from './peer-exchange.ts'
import { readTlsSettings, tlsSettings } from './secure-context.ts'
import { TlsServerExchange } from './server-exchange.ts'

export interface EapTlsMethodOptions extends EapTlsOptions {
  /**
   * For a server. `must-match` (the default): the EAP identity stands in the client's certificate, unless its user part is empty or
   * `anonymous`. `certificate`: whatever the peer called itself, it is who its certificate says. RFC 5216 §5.2, RFC 9190 §2.1.7.
   */
  readonly identity?: 'must-match' | 'certificate'
}

/**
 * EAP-TLS, both roles, TLS 1.2 and 1.3: both sides show a certificate. Throws `ConfigError` for certificates or a key that cannot be
 * used. RFC 5216, RFC 9190.
 */
export function eapTls(options: EapTlsMethodOptions): EapMethod {
  const settings = tlsSettings(options)
  const context = readTlsSettings(settings, 'EAP-TLS')
  const common = { options, type: 13, label: 'client EAP encryption' }
  return {
    type: 13,
    name: 'tls',
    beginServer({ identity, mtu }) {
      const inside = new ServerInside()
      const end = { role: 'server', settings, requestCertificate: true } as const
      const judge: Judge = (check) => {
        const name = check.names?.[0] ?? holder(check.certificate)
        if (options.identity === 'certificate' || isAnonymous(identity)) inside.identity = name
        else if (!hasIdentity(check, identity)) {
          return `the EAP identity "${identity}" is not in the client's certificate, which has ${nameText(check.certificate)}`
        }
        return undefined
      }
      return new TlsServerExchange({ ...common, end, inside, judge }, mtu)
    },
    beginPeer({ mtu }) {
      const judge: Judge = (check) => wrongServerName(check, options)
      return new TlsPeerExchange({ ...common, end: { role: 'client', context }, inside: new PeerInside(), judge }, mtu)
    },
  }
}

type Judge = NonNullable<ConstructorParameters<typeof TlsServerExchange>[0]['judge']>

/** The octet that says under TLS 1.3 that the server sends no more handshake messages. RFC 9190 §2.5. */
const protectedSuccess = Uint8Array.of(0)

class ServerInside implements Inside {
  /** Where the certificate names another than EAP did. */
  identity: string | undefined

  begin(engine: { readonly version: string | undefined }) {
    return engine.version === '1.3' ? say(protectedSuccess.slice()) : wait
  }

  heard(data: Uint8Array) {
    if (data.length > 0) return failure('the peer sent data inside of EAP-TLS')
    return { kind: 'done', ...(this.identity !== undefined && { identity: this.identity }) } as const
  }
}

class PeerInside implements Inside {
  /** Under TLS 1.3 the server's last word is still to come. */
  #waiting = true

  begin(engine: { readonly version: string | undefined }) {
    this.#waiting = engine.version === '1.3'
    return wait
  }

  heard(data: Uint8Array) {
    // A server may send its session tickets before, in a packet of their own.
    if (data.length === 0) return wait
    if (!this.#waiting || data.length !== 1 || data[0] !== 0) return failure('the server sent data inside of EAP-TLS')
    this.#waiting = false
    return wait
  }

  early() {
    return this.#waiting ? 'EAP Success without the protected success indication (RFC 9190 §2.5)' : undefined
  }

  reason() {
    return 'the server refused us after the TLS handshake, without an alert: it does not accept our certificate, or the identity in it'
  }
}

/** RFC 7542 §2.4, RFC 9190 §2.1.4. */
const isAnonymous = (identity: string): boolean => {
  const user = identity.split('@', 1)[0]
  return user === '' || user === 'anonymous'
}
