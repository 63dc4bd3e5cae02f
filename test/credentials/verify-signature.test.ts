import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex } from '../../src/bytes/index.ts'
import {
  decodeDigitalSignature,
  ecdsaMethods,
  encodeDigitalSignature,
  formatHashNumbers,
} from '../../src/credentials/auth-signature.ts'
import { formatScheme, parseSignatureRule } from '../../src/credentials/signature-rules.ts'
import {
  defaultSignaturePolicy,
  type SignaturePolicy,
  verifyAuthSignature,
} from '../../src/credentials/verify-signature.ts'
import { nobleSignatures } from '../../src/crypto/noble-signature.ts'
import { nodeSignatures } from '../../src/crypto/node-signature.ts'
import { decodePublicKey } from '../../src/crypto/public-key.ts'
import type { PrivateKey, SignatureScheme } from '../../src/crypto/signature.ts'
import { AuthMethod } from '../../src/ike/codec/index.ts'
import type { TraceDecrypted } from '../support/ike-traces.ts'
import { signingKey } from '../support/signing-keys.ts'
import { loadTrace, loadVectors } from '../support/vectors.ts'

const octets = fromHex('0102030405')
const policy = (...rules: string[]): SignaturePolicy => ({ rules: rules.map(parseSignatureRule), leastRsaBits: 2048 })

describe.each([nodeSignatures, nobleSignatures])('$name: AUTH of recorded conversations', (signatures) => {
  it.each([
    { name: 'rsa-pss-sha384', scheme: 'rsa/pss-sha384' },
    { name: 'rsa-frag-gcm256', scheme: 'rsa-sha256' },
    { name: 'ecdsa256-nofrag', scheme: 'ecdsa-sha256' },
    { name: 'ecdsa256-legacy-auth', scheme: 'ecdsa-sha256' },
  ])('$name verifies under the certificates, either way', ({ name, scheme }) => {
    const trace = loadTrace<AuthTrace>(name)!
    const certificates = [trace.config.certI, trace.config.certR]
    const signed = trace.authLog.filter(({ label }) => label.startsWith('octets')).map(({ hex }) => fromHex(hex))
    const auths = trace.packets.flatMap(({ decrypted }) =>
      (decrypted?.payloads ?? []).filter(({ type }) => type === 39),
    )
    expect(auths).toHaveLength(2)
    for (const [i, { body }] of auths.entries()) {
      const auth = { method: Number.parseInt(body.slice(0, 2), 16), data: fromHex(body).slice(4), octets: signed[i]! }
      const key = keyOf(certificates[i]!)
      const verdict = verifyAuthSignature(signatures, key, auth)
      expect(verdict.ok ? formatScheme(verdict.scheme) : verdict.reason).toBe(scheme)
      expect(encodedAgain(auth)).toBe(toHex(auth.data))
      expect(verifyAuthSignature(signatures, keyOf(certificates[1 - i]!), auth).ok).toBe(false)
      expect(verifyAuthSignature(signatures, key, { ...auth, octets: signed[1 - i]! })).toEqual({
        ok: false,
        reason: expect.stringContaining('does not verify'),
      })
    }
  })
})

