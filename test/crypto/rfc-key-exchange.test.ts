import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/bytes/index.ts'
import { modpGroup } from '../../src/crypto/modp-groups.ts'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import { KeGroup, keGroupInfo } from '../../src/crypto/transforms.ts'
import { loadVectors, sharedVectors, type Vectors } from '../support/vectors.ts'

const providers = [nobleProvider, nodeProvider]

interface KeCase {
  readonly id: string
  readonly groupId: number
  readonly privA: string
  readonly privB: string
  readonly pubA: string
  readonly pubB: string
  readonly shared: string
}

function checkBothSides(crypto: CryptoProvider, row: KeCase): void {
  const [a, b] = [row.privA, row.privB].map((priv) => crypto.keyExchangeFromPrivate(row.groupId, fromHex(priv)))
  expect([toHex(a!.publicValue), toHex(b!.publicValue)], row.id).toEqual([row.pubA, row.pubB])
  expect(toHex(a!.finish(fromHex(row.pubB))), row.id).toBe(row.shared)
  expect(toHex(b!.finish(fromHex(row.pubA))), row.id).toBe(row.shared)
}

describe.each(providers)('$name: ECP groups', (crypto) => {
  // RFC 5114 also has the 192- and 224-bit curves, which are not implemented.
  it.each(['rfc5903-ecp', 'rfc5114-ecp'])('%s', (file) => {
    const cases = loadVectors<KeCase>(`rfc/${file}.json`).cases.filter(({ groupId }) => keGroupInfo(groupId))
    for (const row of cases) checkBothSides(crypto, row)
    expect(cases.map(({ groupId }) => groupId)).toEqual([KeGroup.ECP_256, KeGroup.ECP_384, KeGroup.ECP_521])
  })
})

describe.each(providers)('$name: Brainpool groups', (crypto) => {
  it('brainpool-ecdh: RFC 6954, RFC 6932, RFC 7027', () => {
    const { cases } = loadVectors<KeCase>('rfc/brainpool-ecdh.json')
    // Of the eleven, three are printed twice. BigInt arithmetic takes 10 to 40 ms for each.
    const rows = crypto === nodeProvider ? cases : cases.slice(0, 4)
    for (const row of rows) checkBothSides(crypto, row)
    const all = [KeGroup.BRAINPOOL_P224R1, KeGroup.BRAINPOOL_P256R1, KeGroup.BRAINPOOL_P384R1, KeGroup.BRAINPOOL_P512R1]
    expect(rows.slice(0, 4).map(({ groupId }) => groupId)).toEqual(all)
    expect(cases.length).toBe(11)
  })
})

interface X25519Case extends Partial<KeCase> {
  readonly id: string
  readonly alg: string
  readonly scalar?: string
  readonly u?: string
  readonly out?: string
  readonly iterations?: Readonly<Record<string, string>>
}

const curves = [
  { alg: 'X25519', group: KeGroup.CURVE25519, base: Uint8Array.of(9, ...new Uint8Array(31)), bothSides: 2 },
  { alg: 'X448', group: KeGroup.CURVE448, base: Uint8Array.of(5, ...new Uint8Array(55)), bothSides: 1 },
]
const withCurves = providers.flatMap((crypto) => curves.map((curve) => ({ crypto, ...curve, name: crypto.name })))

describe.each(withCurves)('$name: $alg', ({ crypto, alg, group, base, bothSides }) => {
  const cases = loadVectors<X25519Case>('rfc/rfc7748-8031-x25519-x448.json').cases.filter((row) => row.alg === alg)
  const multiply = (scalar: Uint8Array, u: Uint8Array) => crypto.keyExchangeFromPrivate(group, scalar).finish(u)

  it('RFC 7748 §5.2, single values', () => {
    const rows = cases.filter(({ scalar }) => scalar !== undefined)
    for (const { id, scalar, u, out } of rows) expect(toHex(multiply(fromHex(scalar!), fromHex(u!))), id).toBe(out)
    expect(rows.length).toBe(2)
  })

  it('RFC 7748 §5.2, iterated: 1 time, X25519 over node 1,000 times', () => {
    const { iterations } = cases.find((row) => row.iterations !== undefined)!
    let k: Uint8Array = base
    let u = k
    // BigInt arithmetic takes 2 ms for each, X448 over node too.
    const count = crypto === nodeProvider && alg === 'X25519' ? 1000 : 1
    for (let i = 1; i <= count; i++) {
      const next = multiply(k, u)
      u = k
      k = next
      if (i === 1) expect(toHex(k)).toBe(iterations!['1'])
    }
    expect(toHex(k)).toBe(iterations![count])
  })

  it('RFC 7748 §6 and RFC 8031 appendix A, both sides', () => {
    const rows = cases.filter((row): row is X25519Case & KeCase => row.privA !== undefined)
    for (const row of rows) checkBothSides(crypto, { ...row, groupId: group })
    expect(rows.length).toBe(bothSides)
  })
})

describe('MODP groups', () => {
  it('have the primes of RFC 7296 appendix B.2 and RFC 3526', () => {
    const cases = loadVectors<{ id: string; groupId: number; bits: number; p: string; g: number }>(
      'rfc/modp-groups.json',
    ).cases
    const implemented = cases.filter(({ groupId }) => keGroupInfo(groupId))
    for (const { id, groupId, bits, p } of implemented) {
      const group = modpGroup(groupId)!
      expect([group.bits, toHex(group.primeBytes)], id).toEqual([bits, p])
      expect(group.prime, id).toBe(BigInt(`0x${p}`))
    }
    expect(implemented.map(({ bits }) => bits).sort()).toEqual([1024, 1536, 2048, 3072, 4096, 6144, 8192])
  })
})

describe.each(providers)('$name: MODP groups with known exponents', (crypto) => {
  const file = sharedVectors<Vectors<KeCase>>('packets/modp-dh-strongswan.json')
  it.skipIf(file === undefined)('packets/modp-dh-strongswan', () => {
    const cases = file!.cases.filter(({ groupId }) => keGroupInfo(groupId))
    for (const row of cases) checkBothSides(crypto, row)
    expect(cases.map(({ groupId }) => groupId)).toEqual([
      KeGroup.MODP_1024,
      KeGroup.MODP_1536,
      KeGroup.MODP_2048,
      KeGroup.MODP_3072,
      KeGroup.MODP_4096,
      KeGroup.MODP_6144,
      KeGroup.MODP_8192,
    ])
  })
})
