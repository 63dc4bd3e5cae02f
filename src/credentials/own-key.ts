import { describeKey } from '../crypto/public-key.ts'
import type { PrivateKey, PublicKey, SignatureProvider, SignatureScheme } from '../crypto/signature.ts'
import { UsageError } from '../errors.ts'
import { AuthMethod, CertEncoding } from '../ike/codec/index.ts'
import type { Handle } from '../ike/config.ts'
import type { CertificateBlob, No, SignAnswer, SignQuestion } from '../ike/questions.ts'
import { ecdsaMethods, encodeDigitalSignature, formatHashNumbers, hashNumber } from './auth-signature.ts'
import { type PeerSignatures, peerSignatures } from './signature-announcements.ts'
import { formatScheme, formatSchemes, parseSignatureRule, schemesOf } from './signature-rules.ts'

/** A key that signs elsewhere, for example in an HSM. */
export interface ExternalKey {
  readonly publicKey: PublicKey
  /** Signs `octets` (not a digest of them) as `scheme` says; ECDSA in the encoding that it names. Both are borrowed. */
  sign(scheme: SignatureScheme, octets: Uint8Array): Promise<Uint8Array> | Uint8Array
}

export interface OwnKeyOptions {
  /** For messages: a file's name, not what is in it. */
  readonly description: string
  readonly key: PrivateKey | ExternalKey
  /** In DER, the end entity's first, then intermediates. None: the raw public key is what the peer knows. RFC 7670. */
  readonly certificates?: readonly Uint8Array[]
  /** What the key signs, the most wanted first, in the notation of `parseSignatureRule`. None: everything with SHA-2. */
  readonly signatures?: readonly string[]
  /** Signs with a `PrivateKey`, and looks at what an `ExternalKey` made. */
  readonly provider: SignatureProvider
}

/** A key of ours, which answers the core's question `sign`. */
export class OwnKey implements Handle {
  readonly description: string
  readonly publicKey: PublicKey
  readonly certificates: readonly Uint8Array[]
  readonly #key: PrivateKey | ExternalKey
  readonly #provider: SignatureProvider
  readonly #schemes: readonly SignatureScheme[]

  /** Throws `UsageError` when `signatures` has nothing for this key, or the first certificate is for another. */
  constructor(options: OwnKeyOptions) {
    const rules = (options.signatures ?? []).map(parseSignatureRule)
    this.description = options.description
    this.publicKey = options.key.publicKey
    this.certificates = options.certificates ?? []
    this.#key = options.key
    this.#provider = options.provider
    this.#schemes = schemesOf(this.publicKey, rules)
    if (this.#schemes.length === 0) {
      throw new UsageError('signatures', `${options.signatures?.join(', ')}: ${describeKey(this.publicKey)} makes none`)
    }
    const [first] = this.certificates
    if (first !== undefined && !includesOctets(first, this.publicKey.spki)) {
      throw new UsageError('certificates', `the first of its certificates is for another key than ${this.description}`)
    }
  }