describe('method 14', () => {
  it.each(schemesWithKeys())('$text is taken, and refused where another is wanted', ({ scheme, key, text }) => {
    const data = encodeDigitalSignature(scheme, nodeSignatures.sign(key, scheme, octets))
    const auth = { method: AuthMethod.DIGITAL_SIGNATURE, data, octets }
    expect(verifyAuthSignature(nodeSignatures, key.publicKey, auth, policy(text))).toEqual({ ok: true, scheme })
    expect(verifyAuthSignature(nodeSignatures, key.publicKey, auth, policy('rsa/pss-sha384', 'rsa'))).toEqual({
      ok: false,
      reason: `the signature is ${text}, which is not among the signatures that are taken`,
    })
  })

  it('says when key and signature are of different kinds', () => {
    const scheme = { kind: 'ed25519' } as const
    const data = encodeDigitalSignature(scheme, new Uint8Array(64))
    const auth = { method: 14, data, octets }
    expect(verifyAuthSignature(nodeSignatures, signingKey('P-256').publicKey, auth)).toEqual({
      ok: false,
      reason: 'the signature is ed25519, and the key is ECDSA P-256',
    })
  })

  it('refuses SHA-1 unless it is named', () => {
    const key = signingKey('rsa2048')
    const scheme = { kind: 'rsa-pkcs1', hash: 'sha1' } as const
    const data = encodeDigitalSignature(scheme, nodeSignatures.sign(key, scheme, octets))
    const verdict = (chosen: SignaturePolicy) =>
      verifyAuthSignature(nodeSignatures, key.publicKey, { method: 14, data, octets }, chosen).ok
    expect([verdict(defaultSignaturePolicy), verdict(policy('rsa')), verdict(policy('rsa-sha1'))]).toEqual([
      false,
      false,
      true,
    ])
  })

  it('refuses RSA keys that are too short', () => {
    const verdict = verifyAuthSignature(nodeSignatures, signingKey('rsa1031').publicKey, {
      method: 14,
      data: octets,
      octets,
    })
    expect(verdict).toEqual({ ok: false, reason: 'the key is RSA-1031, and 2048 bits are the least that is taken' })
  })

  it('carries the AlgorithmIdentifiers of RFC 7427 appendix A and RFC 8420 appendix A', () => {
    const { cases } = loadVectors<AlgorithmCase>('rfc/rfc7427-8420-algorithm-identifiers.json')
    const found = Object.fromEntries(
      cases.map(({ id, der }) => [id, decodeDigitalSignature(fromHex(length(der) + der))]),
    )
    const schemes = Object.entries(found).map(([id, one]) => [id, one.ok && one.scheme && formatScheme(one.scheme)])
    expect(Object.fromEntries(schemes)).toEqual({
      'rfc7427-A.1.1': 'rsa-sha1',
      'rfc7427-A.1.2': 'rsa-sha256',
      'rfc7427-A.1.3': 'rsa-sha384',
      'rfc7427-A.1.4': 'rsa-sha512',
      'rfc7427-A.2.1': undefined,
      'rfc7427-A.2.2': undefined,
      'rfc7427-A.3.1': 'ecdsa-sha1',
      'rfc7427-A.3.2': 'ecdsa-sha256',
      'rfc7427-A.3.3': 'ecdsa-sha384',
      'rfc7427-A.3.4': 'ecdsa-sha512',
      'rfc7427-A.4.1': 'rsa/pss-sha1',
      'rfc7427-A.4.2': 'rsa/pss-sha1',
      'rfc7427-A.4.3': 'rsa/pss-sha256',
      'rfc8420-A.1': 'ed25519',
      'rfc8420-A.2': 'ed448',
    })
    // Those that we write ourselves are the same to the octet. For PSS RFC 4055 §3.1 leaves the default trailerField out, which A.4.3 has.
    for (const { id, der } of cases.filter(({ id }) => /A\.[13]\.|8420/.test(id))) {
      const one = found[id]!
      expect(one.ok && toHex(encodeDigitalSignature(one.scheme!, new Uint8Array(0)))).toBe(length(der) + der)
    }
  })

  it('never throws for any prefix or change of the data', () => {
    const key = signingKey('rsa2048')
    const scheme = { kind: 'rsa-pss', hash: 'sha256', saltBytes: 32 } as const
    const data = encodeDigitalSignature(scheme, nodeSignatures.sign(key, scheme, octets))
    const verdict = (changed: Uint8Array) =>
      verifyAuthSignature(nodeSignatures, key.publicKey, { method: 14, data: changed, octets }).ok
    const head = data.length - 256
    for (let i = 0; i < data.length; i++) expect(verdict(data.subarray(0, i))).toBe(false)
    fc.assert(
      fc.property(fc.nat(data.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const changed = data.slice()
        changed[at]! ^= mask
        return !verdict(changed)
      }),
    )
    // The identifier alone, with everything that can be made of one octet.
    for (let at = 0; at < head; at++) {
      for (const mask of [1, 2, 4, 8, 16, 32, 64, 128]) {
        const changed = data.slice()
        changed[at]! ^= mask
        expect(verdict(changed), `${at} ${mask}`).toBe(false)
      }
    }
    const longer = concat(data, octets)
    expect(verdict(longer)).toBe(false)
  })
})

