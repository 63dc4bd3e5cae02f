import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/bytes/index.ts'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import { KeGroup } from '../../src/crypto/transforms.ts'
import { UsageError } from '../../src/errors.ts'
import { sharedVectors, type Vectors } from '../support/vectors.ts'
import { type WycheproofTest, wycheproof } from '../support/wycheproof.ts'

const providers = [nobleProvider, nodeProvider]
const groups: Readonly<Record<string, number>> = {
  'ML-KEM-512': KeGroup.ML_KEM_512,
  'ML-KEM-768': KeGroup.ML_KEM_768,
  'ML-KEM-1024': KeGroup.ML_KEM_1024,
}
const refused = expect.objectContaining({ code: 'INVALID_KE_VALUE', notify: 7 })

/** The responder's half with `m` in place of random octets. */
const encapsulate = (crypto: CryptoProvider, group: number, ek: string, m: string) => {
  const { publicValue, sharedSecret } = crypto.respondKeyExchange(group, fromHex(ek), (length) => {
    expect(length).toBe(32)
    return fromHex(m)
  })
  return { c: toHex(publicValue), k: toHex(sharedSecret) }
}

interface AcvpCase {
  readonly id: string
  readonly op: string
  readonly params: string
  readonly d: string
  readonly z: string
  readonly ek: string
  readonly m: string
  readonly c: string
  readonly k: string
  readonly valid: boolean
}

describe.each(providers)('$name: NIST ACVP ML-KEM', (crypto) => {
  const file = sharedVectors<Vectors<AcvpCase>>('nist/acvp-ml-kem.json')
  const ofOp = (op: string) => file!.cases.filter((row) => row.op === op)

  it.skipIf(file === undefined)('makes the keys of each seed', () => {
    for (const { id, params, d, z, ek } of ofOp('keygen')) {
      expect(toHex(crypto.keyExchangeFromPrivate(groups[params]!, fromHex(d + z)).publicValue), id).toBe(ek)
    }
    expect(ofOp('keygen').length).toBe(15)
  })

  it.skipIf(file === undefined)('encapsulates', () => {
    for (const { id, params, ek, m, c, k } of ofOp('encapsulation')) {
      expect(encapsulate(crypto, groups[params]!, ek, m), id).toEqual({ c, k })
    }
    expect(ofOp('encapsulation').length).toBe(15)
  })

  it.skipIf(file === undefined)('refuses an encapsulation key with a value of q or more', () => {
    const rows = ofOp('encapsulationKeyCheck')
    for (const { id, params, ek, valid } of rows) {
      const attempt = () => encapsulate(crypto, groups[params]!, ek, '11'.repeat(32))
      if (valid) expect(attempt().k.length, id).toBe(64)
      else expect(attempt, id).toThrow(refused)
    }
    expect(rows.map(({ valid }) => valid).filter(Boolean).length).toBe(9)
    expect(rows.length).toBe(15)
  })
})

interface DecapsulationTest extends WycheproofTest {
  readonly seed: string
  readonly ek?: string
  readonly c: string
  readonly K?: string
}

describe.each(providers)('$name: Wycheproof ML-KEM', (crypto) => {
  it.each(Object.entries(groups))(
    '%s: decapsulates, forged ciphertexts too, and refuses wrong lengths',
    (name, group) => {
      const tests = wycheproof<DecapsulationTest>(name.toLowerCase().replace('ml-kem-', 'mlkem_'))
      for (const { tcId, seed, ek, c, K, result } of tests ?? []) {
        if (seed.length !== 128) {
          expect(() => crypto.keyExchangeFromPrivate(group, fromHex(seed)), `${tcId}`).toThrow(UsageError)
          continue
        }
        const pending = crypto.keyExchangeFromPrivate(group, fromHex(seed))
        expect(toHex(pending.publicValue), `${tcId}`).toBe(ek)
        if (result === 'valid') expect(toHex(pending.finish(fromHex(c))), `${tcId}`).toBe(K)
        else expect(() => pending.finish(fromHex(c)), `${tcId}`).toThrow(refused)
      }
      expect(tests === undefined || tests.length === 97).toBe(true)
    },
  )

  const encapsulations = wycheproof<{ m: string; ek: string; c: string; K: string }>('mlkem_768_encaps')
  it.skipIf(encapsulations === undefined)('mlkem_768_encaps', () => {
    for (const { tcId, m, ek, c, K, result } of encapsulations!) {
      const attempt = () => encapsulate(crypto, KeGroup.ML_KEM_768, ek, m)
      if (result === 'valid') expect(attempt(), `${tcId}`).toEqual({ c, k: K })
      else expect(attempt, `${tcId}`).toThrow(refused)
    }
    expect(encapsulations!.length).toBe(133)
  })

  const keys = wycheproof<{ seed: string; ek: string }>('mlkem_768_keygen_seed')
  it.skipIf(keys === undefined)('mlkem_768_keygen_seed', () => {
    for (const { tcId, seed, ek } of keys!) {
      const pending = crypto.keyExchangeFromPrivate(KeGroup.ML_KEM_768, fromHex(seed))
      expect(toHex(pending.publicValue), `${tcId}`).toBe(ek)
    }
    expect(keys!.length).toBe(50)
  })
})

describe.each(providers)('$name: ML-KEM', (crypto) => {
  it.each(Object.values(groups))('group %i: a forged ciphertext gives another secret and no error', (group) => {
    const pending = crypto.keyExchangeFromPrivate(group, new Uint8Array(64).fill(5))
    const { publicValue, sharedSecret } = crypto.respondKeyExchange(group, pending.publicValue, (length) =>
      new Uint8Array(length).fill(6),
    )
    const forged = publicValue.slice()
    forged[0] = forged[0]! ^ 1
    expect(toHex(pending.finish(publicValue))).toBe(toHex(sharedSecret))
    const other = pending.finish(forged)
    expect(other.length).toBe(32)
    expect(toHex(other)).not.toBe(toHex(sharedSecret))
  })
})
