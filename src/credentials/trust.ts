import { toHex } from '../bytes/hex.ts'
import { equalBytes } from '../bytes/index.ts'
import type { RandomSource } from '../crypto/provider.ts'
import { decodePublicKey } from '../crypto/public-key.ts'
import type { PublicKey, SignatureProvider } from '../crypto/signature.ts'
import { DecodeError, UsageError } from '../errors.ts'
import { equalIdentities, formatIdentity, isWildcard } from '../ike/auth/identity.ts'
import type { AuthAnnouncement } from '../ike/auth/supported-methods.ts'
import type { Handle, Identity } from '../ike/config.ts'
import type { No, ProvenCertificate, RecheckQuestion, VerifyAnswer, VerifyQuestion } from '../ike/questions.ts'
import { type Certificate, decodeCertificate, isSameCertificate, nameOfCertificate } from '../pki/certificate.ts'
import { type Crl, decodeCrl } from '../pki/crl.ts'
import { type Fetch, type Fetching, runFetching } from '../pki/fetching.ts'
import { formatGeneralName } from '../pki/general-name.ts'
import type { Hash } from '../pki/ocsp.ts'
import { trustedPaths } from '../pki/path-building.ts'
import type { PathProblem, PathRules } from '../pki/path-rules.ts'
import { type RevocationPolicy, type RevocationWorld, revocationOf, revocationProblem } from '../pki/revocation.ts'
import { RevocationCache } from '../pki/revocation-cache.ts'
import { BelievedPeers } from './believed-peers.ts'
import { type PeerCertificates, readPeerCertificates } from './peer-certificates.ts'
import { identityProblem, vouchesFor } from './peer-identity.ts'
import { announcedSignatures } from './signature-announcements.ts'
import { parseSignatureRule, type SignatureRule } from './signature-rules.ts'
import { verifyAuthSignature } from './verify-signature.ts'

/** What verifying stands on. */
export interface TrustWorld {
  /** ms since 1970. */
  now(): number
  readonly signatures: SignatureProvider
  /** SHA-1 for identifiers, and what OCSP responders use. */
  readonly hash: Hash
  /** For nonces of OCSP requests. */
  readonly random: RandomSource
  /** Undefined: only what is configured and what the peer brings is looked at. */
  readonly fetch?: Fetch
  /** Shared by all that trust the same authorities. Default: one of its own. */
  readonly cache?: RevocationCache
}

/** A key without a certificate, which names nobody: whose it is, is said here. RFC 7670. */
export interface RawPeerKey {
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array
  /** The one identity that its holder may have. */
  readonly id: Identity
}

/** Whom we believe, and on what conditions. All certificates, lists and keys in DER. */
export interface TrustOptions {
  /** For messages; begins like `the authorities of office`. */
  readonly description: string
  /** Authorities whose certificates are trusted. */
  readonly authorities?: readonly Uint8Array[]
  /** Certificates of peers that are trusted by themselves, also where the peer sends none. */
  readonly peers?: readonly Uint8Array[]
  /** Certificates of authorities that lie between, for peers that do not send them. */
  readonly intermediates?: readonly Uint8Array[]
  /** Keys of peers that have no certificate. */
  readonly rawKeys?: readonly RawPeerKey[]
  readonly crls?: readonly Uint8Array[]
  /** How long after its thisUpdate a list without nextUpdate (RFC 5280 §5.1.2.5 demands one) clears anybody, ms. Default: a day. */
  readonly crlMaxAgeMs?: number
  /** Default `relaxed`. */
  readonly revocation?: RevocationPolicy
  /** What a certificate with an extended key usage must be for; default `any`. */
  readonly purpose?: PathRules['purpose']
  /** Of certificates, and of who signs revocation lists and OCSP responses. Default 2048. */
  readonly minRsaBits?: number
  /** Certificates, revocation lists and OCSP responses signed with SHA-1 are taken. */
  readonly allowSha1?: boolean
  /** Signatures in AUTH that are taken, in the notation of `parseSignatureRule`. None: everything with SHA-2. */
  readonly signatures?: readonly string[]
  /**
   * Certificates that the peer sends as hash and URL are fetched: from any public address, or from these hosts, wherever they are.
   * Default false.
   */
  readonly hashAndUrl?: boolean | readonly string[]
}