describe('older methods', () => {
  const rsa = signingKey('rsa2048')
  const signed = (hash: 'sha1' | 'sha256') => nodeSignatures.sign(rsa, { kind: 'rsa-pkcs1', hash }, octets)

  it('takes the RSA method with a hash of SHA-2, and with SHA-1 where it is named', () => {
    const verdict = (data: Uint8Array, chosen: SignaturePolicy) =>
      verifyAuthSignature(nodeSignatures, rsa.publicKey, { method: 1, data, octets }, chosen)
    expect(verdict(signed('sha256'), defaultSignaturePolicy).ok).toBe(true)
    expect(verdict(signed('sha1'), policy('rsa-sha1')).ok).toBe(true)
    expect(verdict(signed('sha1'), defaultSignaturePolicy)).toEqual({
      ok: false,
      reason: 'the signature is rsa-sha1, which is not among the signatures that are taken',
    })
    expect(verdict(signed('sha1').reverse(), policy('rsa-sha1')).ok).toBe(false)
  })

  it.each(Object.entries(ecdsaMethods))(
    'takes method %s of RFC 4754 under its own curve alone',
    (method, { curve, hash }) => {
      const key = signingKey(curve)
      const data = nodeSignatures.sign(key, { kind: 'ecdsa', hash, encoding: 'raw' }, octets)
      const auth = { method: Number(method), data, octets }
      expect(verifyAuthSignature(nodeSignatures, key.publicKey, auth).ok).toBe(true)
      expect(verifyAuthSignature(nodeSignatures, key.publicKey, auth, policy('rsa')).ok).toBe(false)
      expect(verifyAuthSignature(nodeSignatures, signingKey('brainpoolP256r1').publicKey, auth)).toEqual({
        ok: false,
        reason: `the AUTH method is ECDSA with ${curve}, and the key is ECDSA brainpoolP256r1`,
      })
    },
  )

  it('names a method that is no signature, or one for another key', () => {
    const reason = (method: number) =>
      verifyAuthSignature(nodeSignatures, rsa.publicKey, { method, data: octets, octets })
    expect(reason(2)).toEqual({ ok: false, reason: 'the AUTH method 2 is no signature that is implemented' })
    const { publicKey } = signingKey('ed448')
    expect(verifyAuthSignature(nodeSignatures, publicKey, { method: 1, data: octets, octets })).toEqual({
      ok: false,
      reason: 'the AUTH method is RSA, and the key is Ed448',
    })
  })
})

describe('the notation of signatures', () => {
  it('is read with ike: in front, several hashes, and in any case', () => {
    expect(parseSignatureRule('ike:rsa/pss-SHA384')).toEqual({ family: 'rsa/pss', hashes: ['sha384'] })
    expect(parseSignatureRule('ecdsa-sha256-sha384')).toEqual({ family: 'ecdsa', hashes: ['sha256', 'sha384'] })
    expect(parseSignatureRule('pubkey')).toEqual({ family: 'pubkey', hashes: [] })
  })

  it.each(['', 'dsa', 'rsa-md5', 'rsa-', 'rsa-constructor', 'constructor', 'ed25519-sha256', 'rsa/pss-toString'])(
    'refuses %j',
    (text) => {
      expect(() => parseSignatureRule(text)).toThrow(/allowed: pubkey, rsa/)
    },
  )

  it('names hashes of a peer, also unknown ones', () => {
    expect(formatHashNumbers([1, 2, 5, 9])).toBe('sha1, sha256, identity (ed25519, ed448), hash 9')
  })
})

interface AuthTrace {
  readonly config: { readonly certI: string; readonly certR: string }
  readonly authLog: readonly { readonly label: string; readonly hex: string }[]
  readonly packets: readonly { readonly decrypted?: TraceDecrypted }[]
}

interface AlgorithmCase {
  readonly id: string
  readonly der: string
}

/** As we would have written it: the AlgorithmIdentifier is the same to the octet. */
function encodedAgain({ method, data }: { readonly method: number; readonly data: Uint8Array }): string {
  if (method !== AuthMethod.DIGITAL_SIGNATURE) return toHex(data)
  const found = decodeDigitalSignature(data)
  return found.ok && found.scheme !== undefined ? toHex(encodeDigitalSignature(found.scheme, found.signature)) : ''
}

const length = (hex: string): string => (hex.length / 2).toString(16).padStart(2, '0')

const keyOf = (certificate: string) =>
  decodePublicKey(new X509Certificate(fromHex(certificate)).publicKey.export({ format: 'der', type: 'spki' }))

function schemesWithKeys(): { scheme: SignatureScheme; key: PrivateKey; text: string }[] {
  const rows: [Parameters<typeof signingKey>[0], SignatureScheme][] = [
    ['rsa2048', { kind: 'rsa-pss', hash: 'sha256', saltBytes: 32 }],
    ['rsa2048', { kind: 'rsa-pss', hash: 'sha512', saltBytes: 64 }],
    ['P-256', { kind: 'ecdsa', hash: 'sha256', encoding: 'der' }],
    ['P-521', { kind: 'ecdsa', hash: 'sha512', encoding: 'der' }],
    ['brainpoolP384r1', { kind: 'ecdsa', hash: 'sha384', encoding: 'der' }],
    ['ed25519', { kind: 'ed25519' }],
    ['ed448', { kind: 'ed448' }],
  ]
  return rows.map(([name, scheme]) => ({ scheme, key: signingKey(name), text: formatScheme(scheme) }))
}
