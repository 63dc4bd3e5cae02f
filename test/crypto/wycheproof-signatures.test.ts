import { describe, expect, it } from 'vitest'
import { fromHex } from '../../src/bytes/index.ts'
import { nobleSignatures } from '../../src/crypto/noble-signature.ts'
import { nodeSignatures } from '../../src/crypto/node-signature.ts'
import { decodePublicKey } from '../../src/crypto/public-key.ts'
import type { SignatureProvider, SignatureScheme } from '../../src/crypto/signature.ts'
import type { HashName } from '../../src/crypto/transforms.ts'
import { type WycheproofTest, wycheproofGroups } from '../support/wycheproof.ts'

interface SignatureTest extends WycheproofTest {
  readonly msg: string
  readonly sig: string
}

interface SignatureGroup {
  readonly publicKeyDer: string
  readonly sha?: string
  readonly mgfSha?: string
  readonly sLen?: number
}

/** BigInt arithmetic takes milliseconds for each row: one in so many is run, all with `npm run test:vectors`. */
const isFull = process.env.MODE === 'full'

const isAbsent = wycheproofGroups('ed25519') === undefined

const rsa = [
  'rsa_signature_2048_sha256',
  'rsa_signature_2048_sha384',
  'rsa_signature_2048_sha512',
  'rsa_signature_3072_sha256',
  'rsa_signature_4096_sha256',
  'rsa_signature_4096_sha512',
]
const pss = [
  'rsa_pss_2048_sha256_mgf1_32',
  'rsa_pss_2048_sha384_mgf1_48',
  'rsa_pss_3072_sha256_mgf1_32',
  'rsa_pss_4096_sha512_mgf1_64',
  'rsa_pss_misc',
]
const der = [
  'ecdsa_secp256r1_sha256',
  'ecdsa_secp384r1_sha384',
  'ecdsa_secp521r1_sha512',
  'ecdsa_brainpoolP256r1_sha256',
]
const raw = ['ecdsa_secp256r1_sha256_p1363', 'ecdsa_secp384r1_sha384_p1363', 'ecdsa_secp521r1_sha512_p1363']

const files = [
  ...rsa.map((file) => ({ file, kind: 'rsa-pkcs1' as const, step: 6 })),
  ...pss.map((file) => ({ file, kind: 'rsa-pss' as const, step: 3 })),
  ...der.map((file) => ({ file, kind: 'der' as const, step: 20 })),
  ...raw.map((file) => ({ file, kind: 'raw' as const, step: 6 })),
  { file: 'ed25519', kind: 'ed25519' as const, step: 2 },
  { file: 'ed448', kind: 'ed448' as const, step: 2 },
]

describe.skipIf(isAbsent).each(files)('Wycheproof $file', ({ file, kind, step }) => {
  it('over node', () => checkFile(nodeSignatures, file, kind, 1))

  it('over noble, a part of it but with `npm run test:vectors`', () => checkFile(nobleSignatures, file, kind, step))
})

type Kind = (typeof files)[number]['kind']

/** Every `step`-th test of a file must come out as it says there. */
function checkFile(signatures: SignatureProvider, file: string, kind: Kind, step: number): void {
  let count = 0
  for (const group of wycheproofGroups<SignatureGroup, SignatureTest>(file)!) {
    const scheme = schemeOf(kind, group)
    if (scheme === undefined) continue
    const key = decodePublicKey(fromHex(group.publicKeyDer))
    for (const test of group.tests) {
      count++
      if (!isFull && count % step !== 0) continue
      // The only acceptable ones are without the NULL of the AlgorithmIdentifier: RFC 8017 §9.2 note 2 wants it there.
      const isValid = test.result === 'valid'
      const result = signatures.verify(key, scheme, fromHex(test.msg), fromHex(test.sig))
      expect(result, `${file} ${test.tcId} ${test.flags.join()}`).toBe(isValid)
    }
  }
  expect(count).toBeGreaterThan(5)
}

/** Undefined for hashes that IKEv2 has no number for, and another hash in MGF1 than for the message. */
function schemeOf(kind: Kind, group: SignatureGroup): SignatureScheme | undefined {
  if (kind === 'ed25519' || kind === 'ed448') return { kind }
  const hash = group.sha!.replace('-', '').toLowerCase() as HashName
  if (!['sha1', 'sha256', 'sha384', 'sha512'].includes(hash)) return undefined
  if (kind === 'rsa-pkcs1') return { kind, hash }
  if (kind !== 'rsa-pss') return { kind: 'ecdsa', hash, encoding: kind }
  return group.mgfSha === group.sha ? { kind, hash, saltBytes: group.sLen! } : undefined
}
