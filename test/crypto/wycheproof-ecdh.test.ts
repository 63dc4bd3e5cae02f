import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/bytes/index.ts'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import { decodePublicKeyParts } from '../../src/crypto/public-key.ts'
import { KeGroup } from '../../src/crypto/transforms.ts'
import { DecodeError, PeerError } from '../../src/errors.ts'
import { type WycheproofTest, wycheproof } from '../support/wycheproof.ts'

interface EcdhTest extends WycheproofTest {
  readonly public: string
  readonly private: string
  readonly shared: string
}

/** BigInt arithmetic takes milliseconds for each row: one in so many is run, all with `npm run test:vectors`. */
const isFull = process.env.MODE === 'full'

const refused = expect.objectContaining({ code: 'INVALID_KE_VALUE', notify: 7 })

describe.each([
  { crypto: nobleProvider, file: 'x25519', group: KeGroup.CURVE25519, bytes: 32, step: 3 },
  { crypto: nodeProvider, file: 'x25519', group: KeGroup.CURVE25519, bytes: 32, step: 1 },
  { crypto: nobleProvider, file: 'x448', group: KeGroup.CURVE448, bytes: 56, step: 8 },
  { crypto: nodeProvider, file: 'x448', group: KeGroup.CURVE448, bytes: 56, step: 1 },
])('$crypto.name: Wycheproof $file', ({ crypto, file, group, bytes, step }) => {
  const tests = wycheproof<EcdhTest>(file)
  it.skipIf(tests === undefined)('agrees, and refuses a shared secret of zero', () => {
    // BigInt arithmetic takes 2 ms for each row of X25519 and 5 of X448.
    const special = ['ZeroSharedSecret', 'PublicKeyTooLong', 'LowOrderPublic', 'NonCanonicalPublic']
    const rows = tests!.filter(
      ({ flags }, i) => isFull || i % step === 0 || special.some((flag) => flags.includes(flag)),
    )
    for (const test of rows) {
      const pending = crypto.keyExchangeFromPrivate(group, fromHex(test.private))
      const finish = () => toHex(pending.finish(fromHex(test.public)))
      const isRefused = test.flags.includes('ZeroSharedSecret') || test.public.length !== 2 * bytes
      if (isRefused) expect(finish, `${test.tcId}`).toThrow(refused)
      else expect(finish(), `${test.tcId}`).toBe(test.shared)
    }
    expect(rows.length).toBeGreaterThan(30)
  })
})

// BigInt arithmetic takes 3 to 10 ms for each row, and OpenSSL not much less for the larger curves, so a part of them is run. The cross-check
// and the RFC vectors cover it too.
describe.each([
  { file: 'ecdh_secp256r1_ecpoint', group: KeGroup.ECP_256, nodeStep: 1, nobleStep: 3 },
  { file: 'ecdh_secp384r1_ecpoint', group: KeGroup.ECP_384, nodeStep: 3, nobleStep: 10 },
  { file: 'ecdh_secp521r1_ecpoint', group: KeGroup.ECP_521, nodeStep: 8, nobleStep: 20 },
])('Wycheproof $file', ({ file, group, nodeStep, nobleStep }) => {
  const tests = wycheproof<EcdhTest>(file)
  it.skipIf(tests === undefined).each([
    { crypto: nodeProvider, step: nodeStep },
    { crypto: nobleProvider, step: nobleStep },
  ])('over $crypto.name, one row in $step and all that must be refused', ({ crypto, step }) => {
    const rows = tests!.filter((test, i) => isFull || i % step === 0 || test.result !== 'valid')
    for (const test of rows) checkEcp(crypto, group, test)
    expect(rows.some(({ result }) => result === 'valid') && rows.some(({ result }) => result === 'invalid')).toBe(true)
  })
})

