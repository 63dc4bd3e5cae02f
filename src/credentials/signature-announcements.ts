import { concat } from '../bytes/index.ts'
import type { SignatureScheme } from '../crypto/signature.ts'
import type { AuthAnnouncement } from '../ike/auth/supported-methods.ts'
import { AuthMethod } from '../ike/codec/index.ts'
import { encodeSignatureAlgorithm } from '../pki/signature-algorithm.ts'
import { decodeDigitalSignature, ecdsaMethods } from './auth-signature.ts'
import { formatScheme, hashBytes, rulesAllow, type SignatureRule } from './signature-rules.ts'

/** Cert Link: the announcement is for no authority of ours in particular. RFC 9593 §3.2. */
const anyAuthority = 0

/** What SUPPORTED_AUTH_METHODS says of whoever verifies by these rules. RFC 9593 §3.2.2, §3.2.3. */
export function announcedSignatures(rules: readonly SignatureRule[]): AuthAnnouncement[] {
  const digital = schemes.filter((scheme) => rulesAllow(rules, scheme))
  const older = Object.entries(ecdsaMethods).filter(([, { hash }]) =>
    rulesAllow(rules, { kind: 'ecdsa', hash, encoding: 'raw' }),
  )
  const sha1 = rulesAllow(rules, { kind: 'rsa-pkcs1', hash: 'sha1' })
  return [
    ...digital.map((scheme) => ({
      method: AuthMethod.DIGITAL_SIGNATURE,
      detail: concat(Uint8Array.of(anyAuthority), encodeSignatureAlgorithm(scheme)),
    })),
    ...older.map(([method]) => ({ method: Number(method), detail: Uint8Array.of(anyAuthority) })),
    ...(sha1 ? [{ method: AuthMethod.RSA_DIGITAL_SIGNATURE, detail: Uint8Array.of(anyAuthority) }] : []),
  ]
}

/** What a peer announced, to choose by. */
export interface PeerSignatures {
  allows(method: number, scheme: SignatureScheme): boolean
  /** For messages: `rsa/pss-sha256, ecdsa-sha256`. */
  readonly words: string
}

/** Undefined where the peer said nothing of it: then its hashes alone decide. */
export function peerSignatures(announced: readonly AuthAnnouncement[] | undefined): PeerSignatures | undefined {
  if (announced === undefined || announced.length === 0) return undefined
  const methods = new Map(Object.entries(AuthMethod).map(([name, method]) => [method as number, name]))
  const said = announced.map(({ method, detail }) => ({ method, scheme: schemeOf(method, detail) }))
  const words = said.map(({ method, scheme }) => scheme ?? methods.get(method) ?? `method ${method}`)
  return {
    allows: (method, scheme) =>
      said.some((one) => one.method === method && (one.scheme === undefined || one.scheme === formatScheme(scheme))),
    words: [...new Set(words)].join(', '),
  }
}

/** Of an announcement of digital signatures: which; undefined for all of that method. One that is not known here fits nothing. */
function schemeOf(method: number, detail: Uint8Array): string | undefined {
  if (method !== AuthMethod.DIGITAL_SIGNATURE || detail.length <= 1) return undefined
  const algorithm = detail.subarray(1)
  const read = decodeDigitalSignature(concat(Uint8Array.of(Math.min(255, algorithm.length)), algorithm))
  if (!read.ok) return 'an unreadable algorithm'
  return read.scheme === undefined ? read.name : formatScheme(read.scheme)
}

const sha2 = ['sha256', 'sha384', 'sha512'] as const
const schemes: readonly SignatureScheme[] = [
  ...sha2.map((hash) => ({ kind: 'rsa-pss', hash, saltBytes: hashBytes[hash] }) as const),
  ...sha2.map((hash) => ({ kind: 'rsa-pkcs1', hash }) as const),
  ...sha2.map((hash) => ({ kind: 'ecdsa', hash, encoding: 'der' }) as const),
  { kind: 'ed25519' },
  { kind: 'ed448' },
]
