import { describe, expect, it } from 'vitest'
import { concat, fromHex } from '../../src/bytes/index.ts'
import { OwnKey, type OwnKeyOptions } from '../../src/credentials/own-key.ts'
import { announcedSignatures } from '../../src/credentials/signature-announcements.ts'
import { formatScheme, parseSignatureRule } from '../../src/credentials/signature-rules.ts'
import { verifyAuthSignature } from '../../src/credentials/verify-signature.ts'
import { nodeSignatures } from '../../src/crypto/node-signature.ts'
import type { PrivateKey } from '../../src/crypto/signature.ts'
import { UsageError } from '../../src/errors.ts'
import { IdType } from '../../src/ike/codec/index.ts'
import type { PubkeyAuth } from '../../src/ike/config.ts'
import type { SignAnswer, SignQuestion } from '../../src/ike/questions.ts'
import { type KeyName, signingKey } from '../support/signing-keys.ts'

const octets = fromHex('00ff10')
const allHashes = [2, 3, 4, 5]

describe('what the peer announced (RFC 9593)', () => {
  const announcedBy = (...rules: string[]) => announcedSignatures(rules.map(parseSignatureRule))
  const sign = (key: KeyName, announced: SignQuestion['announced'], hashes: number[] | undefined = allHashes) =>
    ownKey(signingKey(key)).answerSign({ ...question({ hashes }), announced }) as SignAnswer

  it.each<[KeyName, string[], number]>([
    ['rsa2048', ['rsa-sha384'], 14],
    ['rsa2048', [], 14],
    ['P-384', ['rsa', 'ecdsa-sha512'], 14],
    ['ed25519', ['ed25519'], 14],
  ])('%s makes what a peer with %j takes', (key, rules, method) => {
    const answer = sign(key, announcedBy(...rules))
    if (!answer.ok) throw new Error(answer.message)
    expect(answer.method).toBe(method)
    const policy = { rules: rules.map(parseSignatureRule), leastRsaBits: 2048 }
    expect(verifyAuthSignature(nodeSignatures, signingKey(key).publicKey, { ...answer, octets }, policy).ok).toBe(true)
  })

  it('chooses the method of RFC 4754 where that alone is announced', () => {
    expect(sign('P-256', [{ method: 9, detail: Uint8Array.of(0) }])).toMatchObject({ ok: true, method: 9 })
  })

  it('refuses with the reason where nothing fits, and minds an empty list as little as none', () => {
    expect(sign('P-256', announcedBy('rsa/pss-sha256'))).toMatchObject({
      ok: false,
      message: expect.stringMatching(/announced that it takes rsa\/pss-sha256 \(RFC 9593\).*makes ecdsa-sha256/),
      hint: expect.stringContaining('local.auth'),
    })
    expect(sign('P-256', [{ method: 2, detail: new Uint8Array(0) }])).toMatchObject({
      ok: false,
      message: expect.stringContaining('takes SHARED_KEY_MIC'),
    })
    expect(sign('P-256', [])).toMatchObject({ ok: true, method: 14 })
    expect(sign('P-256', [{ method: 14, detail: Uint8Array.of(0, 0x30, 0x99) }])).toMatchObject({ ok: false })
  })
})

describe('the method that a key signs by', () => {
  it.each<{ key: KeyName; signatures?: string[]; hashes?: number[]; method: number; scheme: string }>([
    { key: 'rsa2048', hashes: allHashes, method: 14, scheme: 'rsa/pss-sha256' },
    { key: 'rsa2048', hashes: [4], method: 14, scheme: 'rsa/pss-sha512' },
    { key: 'rsa2048', signatures: ['rsa'], hashes: [3, 2], method: 14, scheme: 'rsa-sha256' },
    { key: 'rsa2048', signatures: ['rsa/pss-sha384', 'rsa'], hashes: [2, 3], method: 14, scheme: 'rsa/pss-sha384' },
    { key: 'rsa2048', signatures: ['rsa/pss-sha384', 'rsa'], hashes: [2], method: 14, scheme: 'rsa-sha256' },
    { key: 'rsa2048', signatures: ['pubkey', 'rsa-sha1'], method: 1, scheme: 'rsa-sha1' },
    { key: 'rsa2048', signatures: ['rsa-sha1'], hashes: [2], method: 1, scheme: 'rsa-sha1' },
    { key: 'P-256', hashes: allHashes, method: 14, scheme: 'ecdsa-sha256' },
    { key: 'P-384', hashes: allHashes, method: 14, scheme: 'ecdsa-sha384' },
    { key: 'P-384', hashes: [2], method: 14, scheme: 'ecdsa-sha256' },
    { key: 'P-521', hashes: allHashes, method: 14, scheme: 'ecdsa-sha512' },
    { key: 'P-256', method: 9, scheme: 'ecdsa-sha256' },
    { key: 'P-384', method: 10, scheme: 'ecdsa-sha384' },
    { key: 'P-521', method: 11, scheme: 'ecdsa-sha512' },
    { key: 'brainpoolP256r1', hashes: [2], method: 14, scheme: 'ecdsa-sha256' },
    { key: 'ed25519', hashes: allHashes, method: 14, scheme: 'ed25519' },
    { key: 'ed448', hashes: allHashes, method: 14, scheme: 'ed448' },
  ])('$key $signatures, peer $hashes: $method with $scheme', ({ key, signatures, hashes, method, scheme }) => {
    const own = ownKey(signingKey(key), signatures === undefined ? {} : { signatures })
    const answer = own.answerSign(question({ hashes })) as SignAnswer
    if (!answer.ok) throw new Error(answer.message)
    expect(answer.method).toBe(method)
    const policy = { rules: [parseSignatureRule(scheme)], leastRsaBits: 2048 }
    const verdict = verifyAuthSignature(nodeSignatures, own.publicKey, { ...answer, octets }, policy)
    expect(verdict.ok ? formatScheme(verdict.scheme) : verdict.reason).toBe(scheme)
  })

  it.each<{ key: KeyName; signatures?: string[]; hashes?: number[]; says: RegExp; hint: RegExp }>([
    { key: 'rsa2048', says: /announced no hashes.*RSA-2048.*makes rsa\/pss-sha256/, hint: /rsa-sha1.*RFC 7427/ },
    { key: 'ed25519', hashes: [2, 3], says: /verifies signatures with sha256, sha384.*makes ed25519/, hint: /ed25519/ },
    { key: 'brainpoolP512r1', says: /announced no hashes/, hint: /take ecdsa-sha512, ecdsa-sha256/ },
    { key: 'P-256', signatures: ['ecdsa-sha384'], hashes: [2], says: /makes ecdsa-sha384/, hint: /ecdsa-sha384/ },
    { key: 'rsa2048', hashes: [], says: /with no hash at all/, hint: /local\.auth/ },
  ])('$key $signatures, peer $hashes: none, and why', ({ key, signatures, hashes, says, hint }) => {
    const own = ownKey(signingKey(key), signatures === undefined ? {} : { signatures })
    expect(own.answerSign(question({ hashes }))).toEqual({
      ok: false,
      message: expect.stringMatching(says),
      hint: expect.stringMatching(hint),
    })
  })
})

