import { randomBytes } from 'node:crypto'
import { contextTag, DerTag, derElement, derInteger, derOid } from '../crypto/der.ts'
import { nodeHash, nodeHmac } from '../crypto/node-hash.ts'
import type { PrivateKey } from '../crypto/signature.ts'
import { encodeBlock } from './asn1.ts'
import { encryptWithPassphrase } from './password-encryption.ts'
import { Pkcs12Oid } from './pkcs12.ts'
import { passphraseOctets, pkcs12Key } from './pkcs12-kdf.ts'
import { encryptPrivateKey } from './private-key.ts'
import { hashIdentifier } from './signature-algorithm.ts'

export interface Pkcs12Contents {
  readonly privateKey: PrivateKey
  /** In DER, that of the key first. */
  readonly certificates: readonly Uint8Array[]
  /** Shown by programs that import it. */
  readonly friendlyName: string
}

/**
 * A PKCS #12 file: key and certificates by PBES2 (PBKDF2 with HMAC-SHA-256, AES-256-CBC), protected by HMAC-SHA-256, as OpenSSL 3, Windows since 10 1809,
 * macOS since 15 and Android since 13 read it. RFC 7292.
 */
export function encodePkcs12(contents: Pkcs12Contents, passphrase: string): Uint8Array {
  const { privateKey, certificates, friendlyName } = contents
  // What ties a key to its certificate.
  const keyId = nodeHash('sha1', certificates[0] ?? privateKey.publicKey.spki)
  const attributes = derElement(DerTag.SET, localKeyId(keyId), friendly(friendlyName))
  const keyBag = safeBag(Pkcs12Oid.pkcs8ShroudedKeyBag, encryptPrivateKey(privateKey.pkcs8, passphrase), attributes)
  const certBags = certificates.map((der, i) =>
    safeBag(Pkcs12Oid.certBag, certBag(der), i === 0 ? attributes : undefined),
  )
  const authSafe = derElement(
    DerTag.SEQUENCE,
    ...(certBags.length === 0 ? [] : [encryptedInfo(derElement(DerTag.SEQUENCE, ...certBags), passphrase)]),
    dataInfo(derElement(DerTag.SEQUENCE, keyBag)),
  )
  return derElement(DerTag.SEQUENCE, derInteger(Uint8Array.of(3)), dataInfo(authSafe), macData(authSafe, passphrase))
}

const macIterations = 10_000

const explicit = (content: Uint8Array): Uint8Array => derElement(contextTag(0), content)

const dataInfo = (content: Uint8Array): Uint8Array =>
  derElement(DerTag.SEQUENCE, derOid(Pkcs12Oid.data), explicit(derElement(DerTag.OCTET_STRING, content)))

function encryptedInfo(content: Uint8Array, passphrase: string): Uint8Array {
  const { algorithm, data } = encryptWithPassphrase(content, passphrase)
  const inner = derElement(
    DerTag.SEQUENCE,
    derOid(Pkcs12Oid.data),
    encodeBlock(algorithm.toSchema()),
    derElement(0x80, data),
  )
  const encrypted = derElement(DerTag.SEQUENCE, derInteger(Uint8Array.of(0)), inner)
  return derElement(DerTag.SEQUENCE, derOid(Pkcs12Oid.encryptedData), explicit(encrypted))
}

const safeBag = (type: string, value: Uint8Array, attributes: Uint8Array | undefined): Uint8Array =>
  derElement(DerTag.SEQUENCE, derOid(type), explicit(value), ...(attributes === undefined ? [] : [attributes]))

const certBag = (der: Uint8Array): Uint8Array =>
  derElement(DerTag.SEQUENCE, derOid(Pkcs12Oid.x509Certificate), explicit(derElement(DerTag.OCTET_STRING, der)))

const attribute = (oid: string, value: Uint8Array): Uint8Array =>
  derElement(DerTag.SEQUENCE, derOid(oid), derElement(DerTag.SET, value))

const localKeyId = (id: Uint8Array): Uint8Array =>
  attribute('1.2.840.113549.1.9.21', derElement(DerTag.OCTET_STRING, id))

/** BMPString: UTF-16 without the zeros that a passphrase has at its end. */
const friendly = (name: string): Uint8Array =>
  attribute('1.2.840.113549.1.9.20', derElement(0x1e, passphraseOctets(name).bmp.subarray(0, 2 * name.length)))

function macData(content: Uint8Array, passphrase: string): Uint8Array {
  const salt = Uint8Array.from(randomBytes(16))
  const key = pkcs12Key('sha256', 'mac', passphraseOctets(passphrase), salt, macIterations, 32)
  const mac = derElement(
    DerTag.SEQUENCE,
    encodeBlock(hashIdentifier('sha256').toSchema()),
    derElement(DerTag.OCTET_STRING, nodeHmac('sha256', key, content)),
  )
  const iterations = derInteger(Uint8Array.of(macIterations >>> 8, macIterations & 0xff))
  return derElement(DerTag.SEQUENCE, mac, derElement(DerTag.OCTET_STRING, salt), iterations)
}
