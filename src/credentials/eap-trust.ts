import type { ChainVerdict, VerifyChain } from '../eap-tls/index.ts'
import { DecodeError } from '../errors.ts'
import { type Certificate, decodeCertificate } from '../pki/certificate.ts'
import { type Crl, decodeCrl } from '../pki/crl.ts'
import { type Fetching, runFetching } from '../pki/fetching.ts'
import { trustedPaths } from '../pki/path-building.ts'
import type { PathProblem } from '../pki/path-rules.ts'
import { revocationOf, revocationProblem } from '../pki/revocation.ts'
import { RevocationCache } from '../pki/revocation-cache.ts'
import type { TrustOptions, TrustWorld } from './trust.ts'

/** Whom EAP on TLS believes, on the conditions that hold for IKE. All in DER. */
export type EapTrustOptions = Pick<
  TrustOptions,
  'intermediates' | 'crls' | 'crlMaxAgeMs' | 'revocation' | 'minRsaBits' | 'allowSha1'
> & {
  readonly authorities: readonly Uint8Array[]
}

/**
 * Judges the chains inside of EAP by the rules for certificates of IKE: path, key usage, revocation by lists and OCSP; RFC 9190 §5.4 wants
 * the last. For `EapTlsOptions.verify`; names are compared by the method. Throws `DecodeError` for an authority or a list that
 * cannot be read.
 */
export function eapTrust(options: EapTrustOptions, world: TrustWorld): VerifyChain {
  const authorities = options.authorities.map(decodeCertificate)
  const intermediates = (options.intermediates ?? []).map(decodeCertificate)
  const crls = (options.crls ?? []).map(decodeCrl)
  const cache = world.cache ?? new RevocationCache()
  return (chain, role) => {
    const sent = decodeChain(chain)
    if ('message' in sent)
      return { ok: false, message: `the certificate of the ${role} cannot be read: ${sent.message}` }
    const judging = judge({ sent: sent.certificates, role, authorities, intermediates, crls, cache, options, world })
    return runFetching(judging, world.fetch)
  }
}

interface Judging {
  readonly sent: readonly Certificate[]
  readonly role: 'server' | 'client'
  readonly authorities: readonly Certificate[]
  readonly intermediates: readonly Certificate[]
  readonly crls: readonly Crl[]
  readonly cache: RevocationCache
  readonly options: EapTrustOptions
  readonly world: TrustWorld
}

function* judge({ sent, role, options, world, ...known }: Judging): Fetching<ChainVerdict> {
  const now = world.now()
  const { minRsaBits = 2048, allowSha1 = false, revocation = 'relaxed' } = options
  const paths = trustedPaths({
    endEntity: sent[0]!,
    intermediates: [...sent.slice(1), ...known.intermediates],
    anchors: known.authorities,
    rules: { now, minRsaBits, allowSha1, purpose: role },
    signatures: world.signatures,
  })
  const { signatures, hash } = world
  const nonce = () => world.random(16, 'nonce')
  const { crlMaxAgeMs } = options
  const sources = {
    ...{ now, signatures, hash, nonce, cache: known.cache, crls: known.crls, ocspResponses: [] },
    rules: { minRsaBits, allowSha1 },
    ...(crlMaxAgeMs === undefined ? {} : { crlMaxAgeMs }),
  }
  let refused: PathProblem | undefined
  for (let next = paths.next(); ; next = paths.next()) {
    if (next.done === true) return { ok: false, message: (refused ?? next.value).message }
    const problem = revocationProblem(yield* revocationOf(next.value, sources), revocation)
    if (problem === undefined) return { ok: true }
    refused ??= problem
  }
}

function decodeChain(
  chain: readonly Uint8Array[],
): { readonly certificates: readonly Certificate[] } | { readonly message: string } {
  try {
    return { certificates: chain.map(decodeCertificate) }
  } catch (error) {
    if (error instanceof DecodeError) return { message: error.message }
    throw error
  }
}