/** Answers the core's question `verify`: path, identity, AUTH signature, revocation, in this order. */
export class Trust implements Handle {
  readonly description: string
  /** SHA-1 over the key of each authority, for CERTREQ. RFC 7296 §3.7. */
  readonly authorityHashes: readonly Uint8Array[]
  readonly #world: TrustWorld
  readonly #cache: RevocationCache
  readonly #options: TrustOptions
  readonly #authorities: readonly Certificate[]
  readonly #peers: readonly Certificate[]
  readonly #intermediates: readonly Certificate[]
  readonly #rawKeys: readonly { readonly key: PublicKey; readonly id: Identity }[]
  readonly #crls: readonly Crl[]
  /** For `PubkeyPeerAuth.accepts`. */
  readonly accepts: readonly AuthAnnouncement[]
  readonly #rules: readonly SignatureRule[]
  readonly #believed = new BelievedPeers()

  /** Throws `UsageError` for a certificate, list or key that cannot be read, and when nobody is trusted. */
  constructor(options: TrustOptions, world: TrustWorld) {
    this.description = options.description
    this.#options = options
    this.#world = world
    this.#cache = world.cache ?? new RevocationCache()
    this.#authorities = readAll('authorities', options.authorities, decodeCertificate)
    this.#peers = readAll('peers', options.peers, decodeCertificate)
    this.#intermediates = readAll('intermediates', options.intermediates, decodeCertificate)
    this.#rawKeys = readAll('rawKeys', options.rawKeys, ({ spki, id }) => ({ key: decodePublicKey(spki), id }))
    const ofMany = this.#rawKeys.find(({ id }) => isWildcard(id))
    if (ofMany !== undefined)
      throw new UsageError('rawKeys', `${formatIdentity(ofMany.id)} stands for many identities, and a key is of one`)
    this.#crls = readAll('crls', options.crls, decodeCrl)
    this.#rules = (options.signatures ?? []).map(parseSignatureRule)
    this.accepts = announcedSignatures(this.#rules)
    this.authorityHashes = this.#authorities.map(({ spki }) => world.hash('sha1', spki))
    if (this.#authorities.length + this.#peers.length + this.#rawKeys.length === 0)
      throw new UsageError('authorities', 'nobody is trusted: name an authority, a certificate or a key of a peer')
  }

  /** A promise only where something is fetched. Never throws nor rejects for anything that a peer sends. */
  answerVerify(question: VerifyQuestion): VerifyAnswer | Promise<VerifyAnswer> {
    return runFetching(this.#verify(question), this.#world.fetch)
  }

  /** The same of a peer that resumes a session and has its keys: path, identity and revocation, as they are by now. */
  answerRecheck(question: RecheckQuestion): VerifyAnswer | Promise<VerifyAnswer> {
    return runFetching(this.#recheck(question), this.#world.fetch)
  }

  *#recheck({ id, fingerprint, certificates }: RecheckQuestion): Fetching<VerifyAnswer> {
    const pinned = this.#peers.filter((one) => this.#fingerprintOf(one) === fingerprint)
    const known = this.#believed.find(fingerprint)
    const sent =
      known ?? (yield* readPeerCertificates(certificates, this.#options.hashAndUrl ?? false, this.#world.hash))
    const first = pinned[0] ?? sent.certificates[0]
    if (first === undefined || this.#fingerprintOf(first) !== fingerprint)
      return no(
        `${formatIdentity(id)} resumes a session, and the certificate by which it proved itself for that is not known any more`,
        'let the peer make a whole handshake',
      )
    return yield* this.#verifyCertificate(id, first, sent, () => undefined)
  }

  *#verify(question: VerifyQuestion): Fetching<VerifyAnswer> {
    const sent = yield* readPeerCertificates(question.certificates, this.#options.hashAndUrl ?? false, this.#world.hash)
    const [first] = sent.certificates
    if (first !== undefined && sent.problem === undefined)
      return yield* this.#verifyCertificate(question.id, first, sent, this.#provesBy(question))
    if (sent.rawKeys.length > 0) return this.#verifyRawKey(question, sent.rawKeys[0]!)
    if (sent.problem !== undefined) return no(sent.problem, 'let the peer send its X.509 certificate in a CERT payload')
    return yield* this.#verifyWithout(question, sent)
  }

  /** `proves`: why the peer has not proved that it holds the certificate's key. */
  *#verifyCertificate(
    id: Identity,
    first: Certificate,
    sent: PeerCertificates,
    proves: (certificate: Certificate) => No | undefined,
  ): Fetching<VerifyAnswer> {
    const now = this.#world.now()
    const paths = trustedPaths({
      endEntity: first,
      intermediates: [...sent.certificates.slice(1), ...this.#intermediates],
      // A peer is trusted for itself: what its certificate issued, even where that says it may, is none of an authority.
      anchors: [...this.#authorities, ...this.#peers.filter((one) => isSameCertificate(one, first))],
      rules: this.#pathRules(now),
      signatures: this.#world.signatures,
    })
    let refused: PathProblem | undefined
    for (let next = paths.next(); ; next = paths.next()) {
      if (next.done === true) return refusal(refused ?? next.value)
      // Nothing is fetched for somebody who has not proved to hold the key of a certificate that we trust.
      if (refused === undefined) {
        const problem = wrongIdentity(id, first) ?? proves(first)
        if (problem !== undefined) return problem
      }
      const statuses = yield* revocationOf(next.value, this.#revocationWorld(now, sent))
      const problem = revocationProblem(statuses, this.#options.revocation ?? 'relaxed')
      if (problem === undefined) return { ok: true, peer: this.#believe(first, sent) }
      refused ??= problem
    }
  }

  /** AUTH. */
  #provesBy(question: VerifyQuestion): (certificate: Certificate) => No | undefined {
    return (certificate) => {
      const reason = this.#signatureProblem(question, certificate.publicKey!)
      return reason === undefined ? undefined : no(`${nameOfCertificate(certificate)}: ${reason}`, SIGNATURE_HINT)
    }
  }

  #believe(certificate: Certificate, sent: PeerCertificates): ProvenCertificate {
    const fingerprint = this.#fingerprintOf(certificate)
    this.#believed.keep(fingerprint, sent)
    return { ...provenCertificate(certificate), fingerprint }
  }

  #fingerprintOf({ der }: Certificate): string {
    return toHex(this.#world.hash('sha256', der))
  }

  /** The peer sent no certificate: one that is configured may be its own. */
  *#verifyWithout(question: VerifyQuestion, sent: PeerCertificates): Fetching<VerifyAnswer> {
    const certificate = this.#peers.find(
      (one) =>
        vouchesFor(one, question.id) &&
        one.publicKey !== undefined &&
        this.#signatureProblem(question, one.publicKey) === undefined,
    )
    if (certificate !== undefined)
      return yield* this.#verifyCertificate(question.id, certificate, sent, this.#provesBy(question))
    const signing = this.#rawKeys.filter(({ key }) => this.#signatureProblem(question, key) === undefined)
    if (signing.length > 0) return ofKey(question, signing)
    const configured = this.#peers.length + this.#rawKeys.length
    return no(
      configured === 0
        ? `peer ${formatIdentity(question.id)} sent no certificate, and none of its own is configured`
        : `peer ${formatIdentity(question.id)} sent no certificate, and its AUTH is not of any of the ${configured} certificates and keys that are configured for it`,
      'let the peer send its certificate (CERT), or configure it',
    )
  }

  /** Only a key that is configured is trusted; that the peer has it says its signature. RFC 7670 §§3, 5. */
  #verifyRawKey(question: VerifyQuestion, spki: Uint8Array): VerifyAnswer {
    const known = this.#rawKeys.filter(({ key }) => equalBytes(key.spki, spki))
    const [first] = known
    if (first === undefined) {
      const fingerprint = toHex(this.#world.hash('sha256', spki))
      return no(
        `peer ${formatIdentity(question.id)} sent a raw public key (SHA-256 ${fingerprint}) that is not configured for it`,
        'add the key to the keys of the peer, if it is the right one',
      )
    }
    const reason = this.#signatureProblem(question, first.key)
    return reason === undefined
      ? ofKey(question, known)
      : no(`raw public key of ${formatIdentity(question.id)}: ${reason}`, SIGNATURE_HINT)
  }

  #signatureProblem({ method, data, octets }: VerifyQuestion, key: PublicKey): string | undefined {
    const policy = { rules: this.#rules, leastRsaBits: this.#options.minRsaBits ?? DEFAULT_RSA_BITS }
    const verdict = verifyAuthSignature(this.#world.signatures, key, { method, data, octets }, policy)
    return verdict.ok ? undefined : verdict.reason
  }

  #pathRules(now: number): PathRules {
    const { minRsaBits = DEFAULT_RSA_BITS, allowSha1 = false, purpose = 'any' } = this.#options
    return { now, minRsaBits, allowSha1, purpose }
  }

  #revocationWorld(now: number, sent: PeerCertificates): RevocationWorld {
    const { signatures, hash, random } = this.#world
    const { crlMaxAgeMs } = this.#options
    return {
      now,
      signatures,
      hash,
      nonce: () => random(16, 'nonce'),
      cache: this.#cache,
      // A list that never ends to hold could be one of before the peer was revoked.
      crls: [...this.#crls, ...sent.crls.filter(({ nextUpdate }) => nextUpdate !== undefined)],
      ocspResponses: sent.ocspResponses,
      rules: this.#pathRules(now),
      ...(crlMaxAgeMs === undefined ? {} : { crlMaxAgeMs }),
    }
  }
}

/** What a certificate says of its holder, for people and programs. */
export const provenCertificate = (certificate: Certificate): ProvenCertificate => ({
  subject: certificate.subjectText,
  issuer: certificate.issuerText,
  names: certificate.extensions.names.map(formatGeneralName),
  serial: toHex(certificate.serial),
  notAfter: certificate.notAfter,
})

function wrongIdentity(id: Identity, certificate: Certificate): No | undefined {
  const wrong = identityProblem(id, certificate)
  if (wrong === undefined) return undefined
  return no(
    wrong,
    'let the peer use a name of its certificate as its identity, or issue it a certificate with that subjectAltName',
  )
}

/** The peer has the key of all of these: is it who it says? */
function ofKey({ id }: VerifyQuestion, keys: readonly Pick<RawPeerKey, 'id'>[]): VerifyAnswer {
  if (keys.some((one) => equalIdentities(one.id, id))) return { ok: true }
  const owners = keys.map((one) => formatIdentity(one.id)).join(', ')
  return no(
    `peer sent ID ${formatIdentity(id)}, and the raw public key that it proves to have is that of ${owners}`,
    'let the peer use that identity, or configure the key for the other one as well',
  )
}

const DEFAULT_RSA_BITS = 2048
const SIGNATURE_HINT =
  'check that the peer signs with the key of the certificate that it sends, and which signatures are taken'

function readAll<F, T>(what: string, all: readonly F[] | undefined, decode: (one: F) => T): T[] {
  return (all ?? []).map((one, at) => {
    try {
      return decode(one)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      throw new UsageError(what, `number ${at + 1} cannot be read: ${error.message}`)
    }
  })
}

const refusal = ({ message, hint }: PathProblem): No => no(message, hint)

const no = (message: string, hint: string): No => ({ ok: false, message, hint })
