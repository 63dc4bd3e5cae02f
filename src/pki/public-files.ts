import { DerTag } from '../crypto/der.ts'
import { DerReader } from '../crypto/der-reader.ts'
import { decodePublicKey, encodePublicKey, rsaPublicKey } from '../crypto/public-key.ts'
import type { PublicKey } from '../crypto/signature.ts'
import { DecodeError } from '../errors.ts'
import { decodeCertificate } from './certificate.ts'
import { type KeySource, pemBlocks, sourceError } from './key-source.ts'
import { pemText } from './pem.ts'

/** The public key of a file, PEM or DER: SubjectPublicKeyInfo, PKCS #1, or that of a certificate. Throws `ConfigError`. RFC 7670. */
export function readPublicKey(contents: Uint8Array, source: KeySource): PublicKey {
  const text = pemText(contents)
  try {
    if (text === undefined) return publicKeyOfDer(contents)
    const block = pemBlocks(text, source).find(({ label }) => Object.hasOwn(publicLabels, label))
    if (block !== undefined) return publicLabels[block.label]!(block.der)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw sourceError(source, `not a public key that can be read: ${error.message}`, publicKeys)
  }
  throw sourceError(source, 'there is no public key in it', publicKeys)
}

/** The certificates of a file, DER each, in order: PEM with any number, or one in DER. Throws `ConfigError`. */
export function readCertificates(contents: Uint8Array, source: KeySource): Uint8Array[] {
  const text = pemText(contents)
  const found =
    text === undefined
      ? [contents]
      : pemBlocks(text, source).flatMap(({ label, der }) => (label === 'CERTIFICATE' ? [der] : []))
  if (found.length === 0) throw sourceError(source, 'there is no certificate in it', certificates)
  try {
    return found.map((der) => decodeCertificate(Uint8Array.from(der)).der)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw sourceError(source, `not a certificate that can be read: ${error.message}`, certificates)
  }
}

const publicKeys = 'a public key in PEM or DER (SubjectPublicKeyInfo), or a certificate'
const certificates = 'certificates in PEM, or one in DER'

type ReadPublicKey = (der: Uint8Array) => PublicKey

function publicKeyOfDer(der: Uint8Array): PublicKey {
  const outer = new DerReader(der, 'public key', 'RFC 5280 §4.1.2.7')
  const key = outer.sequence('public key')
  if (key.tag === DerTag.INTEGER) return fromPkcs1(der)
  key.any('algorithm')
  return key.tag === DerTag.BIT_STRING ? decodePublicKey(der) : keyOfCertificate(der)
}

const fromPkcs1: ReadPublicKey = (der) => decodePublicKey(encodePublicKey({ ...rsaPublicKey(der), isPssOnly: false }))

function keyOfCertificate(der: Uint8Array): PublicKey {
  const { publicKey, keyProblem } = decodeCertificate(der)
  if (publicKey !== undefined) return publicKey
  throw new DecodeError({ where: 'certificate', offset: 0, section: 'RFC 5280 §4.1.2.7', problem: keyProblem })
}

const publicLabels: Readonly<Record<string, ReadPublicKey>> = {
  'PUBLIC KEY': decodePublicKey,
  'RSA PUBLIC KEY': fromPkcs1,
  CERTIFICATE: keyOfCertificate,
}