describe('what stands in CERT', () => {
  const key = signingKey('P-256')
  const end = concat(fromHex('3000'), key.publicKey.spki, fromHex('00'))
  const chain = [end, fromHex('3001')]
  const x509 = { encoding: 4, data: new Uint8Array(20) }
  const raw = { encoding: 15, data: new Uint8Array(0) }

  it.each([
    { send: 'always', certificates: chain, requests: [], sent: [4, 4] },
    { send: 'asked', certificates: chain, requests: [x509], sent: [4, 4] },
    { send: 'asked', certificates: chain, requests: [], sent: [] },
    { send: 'never', certificates: chain, requests: [x509], sent: [] },
    { send: 'always', certificates: [], requests: [], sent: [15] },
    { send: 'asked', certificates: [], requests: [raw], sent: [15] },
    { send: 'asked', certificates: chain, requests: [raw], sent: [15] },
    { send: 'asked', certificates: chain, requests: [raw, x509], sent: [4, 4] },
  ] as const)('$send, asked for $requests.length: $sent', ({ send, certificates, requests, sent }) => {
    const answer = ownKey(key, { certificates }).answerSign(question({ send, requests })) as SignAnswer
    const made = answer.ok ? answer.certificates : []
    expect(made.map(({ encoding }) => encoding)).toEqual(sent)
    const expected = made[0]?.encoding === 15 ? [key.publicKey.spki] : chain.slice(0, made.length)
    expect(made.map(({ data }) => data)).toEqual(expected)
  })

  it('is never a certificate for another key', () => {
    expect(() => ownKey(signingKey('P-384'), { certificates: chain })).toThrow(/is for another key/)
  })
})

describe('a key that signs elsewhere', () => {
  const key = signingKey('P-256')
  const external = (sign: (hash: unknown, octets: Uint8Array) => Promise<Uint8Array> | Uint8Array) =>
    ownKey({ publicKey: key.publicKey, sign }).answerSign(question({}))

  it('is waited for', async () => {
    const seen: unknown[] = []
    const answer = await external(async (scheme, data) => {
      seen.push(scheme)
      return nodeSignatures.sign(key, { kind: 'ecdsa', hash: 'sha256', encoding: 'der' }, data)
    })
    expect(answer.ok && answer.method).toBe(14)
    expect(seen).toEqual([{ kind: 'ecdsa', hash: 'sha256', encoding: 'der' }])
  })

  it('that fails, at once or later, is a No that says so', async () => {
    const failure = { ok: false, message: expect.stringContaining('did not sign: token removed') }
    expect(await external(() => Promise.reject(new Error('token removed')))).toMatchObject(failure)
    expect(
      external(() => {
        throw new Error('token removed')
      }),
    ).toMatchObject(failure)
  })

  it('that makes another signature is found out before the peer sees it', () => {
    const answer = external((_, data) =>
      nodeSignatures.sign(key, { kind: 'ecdsa', hash: 'sha512', encoding: 'der' }, data),
    )
    expect(answer).toMatchObject({ ok: false, message: expect.stringContaining('no ecdsa-sha256 signature') })
  })
})

describe('the list of signatures', () => {
  it('must have something for the key, and be known', () => {
    expect(() => ownKey(signingKey('P-256'), { signatures: ['rsa', 'ed25519'] })).toThrow(UsageError)
    expect(() => ownKey(signingKey('P-256'), { signatures: ['ecdsa-md5'] })).toThrow(/"ecdsa-md5" is none/)
  })
})

const ownKey = (key: PrivateKey | OwnKeyOptions['key'], options: Partial<OwnKeyOptions> = {}): OwnKey =>
  new OwnKey({ description: 'office.pem', key, provider: nodeSignatures, ...options })

function question(detail: {
  readonly hashes?: readonly number[] | undefined
  readonly send?: PubkeyAuth['sendCertificates']
  readonly requests?: SignQuestion['requests']
}): SignQuestion {
  return {
    kind: 'sign',
    auth: { method: 'pubkey', credential: { description: 'x' }, sendCertificates: detail.send ?? 'always' },
    id: { type: IdType.ID_FQDN, data: fromHex('61') },
    octets,
    hashes: 'hashes' in detail ? detail.hashes : allHashes,
    requests: detail.requests ?? [],
  }
}
