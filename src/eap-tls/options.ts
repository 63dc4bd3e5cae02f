/** Certificates and keys are PEM text (any number of certificates in one) or DER octets. */
export type PemOrDer = string | Uint8Array

/** Lowest and highest TLS version. Nothing below 1.2. RFC 9190 §2.1, RFC 9325 §3.1. */
export type TlsVersion = '1.2' | '1.3'

/** What every method on TLS needs, either role. */
export interface EapTlsOptions {
  /** CAs that may vouch for the other side; none: nobody is trusted, unless `verify` does it. The machine's own list is never used. */
  readonly ca?: readonly PemOrDer[]
  /** Revocation lists of these CAs; when there is one, each CA of a chain must have one. */
  readonly crls?: readonly PemOrDer[]
  /** Our certificate, then its intermediates. A server needs one; a peer only for EAP-TLS. */
  readonly certificates?: readonly PemOrDer[]
  /** Our private key: PEM, or PKCS#8 as DER. */
  readonly key?: PemOrDer
  /** Opens `key` when that is encrypted. */
  readonly passphrase?: string
  /**
   * For a peer: the server's certificate must have one of these names (DNS or IP address in subjectAltName, `*` only as a
   * certificate's leftmost label). `any`: whoever has a certificate of these CAs is the server, also another client. RFC 9190 §2.2.
   */
  readonly serverNames?: readonly string[] | 'any'
  readonly minimumVersion?: TlsVersion
  readonly maximumVersion?: TlsVersion
  /** Judges the other side's chain instead of `ca` and `crls`. */
  readonly verify?: VerifyChain
}

/**
 * `chain`: DER, the end entity first, and what came with it. `role`: whose it is. `names`: what the certificate says its holder is, for
 * the comparison with EAP identity or `serverNames`; without them, those in the certificate are read.
 */
export type VerifyChain = (
  chain: readonly Uint8Array[],
  role: 'server' | 'client',
) => Promise<ChainVerdict> | ChainVerdict

/** `message`: one sentence for the log: which certificate, which rule. */
export type ChainVerdict =
  | { readonly ok: true; readonly names?: readonly string[] }
  | { readonly ok: false; readonly message: string }
