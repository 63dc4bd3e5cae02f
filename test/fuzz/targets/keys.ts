import { equalBytes, fromHex, Reader } from '../../../src/bytes/index.ts'
import { decodeDigitalSignature, encodeDigitalSignature } from '../../../src/credentials/auth-signature.ts'
import { DerReader } from '../../../src/crypto/der-reader.ts'
import { ecdsaFromDer, ecdsaToDer } from '../../../src/crypto/ecdsa-signature.ts'
import { decodePrivateKeyParts } from '../../../src/crypto/private-key-parts.ts'
import { decodePublicKeyParts, encodePublicKey } from '../../../src/crypto/public-key.ts'
import type { SignatureScheme } from '../../../src/crypto/signature.ts'
import { DecodeError } from '../../../src/errors.ts'
import { derOfBer } from '../../../src/pki/ber.ts'
import { decodePem, encodePem } from '../../../src/pki/pem.ts'
import { mutateOctets } from '../../../src/testing/hostile-octets.ts'
import { keyFiles } from '../../pki/key-files.ts'
import { reduceOctets } from '../octets.ts'
import type { Target } from '../target.ts'

type Check = (octets: Uint8Array, note: (situation: string) => void) => void

/** By the first octet of an input; the rest are the octets. */
const checks: readonly Check[] = [checkAuth, checkEcdsa, checkPublicKey, checkPrivateKey, checkBer, checkPem]

/** What peers send in AUTH and as raw keys, and what stands in files of keys. */
export const keys: Target = {
  name: 'keys',
  covers: [
    'credentials/auth-signature',
    'crypto/der',
    'crypto/ecdsa-signature',
    'crypto/p',
    'pki/ber',
    'pki/pem',
    'pki/signature-algorithm',
  ],

  seeds() {
    const spki = (hex: string) => Uint8Array.of(2, ...fromHex(hex))
    return [
      ...schemes.map((scheme) => Uint8Array.of(0, ...encodeDigitalSignature(scheme, Uint8Array.of(1, 2)))),
      ...['3006020101020101', '300702020081020101'].map((hex) => Uint8Array.of(1, ...fromHex(hex))),
      spki('301f300d06092a864886f70d01010b0500030e003008020300c0ff02010300'),
      spki(`302a300506032b6570032100${'11'.repeat(32)}`),
      spki(`3043300506032b6571033a00${'11'.repeat(57)}`),
      spki(`3059301306072a8648ce3d020106082a8648ce3d030107034200${'04'.repeat(65)}`),
      spki(`305c300d06092a864886f70d0101010500034b003048024100${'c1'.repeat(64)}0203010001`),
      Uint8Array.of(3, ...keyFiles.pkcs8),
      Uint8Array.of(3, ...fromHex(`302e020100300506032b657004220420${'22'.repeat(32)}`)),
      ...['308002010500000000', '2480040101248004010200000000', '3003020105'].map((hex) =>
        Uint8Array.of(4, ...fromHex(hex)),
      ),
      Uint8Array.of(5, ...new TextEncoder().encode(`a: b\n${encodePem('X Y', fromHex('0102'))}`)),
    ]
  },

  run(input, note) {
    checks[(input[0] ?? 0) % checks.length]!(input.subarray(1), note)
  },

  mutate: (input, dice, others) => mutateOctets(input, dice, others),
  reduce: reduceOctets,
}

const schemes: readonly SignatureScheme[] = [
  { kind: 'rsa-pkcs1', hash: 'sha256' },
  { kind: 'rsa-pss', hash: 'sha384', saltBytes: 48 },
  { kind: 'ecdsa', hash: 'sha512', encoding: 'der' },
  { kind: 'ed25519' },
]

/** What is understood is written again as something that means the same. */
function checkAuth(octets: Uint8Array, note: (situation: string) => void): void {
  const found = decodeDigitalSignature(octets)
  if (!found.ok) return noteProblem(found.problem, note)
  noteProblem(found.name, note)
  // A salt of more than an octet is understood, but never made.
  if (found.scheme === undefined || ('saltBytes' in found.scheme && found.scheme.saltBytes > 127)) return
  const again = decodeDigitalSignature(encodeDigitalSignature(found.scheme, found.signature))
  const isSame = again.ok && JSON.stringify(again.scheme) === JSON.stringify(found.scheme)
  require(isSame && equalBytes(again.signature, found.signature), 'decode(encode(decode(x)))')
}

/** Only one encoding of r and s is taken. */
function checkEcdsa(octets: Uint8Array): void {
  const raw = ecdsaFromDer(octets, 32)
  if (raw !== undefined) require(equalBytes(ecdsaToDer(raw), octets), 'another encoding of r and s')
}

function checkPublicKey(octets: Uint8Array, note: (situation: string) => void): void {
  const parts = decoded(() => decodePublicKeyParts(octets), note)
  if (parts === undefined) return
  const again = encodePublicKey(parts)
  require(equalBytes(again, encodePublicKey(decodePublicKeyParts(again))), 'encoding a key twice')
}

function checkPrivateKey(octets: Uint8Array, note: (situation: string) => void): void {
  const parts = decoded(() => decodePrivateKeyParts(octets), note)
  if (parts !== undefined) note(`a private key: ${parts.kind}`)
}

/** The result is DER as far as its reader looks, and stays as it is. */
function checkBer(octets: Uint8Array, note: (situation: string) => void): void {
  const toDer = (ber: Uint8Array) => derOfBer(new Reader(ber, 'BER', 'X.690'))
  const der = decoded(() => toDer(octets), note)
  if (der === undefined) return
  require(equalBytes(der, toDer(der)), 'DER made of DER')
  const reader = new DerReader(der, 'DER', 'X.690')
  reader.any('all of it')
  reader.end()
}

function checkPem(octets: Uint8Array, note: (situation: string) => void): void {
  const blocks = decodePem(new TextDecoder('latin1').decode(octets))
  // A label can be any text.
  if ('problem' in blocks) return note(blocks.problem.slice(-10))
  note(`${Math.min(blocks.length, 3)} blocks`)
  for (const { label, der } of blocks) {
    const again = decodePem(encodePem(label, der))
    require(Array.isArray(again) && equalBytes(again[0].der, der), 'decode(encode(decode(x)))')
  }
}

function decoded<T>(decode: () => T, note: (situation: string) => void): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    noteProblem(error.message, note)
    return undefined
  }
}

const noteProblem = (problem: string, note: (situation: string) => void): void =>
  note(problem.replaceAll(/0x[0-9a-f]+|[\d.]+/g, 'n').slice(0, 60))

function require(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}
