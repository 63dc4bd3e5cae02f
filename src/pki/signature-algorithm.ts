import { contextTag, DerTag, derElement, derInteger, derOid } from '../crypto/der.ts'
import type { DerReader } from '../crypto/der-reader.ts'
import type { SignatureScheme } from '../crypto/signature.ts'
import type { HashName } from '../crypto/transforms.ts'

/** How a certificate, CRL or OCSP response is signed. */
export interface SignatureAlgorithm {
  /** For people: `sha256WithRSAEncryption`, or the OBJECT IDENTIFIER. */
  readonly name: string
  /** Undefined for one that is not implemented. */
  readonly scheme: SignatureScheme | undefined
}

interface Known {
  readonly oid: string
  readonly name: string
  readonly scheme?: SignatureScheme
}

const pkcs1 = (oid: string, hash: HashName): Known => ({
  oid,
  name: `${hash}WithRSAEncryption`,
  scheme: { kind: 'rsa-pkcs1', hash },
})
const ecdsa = (oid: string, hash: HashName): Known => ({
  oid,
  name: `ecdsa-with-${hash.toUpperCase()}`,
  scheme: { kind: 'ecdsa', hash, encoding: 'der' },
})

/** RFC 4055 §5, RFC 5758 §3.2, RFC 8410 §3; the first two only so that a refusal can name them. */
const algorithms: readonly Known[] = [
  { oid: '1.2.840.113549.1.1.4', name: 'md5WithRSAEncryption' },
  { oid: '1.2.840.113549.1.1.14', name: 'sha224WithRSAEncryption' },
  pkcs1('1.2.840.113549.1.1.5', 'sha1'),
  pkcs1('1.2.840.113549.1.1.11', 'sha256'),
  pkcs1('1.2.840.113549.1.1.12', 'sha384'),
  pkcs1('1.2.840.113549.1.1.13', 'sha512'),
  ecdsa('1.2.840.10045.4.1', 'sha1'),
  ecdsa('1.2.840.10045.4.3.2', 'sha256'),
  ecdsa('1.2.840.10045.4.3.3', 'sha384'),
  ecdsa('1.2.840.10045.4.3.4', 'sha512'),
  { oid: '1.3.101.112', name: 'Ed25519', scheme: { kind: 'ed25519' } },
  { oid: '1.3.101.113', name: 'Ed448', scheme: { kind: 'ed448' } },
]

const PSS = '1.2.840.113549.1.1.10'
const MGF1 = '1.2.840.113549.1.1.8'
const hashOids: Readonly<Record<string, HashName>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}

/** The hash of an AlgorithmIdentifier, undefined for one that is not implemented; parameters are NULL or absent. */
export function decodeHashAlgorithm(reader: DerReader, what: string): HashName | undefined {
  const algorithm = reader.sequence(what)
  const oid = algorithm.oid(what)
  if (algorithm.tag === DerTag.NULL) algorithm.element(DerTag.NULL, what)
  algorithm.end()
  return hashOids[oid]
}

/** AlgorithmIdentifier of a hash, with NULL as most writers have it. */
export function encodeHashAlgorithm(hash: HashName): Uint8Array {
  const oid = Object.keys(hashOids).find((key) => hashOids[key] === hash)!
  return derElement(DerTag.SEQUENCE, derOid(oid), derNull)
}

/** Decodes an AlgorithmIdentifier. Throws `DecodeError` when it is malformed. RFC 5280 §4.1.1.2. */
export function decodeSignatureAlgorithm(reader: DerReader): SignatureAlgorithm {
  const algorithm = reader.sequence('signatureAlgorithm')
  const oid = algorithm.oid('signatureAlgorithm')
  if (oid === PSS) return decodePss(algorithm)
  const known = algorithms.find((one) => one.oid === oid)
  if (known === undefined) return { name: oid, scheme: undefined }
  if (algorithm.tag === DerTag.NULL) algorithm.element(DerTag.NULL, 'parameters')
  algorithm.end()
  return { name: known.name, scheme: known.scheme }
}

/** AlgorithmIdentifier of a scheme. ECDSA signatures are DER in X.509, whatever `encoding` says. */
export function encodeSignatureAlgorithm(scheme: SignatureScheme): Uint8Array {
  if (scheme.kind === 'rsa-pss') return encodePss(scheme.hash, scheme.saltBytes)
  const known = algorithms.find(
    (one) =>
      one.scheme?.kind === scheme.kind &&
      (!('hash' in scheme) || ('hash' in one.scheme && one.scheme.hash === scheme.hash)),
  )!
  return derElement(DerTag.SEQUENCE, derOid(known.oid), ...(scheme.kind === 'rsa-pkcs1' ? [derNull] : []))
}

const derNull = Uint8Array.of(DerTag.NULL, 0)

/** RSASSA-PSS-params: all of them have defaults. RFC 4055 §3.1. */
function decodePss(algorithm: DerReader): SignatureAlgorithm {
  const parameters = algorithm.tag === undefined ? undefined : algorithm.sequence('RSASSA-PSS-params')
  const hash = pssPart(parameters, 0, (part) => decodeHashAlgorithm(part, 'hashAlgorithm'), 'sha1' as const)
  const mgfHash = pssPart(parameters, 1, decodeMgf, 'sha1' as const)
  const saltBytes = pssPart(parameters, 2, (part) => part.smallInteger('saltLength'), 20)
  const trailer = pssPart(parameters, 3, (part) => part.smallInteger('trailerField'), 1)
  parameters?.end()
  algorithm.end()
  const isUsable = hash !== undefined && mgfHash === hash && trailer === 1 && saltBytes! <= 512
  return {
    name: `RSASSA-PSS with ${hash ?? 'an unknown hash'}`,
    scheme: isUsable ? { kind: 'rsa-pss', hash, saltBytes: saltBytes! } : undefined,
  }
}

function pssPart<T>(parameters: DerReader | undefined, number: number, read: (part: DerReader) => T, absent: T): T {
  if (parameters?.tag !== contextTag(number)) return absent
  const part = parameters.nested(contextTag(number), 'RSASSA-PSS-params')
  const value = read(part)
  part.end()
  return value
}

function decodeMgf(part: DerReader): HashName | undefined {
  const algorithm = part.sequence('maskGenAlgorithm')
  if (algorithm.oid('maskGenAlgorithm') !== MGF1) return undefined
  const hash = decodeHashAlgorithm(algorithm, 'maskGenAlgorithm')
  algorithm.end()
  return hash
}

function encodePss(hash: HashName, saltBytes: number): Uint8Array {
  const hashAlgorithm = encodeHashAlgorithm(hash)
  const mgf = derElement(DerTag.SEQUENCE, derOid(MGF1), hashAlgorithm)
  const parameters = derElement(
    DerTag.SEQUENCE,
    derElement(contextTag(0), hashAlgorithm),
    derElement(contextTag(1), mgf),
    derElement(contextTag(2), derInteger(Uint8Array.of(saltBytes))),
  )
  return derElement(DerTag.SEQUENCE, derOid(PSS), parameters)
}
