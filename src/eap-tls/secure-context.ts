import { constants } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { ConfigError } from '../errors.ts'
import type { EapTlsOptions, PemOrDer } from './options.ts'

/**
 * The settings for Node's TLS. No session is resumed and none negotiated again: each conversation proves both sides anew, and the
 * keys belong to one handshake.
 */
export function tlsSettings(options: EapTlsOptions): SecureContextOptions {
  const { certificates = [], key, passphrase, crls = [], ca = [] } = options
  return {
    // An empty list, not undefined: that would be the roots that Node brings.
    ca: ca.map((one) => pem(one, 'CERTIFICATE')),
    ...(crls.length > 0 && { crl: crls.map((one) => pem(one, 'X509 CRL')) }),
    ...(certificates.length > 0 && { cert: certificates.map((one) => pem(one, 'CERTIFICATE')).join('\n') }),
    ...(key !== undefined && { key: pem(key, passphrase === undefined ? 'PRIVATE KEY' : 'ENCRYPTED PRIVATE KEY') }),
    ...(passphrase !== undefined && { passphrase }),
    minVersion: `TLSv${options.minimumVersion ?? '1.2'}`,
    maxVersion: `TLSv${options.maximumVersion ?? '1.3'}`,
    // Libraries that never negotiate again, such as strongSwan's, do not announce that they do it safely (RFC 5746) either.
    secureOptions:
      constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET | constants.SSL_OP_LEGACY_SERVER_CONNECT,
  }
}

/** Reads certificates and key. Throws `ConfigError` for what OpenSSL cannot use, without a word of the key. */
export function readTlsSettings(settings: SecureContextOptions, where: string): SecureContext {
  try {
    return createSecureContext(settings)
  } catch (error) {
    throw new ConfigError({
      setting: where,
      problem: `certificate or key cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      allowed: 'PEM or DER certificates, the key of the first one, and its passphrase',
    })
  }
}

/** PEM text of `source`. */
function pem(source: PemOrDer, label: string): string {
  if (typeof source === 'string') return source
  const lines =
    Buffer.from(source)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
