import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/bytes/index.ts'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import { KeGroup } from '../../src/crypto/transforms.ts'
import { type WycheproofTest, wycheproof } from '../support/wycheproof.ts'

const providers = [nobleProvider, nodeProvider]

interface EcdhTest extends WycheproofTest {
  readonly public: string
  readonly private: string
  readonly shared: string
}

const refused = expect.objectContaining({ code: 'INVALID_KE_VALUE', notify: 7 })

describe.each(providers)('$name: Wycheproof X25519', (crypto) => {
  const tests = wycheproof<EcdhTest>('x25519')
  it.skipIf(tests === undefined)('agrees, and refuses a shared secret of zero', () => {
    for (const test of tests!) {
      const pending = crypto.keyExchangeFromPrivate(KeGroup.CURVE25519, fromHex(test.private))
      const finish = () => toHex(pending.finish(fromHex(test.public)))
      if (test.flags.includes('ZeroSharedSecret')) expect(finish, `${test.tcId}`).toThrow(refused)
      else expect(finish(), `${test.tcId}`).toBe(test.shared)
    }
    expect(tests!.length).toBeGreaterThan(0)
  })
})

// BigInt arithmetic takes 3 to 10 ms for each row, so noble runs a part of them. The cross-check
// and the RFC vectors cover it too.
describe.each([
  { file: 'ecdh_secp256r1_ecpoint', group: KeGroup.ECP_256, nobleStep: 3 },
  { file: 'ecdh_secp384r1_ecpoint', group: KeGroup.ECP_384, nobleStep: 5 },
  { file: 'ecdh_secp521r1_ecpoint', group: KeGroup.ECP_521, nobleStep: 10 },
])('Wycheproof $file', ({ file, group, nobleStep }) => {
  const tests = wycheproof<EcdhTest>(file)
  it.skipIf(tests === undefined)('over node', () => {
    for (const test of tests!) checkEcp(nodeProvider, group, test)
    expect(tests!.length).toBeGreaterThan(0)
  })

  it.skipIf(tests === undefined)(`over noble, one row in ${nobleStep} and all that must be refused`, () => {
    const rows = tests!.filter((test, i) => i % nobleStep === 0 || test.result !== 'valid')
    for (const test of rows) checkEcp(nobleProvider, group, test)
    expect(rows.some(({ result }) => result === 'valid') && rows.some(({ result }) => result === 'invalid')).toBe(true)
  })
})

/** The KE payload has x|y alone, so everything that is not an uncompressed point must be refused. */
function checkEcp(crypto: CryptoProvider, group: number, test: EcdhTest): void {
  const pending = crypto.keyExchangeFromPrivate(group, fromHex(test.private))
  const uncompressed = test.public.startsWith('04')
  const finish = () => toHex(pending.finish(fromHex(uncompressed ? test.public.slice(2) : test.public)))
  if (test.result === 'valid' && uncompressed) expect(finish(), `${test.tcId}`).toBe(test.shared)
  else expect(finish, `${test.tcId}`).toThrow(refused)
}
