import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import type { EapTlsOptions } from './options.ts'

/** The other side's certificate is good under our rules: who that is. */
export type ChainCheck =
  | { readonly ok: true; readonly certificate: X509Certificate; readonly names: readonly string[] | undefined }
  | { readonly ok: false; readonly message: string }

/** Judges the chain that the other side, a `role`, sent in an established session. Each no says which certificate and which rule. */
export async function checkChain(
  socket: TLSSocket,
  role: 'server' | 'client',
  options: EapTlsOptions,
): Promise<ChainCheck> {
  const chain = sentChain(socket)
  const [end] = chain
  if (end === undefined) return { ok: false, message: `the ${role} sent no certificate` }
  if (options.verify !== undefined) {
    const verdict = await options.verify(
      chain.map(({ raw }) => Uint8Array.from(raw)),
      role,
    )
    return verdict.ok ? { ok: true, certificate: end, names: verdict.names } : verdict
  }
  if (!socket.authorized) {
    return { ok: false, message: explain(String(socket.authorizationError), chain, role, options) }
  }
  return { ok: true, certificate: end, names: undefined }
}

/** Does the server's certificate have one of the names that we expect? RFC 9190 §2.2, RFC 6125. Undefined for yes. */
export function wrongServerName(check: ChainCheck & { ok: true }, options: EapTlsOptions): string | undefined {
  const wanted = options.serverNames
  if (wanted === 'any') return undefined
  const { certificate, names } = check
  if (wanted === undefined) {
    return `nothing says who the server must be; its certificate has ${nameText(certificate)}: set serverNames, or 'any' for every certificate of these CAs`
  }
  const found =
    names === undefined
      ? wanted.some(
          (name) => (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined,
        )
      : wanted.some((name) => names.includes(name))
  if (found) return undefined
  return `the server must be ${wanted.join(' or ')}, its certificate has ${nameText(certificate)}`
}

/**
 * Does the client's certificate have this EAP identity: as an email address, a DNS name or the subject's common name? RFC 5216 §5.2.
 */
export function hasIdentity(check: ChainCheck & { ok: true }, identity: string): boolean {
  if (check.names !== undefined) return check.names.includes(identity)
  const { certificate } = check
  return (
    certificate.checkEmail(identity, { subject: 'never' }) !== undefined ||
    certificate.checkHost(identity, { subject: 'never', wildcards: false }) !== undefined ||
    commonNames(certificate).includes(identity)
  )
}

/** The subject's common name, else the subject: what to call the holder of a certificate. */
export const holder = (certificate: X509Certificate): string => commonNames(certificate)[0] ?? subject(certificate)

/** The names in a certificate, for a sentence. */
export const nameText = (certificate: X509Certificate): string => {
  const { subjectAltName } = certificate
  const also = subjectAltName === undefined ? 'no subjectAltName' : subjectAltName
  return `${subject(certificate)} (${also})`
}

function sentChain(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = []
  let at: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  // The last one is its own issuer in this list.
  while (at?.raw !== undefined && chain.length < maxChain) {
    chain.push(new X509Certificate(at.raw))
    at = at.issuerCertificate === at ? undefined : at.issuerCertificate
  }
  return chain
}

function explain(code: string, chain: readonly X509Certificate[], role: string, options: EapTlsOptions): string {
  const [end] = chain
  const whose = `the certificate ${subject(end!)} of the ${role}`
  switch (code) {
    case 'CERT_HAS_EXPIRED': {
      const late = chain.find(({ validTo }) => Date.parse(validTo) < Date.now()) ?? end!
      return `${late === end ? whose : `the certificate ${subject(late)} above that of the ${role}`} expired on ${late.validTo}`
    }
    case 'CERT_NOT_YET_VALID': {
      const early = chain.find(({ validFrom }) => Date.parse(validFrom) > Date.now()) ?? end!
      return `${early === end ? whose : `the certificate ${subject(early)} above that of the ${role}`} is valid from ${early.validFrom} only`
    }
    case 'CERT_REVOKED':
      return `${whose}, or one above it, is revoked by the CRL of its CA`
    case 'UNABLE_TO_GET_CRL':
      return `there is no CRL of the CA ${dn(end!.issuer)}, or of one above it, for ${whose}: give one in crls for each CA`
    case 'CRL_HAS_EXPIRED':
      return `the CRL for ${whose} has expired`
    case 'INVALID_PURPOSE':
      return `${whose} is not for TLS ${role}s (extendedKeyUsage, keyUsage)`
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return `no CA of ours vouches for ${whose}: it was issued by ${dn(end!.issuer)}; ${options.ca?.length ?? 0} CAs are set`
    default:
      return `${whose} does not verify: ${code}`
  }
}

const subject = (certificate: X509Certificate): string => dn(certificate.subject)

/** Node writes one attribute to a line. */
const dn = (lines: string | undefined): string =>
  lines === undefined || lines === '' ? 'without a name' : `"${lines.split('\n').join(', ')}"`

function commonNames(certificate: X509Certificate): readonly string[] {
  const name: unknown = certificate.toLegacyObject().subject?.CN
  if (typeof name === 'string') return [name]
  return Array.isArray(name) ? name.filter((one): one is string => typeof one === 'string') : []
}

/** Certificates that are looked at in one chain. */
const maxChain = 20