  /** Signs by a method that the peer verifies; a `No` says why there is none. Never throws. */
  answerSign(question: SignQuestion): SignAnswer | Promise<SignAnswer> {
    const { hashes } = question
    const peer = peerSignatures(question.announced)
    const choice = chooseMethod(this.publicKey, this.#schemes, hashes, peer)
    if (choice === undefined && peer !== undefined && chooseMethod(this.publicKey, this.#schemes, hashes) !== undefined)
      return this.#notAnnounced(peer)
    if (choice === undefined) return this.#nothingFits(hashes)
    try {
      const made = this.#sign(choice.scheme, question.octets)
      if (made instanceof Uint8Array) return this.#answer(question, choice, made)
      return Promise.resolve(made).then(
        (signature) => this.#answer(question, choice, signature),
        (error: unknown) => this.#failed(error),
      )
    } catch (error) {
      return this.#failed(error)
    }
  }

  #sign(scheme: SignatureScheme, octets: Uint8Array): Uint8Array | Promise<Uint8Array> {
    return 'pkcs8' in this.#key ? this.#provider.sign(this.#key, scheme, octets) : this.#key.sign(scheme, octets)
  }

  #answer(question: SignQuestion, { method, scheme }: Choice, signature: Uint8Array): SignAnswer {
    // A signer that hashes once too often would otherwise look like a wrong certificate at the peer.
    if (!('pkcs8' in this.#key) && !this.#provider.verify(this.publicKey, scheme, question.octets, signature)) {
      return this.#no(`what signs for the key ${this.description} made no ${formatScheme(scheme)} signature of it`)
    }
    const data = method === AuthMethod.DIGITAL_SIGNATURE ? encodeDigitalSignature(scheme, signature) : signature
    return { ok: true, method, data, certificates: this.#certificatesFor(question) }
  }

  /** X.509 certificates, or the raw key where there are none or the peer asks for nothing else. RFC 7296 §3.7, RFC 7670 §3. */
  #certificatesFor({ auth, requests }: SignQuestion): CertificateBlob[] {
    if (auth.sendCertificates === 'never') return []
    const wantsRaw = requests.some(({ encoding }) => encoding === CertEncoding.RAW_PUBLIC_KEY)
    const wantsX509 = requests.some(({ encoding }) => x509Encodings.includes(encoding))
    if (auth.sendCertificates === 'asked' && !wantsRaw && !wantsX509) return []
    if (this.certificates.length === 0 || (wantsRaw && !wantsX509)) {
      return [{ encoding: CertEncoding.RAW_PUBLIC_KEY, data: this.publicKey.spki }]
    }
    return this.certificates.map((data) => ({ encoding: CertEncoding.X509_SIGNATURE, data }))
  }

  #nothingFits(hashes: readonly number[] | undefined): No {
    const peer =
      hashes === undefined
        ? 'the peer announced no hashes (RFC 7427), so that it verifies the methods of RFC 7296 and RFC 4754 alone'
        : `the peer verifies signatures with ${formatHashNumbers(hashes) || 'no hash at all'}`
    const hint =
      this.publicKey.kind === 'rsa' && hashes === undefined
        ? 'name rsa-sha1 among the signatures of the key if SHA-1 must do, or let the peer announce hashes (RFC 7427)'
        : `give local.auth a key or signatures that fit the peer, or let the peer take ${formatSchemes(this.#schemes)}`
    return this.#no(`${peer}, and our key ${this.#named()} makes ${formatSchemes(this.#schemes)}`, hint)
  }

  #notAnnounced({ words }: PeerSignatures): No {
    const ours = formatSchemes(this.#schemes)
    return this.#no(
      `the peer announced that it takes ${words} (RFC 9593), and our key ${this.#named()} makes ${ours}`,
      `give local.auth a key or signatures that fit the peer, or let the peer take ${ours}`,
    )
  }

  #failed(error: unknown): No {
    const detail = error instanceof Error ? `: ${error.message}` : ''
    return this.#no(`the key ${this.#named()} did not sign${detail}`)
  }

  #named(): string {
    return `${this.description} (${describeKey(this.publicKey)})`
  }

  #no(message: string, hint = `look at the key ${this.description}`): No {
    return { ok: false, message, hint }
  }
}

interface Choice {
  /** An `AuthMethod`. */
  readonly method: number
  readonly scheme: SignatureScheme
}

/** CERTREQ encodings that an X.509 certificate answers; who knows them as URL and hash takes them whole as well. RFC 7296 §3.7. */
const x509Encodings: readonly number[] = [
  CertEncoding.X509_SIGNATURE,
  CertEncoding.HASH_URL_X509,
  CertEncoding.HASH_URL_BUNDLE,
]

/** Undefined when the peer verifies nothing that the key makes. `schemes`: the most wanted first. RFC 7427 §4, RFC 9593 §3. */
function chooseMethod(
  key: PublicKey,
  schemes: readonly SignatureScheme[],
  hashes: readonly number[] | undefined,
  peer?: PeerSignatures,
): Choice | undefined {
  const isTaken = (method: number, scheme: SignatureScheme) => peer === undefined || peer.allows(method, scheme)
  const scheme = schemes.find((one) => hashes?.includes(hashNumber(one)) && isTaken(AuthMethod.DIGITAL_SIGNATURE, one))
  if (scheme !== undefined) return { method: AuthMethod.DIGITAL_SIGNATURE, scheme }
  const older = olderMethod(key, schemes)
  return older !== undefined && isTaken(older.method, older.scheme) ? older : undefined
}

/** Methods with one hash each, which a peer may know without RFC 7427. RFC 7296 §3.8, RFC 4754 §3. */
function olderMethod(key: PublicKey, schemes: readonly SignatureScheme[]): Choice | undefined {
  if (key.kind === 'rsa') {
    const scheme = schemes.find((one) => one.kind === 'rsa-pkcs1' && one.hash === 'sha1')
    return scheme && { method: AuthMethod.RSA_DIGITAL_SIGNATURE, scheme }
  }
  const found = Object.entries(ecdsaMethods).find(([, { curve }]) => key.kind === 'ec' && key.curve === curve)
  if (found === undefined) return undefined
  const [method, { hash }] = found
  const isWanted = schemes.some((one) => one.kind === 'ecdsa' && one.hash === hash)
  return isWanted ? { method: Number(method), scheme: { kind: 'ecdsa', hash, encoding: 'raw' } } : undefined
}

function includesOctets(whole: Uint8Array, part: Uint8Array): boolean {
  for (let at = 0; at + part.length <= whole.length; at++) {
    let i = 0
    while (i < part.length && whole[at + i] === part[i]) i++
    if (i === part.length) return true
  }
  return false
}