// The keys are SubjectPublicKeyInfo there: of those that node's own decoder would take, the point is the end.
describe.each([
  { crypto: nobleProvider, step: 10 },
  { crypto: nodeProvider, step: 1 },
])('$crypto.name: Wycheproof ecdh_brainpoolP256r1', ({ crypto, step }) => {
  const tests = wycheproof<EcdhTest>('ecdh_brainpoolP256r1')
  const prefix = '305a301406072a8648ce3d020106092b240303020801010703420004'

  it.skipIf(tests === undefined)('agrees, and refuses points off the curve', () => {
    const named = tests!.filter(({ public: key, flags }) => key.startsWith(prefix) && !flags.includes('InvalidAsn'))
    const rows = named.filter(({ result }, i) => isFull || i % step === 0 || result !== 'valid')
    for (const test of rows) {
      const scalar = test.private.slice(-64).padStart(64, '0')
      const pending = crypto.keyExchangeFromPrivate(KeGroup.BRAINPOOL_P256R1, fromHex(scalar))
      const finish = () => toHex(pending.finish(fromHex(test.public.slice(prefix.length))))
      if (test.result === 'valid') expect(finish(), `${test.tcId}`).toBe(test.shared)
      else expect(finish, `${test.tcId}`).toThrow(refused)
    }
    expect(named.length).toBe(254)
  })
})

// These are vectors for decoders of SubjectPublicKeyInfo, such as stand in certificates: curves by their parameters, BER, points off the curve.
describe.each([
  { file: 'ecdh_secp256r1', curve: 'P-256', group: KeGroup.ECP_256, step: 4 },
  { file: 'ecdh_secp384r1', curve: 'P-384', group: KeGroup.ECP_384, step: 8 },
  { file: 'ecdh_brainpoolP256r1', curve: 'brainpoolP256r1', group: KeGroup.BRAINPOOL_P256R1, step: 4 },
])('Wycheproof $file as a public key', ({ file, curve, group, step }) => {
  const tests = wycheproof<EcdhTest>(file)

  it.skipIf(tests === undefined)('is decoded when it is valid, and never gives another secret', () => {
    const rows = tests!.filter(({ result }, i) => isFull || i % step === 0 || result === 'invalid')
    const decoded = rows.filter((test) => agreesWithKey(test, curve, group))
    expect(decoded.length).toBeGreaterThan(20)
    expect(rows.length - decoded.length).toBeGreaterThan(20)
  })
})

/** True when the key is one of `curve`, uncompressed: then the secret is as the test says. */
function agreesWithKey(test: EcdhTest, curve: string, group: number): boolean {
  const point = pointOf(test, curve)
  if (point === undefined) return false
  const bytes = point.length / 2
  const scalar = fromHex(test.private.slice(-2 * bytes).padStart(2 * bytes, '0'))
  const finish = () => toHex(nodeProvider.keyExchangeFromPrivate(group, scalar).finish(point))
  if (test.result === 'valid') expect(finish(), `${test.tcId}`).toBe(test.shared)
  else if (test.result === 'invalid') expect(finish, `${test.tcId}`).toThrow(refused)
  // One of the acceptable ones is a point that is not on the curve.
  else expect([test.shared, 7], `${test.tcId}`).toContain(attempt(finish))
  return true
}

/** What it returns, or the notify that it asks for. */
function attempt(finish: () => string): unknown {
  try {
    return finish()
  } catch (error) {
    return error instanceof PeerError ? error.notify : error
  }
}

/** x | y of a key on this curve; undefined for any other key, and for what is no key, which a valid test must not be. */
function pointOf(test: EcdhTest, curve: string): Uint8Array | undefined {
  try {
    const parts = decodePublicKeyParts(fromHex(test.public))
    const isOther = parts.kind !== 'ec' || parts.curve !== curve || parts.point[0] !== 4
    expect(test.result === 'valid' && isOther, `${test.tcId}`).toBe(false)
    return isOther ? undefined : parts.point.subarray(1)
  } catch (error) {
    expect(error, `${test.tcId}`).toBeInstanceOf(DecodeError)
    expect(test.result, `${test.tcId} ${test.flags.join()}`).not.toBe('valid')
    return undefined
  }
}

/** The KE payload has x|y alone, so everything that is not an uncompressed point must be refused. */
function checkEcp(crypto: CryptoProvider, group: number, test: EcdhTest): void {
  const pending = crypto.keyExchangeFromPrivate(group, fromHex(test.private))
  const uncompressed = test.public.startsWith('04')
  const finish = () => toHex(pending.finish(fromHex(uncompressed ? test.public.slice(2) : test.public)))
  if (test.result === 'valid' && uncompressed) expect(finish(), `${test.tcId}`).toBe(test.shared)
  else expect(finish, `${test.tcId}`).toThrow(refused)
}
