import { Null } from 'asn1js'
import { AlgorithmIdentifier, RSASSAPSSParams } from 'pkijs'
import type { SignatureScheme } from '../crypto/signature.ts'
import type { HashName } from '../crypto/transforms.ts'
import { elements, encodeBlock, malformed, onlyPart, readAs, readBlock, type Subject, taggedParts } from './asn1.ts'

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
export function hashOf(algorithm: AlgorithmIdentifier, subject: Subject): HashName | undefined {
  demandNoParameters(algorithm, subject)
  return hashOids[algorithm.algorithmId]
}

/** AlgorithmIdentifier of a hash, with NULL as most writers have it. */
export const hashIdentifier = (hash: HashName): AlgorithmIdentifier =>
  new AlgorithmIdentifier({
    algorithmId: Object.keys(hashOids).find((key) => hashOids[key] === hash)!,
    algorithmParams: new Null(),
  })

/** Decodes an AlgorithmIdentifier in DER. Throws `DecodeError` when it is malformed. RFC 5280 §4.1.1.2. */
export function decodeSignatureAlgorithm(der: Uint8Array, subject: Subject): SignatureAlgorithm {
  const block = readBlock(der, subject)
  if (elements(block).length > 2) throw malformed(subject, 'more than an algorithm and its parameters')
  return signatureAlgorithmOf(readAs(AlgorithmIdentifier, block, subject), subject)
}

/** The same of one that the library has read. */
export function signatureAlgorithmOf(algorithm: AlgorithmIdentifier, subject: Subject): SignatureAlgorithm {
  const oid = algorithm.algorithmId
  if (oid === PSS) return pssOf(algorithm, subject)
  const known = algorithms.find((one) => one.oid === oid)
  if (known === undefined) return { name: oid, scheme: undefined }
  demandNoParameters(algorithm, subject)
  return { name: known.name, scheme: known.scheme }
}

/** AlgorithmIdentifier of a scheme. ECDSA signatures are DER in X.509, whatever `encoding` says. */
export function signatureIdentifier(scheme: SignatureScheme): AlgorithmIdentifier {
  if (scheme.kind === 'rsa-pss') return pssIdentifier(scheme.hash, scheme.saltBytes)
  const known = algorithms.find(
    (one) =>
      one.scheme?.kind === scheme.kind &&
      (!('hash' in scheme) || ('hash' in one.scheme && one.scheme.hash === scheme.hash)),
  )!
  return new AlgorithmIdentifier({
    algorithmId: known.oid,
    ...(scheme.kind === 'rsa-pkcs1' ? { algorithmParams: new Null() } : {}),
  })
}

/** The same in DER. */
export const encodeSignatureAlgorithm = (scheme: SignatureScheme): Uint8Array =>
  encodeBlock(signatureIdentifier(scheme).toSchema())

function demandNoParameters({ algorithmId, algorithmParams }: AlgorithmIdentifier, subject: Subject): void {
  if (algorithmParams !== undefined && !(algorithmParams instanceof Null))
    throw malformed(subject, `parameters of ${algorithmId}, which has none`)
}

/** RSASSA-PSS-params: all of them have defaults. RFC 4055 §3.1. */
function pssOf({ algorithmParams }: AlgorithmIdentifier, subject: Subject): SignatureAlgorithm {
  for (const part of taggedParts(elements(algorithmParams), 3, subject).values()) onlyPart(part, subject)
  const parameters =
    algorithmParams === undefined ? new RSASSAPSSParams() : readAs(RSASSAPSSParams, algorithmParams, subject)
  const { hashAlgorithm, maskGenAlgorithm, saltLength, trailerField } = parameters
  const hash = hashOf(hashAlgorithm, subject)
  const isUsable =
    hash !== undefined &&
    mgfHash(maskGenAlgorithm, subject) === hash &&
    trailerField === 1 &&
    Number.isInteger(saltLength) &&
    saltLength >= 0 &&
    saltLength <= 512
  return {
    name: `RSASSA-PSS with ${hash ?? 'an unknown hash'}`,
    scheme: isUsable ? { kind: 'rsa-pss', hash, saltBytes: saltLength } : undefined,
  }
}

function mgfHash({ algorithmId, algorithmParams }: AlgorithmIdentifier, subject: Subject): HashName | undefined {
  if (algorithmId !== MGF1 || algorithmParams === undefined) return undefined
  return hashOf(readAs(AlgorithmIdentifier, algorithmParams, subject), subject)
}

function pssIdentifier(hash: HashName, saltBytes: number): AlgorithmIdentifier {
  const hashAlgorithm = hashIdentifier(hash)
  const maskGenAlgorithm = new AlgorithmIdentifier({ algorithmId: MGF1, algorithmParams: hashAlgorithm.toSchema() })
  const parameters = new RSASSAPSSParams({ hashAlgorithm, maskGenAlgorithm, saltLength: saltBytes })
  return new AlgorithmIdentifier({ algorithmId: PSS, algorithmParams: parameters.toSchema() })
}
