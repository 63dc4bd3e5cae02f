import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, toHex } from '../../src/bytes/index.ts'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider, RandomSource } from '../../src/crypto/provider.ts'
import {
  type AnyHashName,
  Encr,
  encrInfo,
  Integ,
  integInfo,
  KeGroup,
  keGroupInfo,
  Prf,
  prfInfo,
} from '../../src/crypto/transforms.ts'

const pairs: readonly (readonly [CryptoProvider, CryptoProvider])[] = [
  [nobleProvider, nodeProvider],
  [nodeProvider, nobleProvider],
]
const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const aeads = [
  { name: 'AES-GCM-128', encr: Encr.ENCR_AES_GCM_16, keyBytes: 16 },
  { name: 'AES-GCM-192', encr: Encr.ENCR_AES_GCM_16, keyBytes: 24 },
  { name: 'AES-GCM-256', encr: Encr.ENCR_AES_GCM_16, keyBytes: 32 },
  { name: 'AES-GCM-8-128', encr: Encr.ENCR_AES_GCM_8, keyBytes: 16 },
  { name: 'AES-GCM-12-256', encr: Encr.ENCR_AES_GCM_12, keyBytes: 32 },
  { name: 'AES-CCM-8-128', encr: Encr.ENCR_AES_CCM_8, keyBytes: 16 },
  { name: 'AES-CCM-12-192', encr: Encr.ENCR_AES_CCM_12, keyBytes: 24 },
  { name: 'AES-CCM-16-256', encr: Encr.ENCR_AES_CCM_16, keyBytes: 32 },
  { name: 'ChaCha20-Poly1305', encr: Encr.ENCR_CHACHA20_POLY1305, keyBytes: 32 },
] as const

describe.each(aeads)('$name', ({ encr, keyBytes }) => {
  const { tagBytes, saltBytes, ivBytes } = encrInfo(encr)!
  const nonceBytes = saltBytes + ivBytes

  /** Unused octets, associated data and plaintext at any offsets of one buffer, and room behind for the tag. */
  const layout = fc.record({
    key: octets(keyBytes),
    nonce: octets(nonceBytes),
    before: fc.uint8Array({ maxLength: 9 }),
    aad: fc.uint8Array({ maxLength: 40 }),
    between: fc.uint8Array({ maxLength: 9 }),
    plaintext: fc.uint8Array({ maxLength: 700 }),
    after: fc.uint8Array({ maxLength: 9 }),
  })

  it('what one provider seals the other opens, and both write the same octets and no others', () => {
    fc.assert(
      fc.property(layout, ({ key, nonce, before, aad, between, plaintext, after }) => {
        const original = concat(before, aad, between, plaintext, new Uint8Array(tagBytes), after)
        const at = before.length + aad.length + between.length
        const sealed = pairs.map(([crypto]) => {
          const buffer = original.slice()
          crypto.aead(encr, key).seal(nonce, buffer, before.length, aad.length, buffer, at, plaintext.length)
          return buffer
        })
        expect(toHex(sealed[0]!)).toBe(toHex(sealed[1]!))
        expect(toHex(sealed[0]!.subarray(0, at))).toBe(toHex(original.subarray(0, at)))
        expect(toHex(sealed[0]!.subarray(at + plaintext.length + tagBytes))).toBe(toHex(after))
        pairs.forEach(([, other], i) => {
          const buffer = sealed[i]!
          const opened = other
            .aead(encr, key)
            .open(nonce, buffer, before.length, aad.length, buffer, at, plaintext.length)
          expect(opened).toBe(true)
          expect(toHex(buffer.subarray(0, at + plaintext.length))).toBe(
            toHex(original.subarray(0, at + plaintext.length)),
          )
          expect(toHex(buffer.subarray(at + plaintext.length + tagBytes))).toBe(toHex(after))
        })
      }),
    )
  })

  it('takes associated data from another buffer, and one object serves many packets', () => {
    fc.assert(
      fc.property(octets(keyBytes), fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (key, packets) => {
        const [a, b] = pairs.map(([crypto]) => crypto.aead(encr, key)) as [
          ReturnType<CryptoProvider['aead']>,
          ReturnType<CryptoProvider['aead']>,
        ]
        packets.forEach((packet, n) => {
          const nonce = new Uint8Array(nonceBytes).fill(n)
          const aad = Uint8Array.of(7, n, n, 7)
          const buffer = concat(packet, new Uint8Array(tagBytes))
          a.seal(nonce, aad, 1, 2, buffer, 0, packet.length)
          expect(b.open(nonce, aad, 1, 2, buffer, 0, packet.length)).toBe(true)
          expect(toHex(buffer.subarray(0, packet.length))).toBe(toHex(packet))
        })
      }),
      { numRuns: 30 },
    )
  })

  it.each(pairs)('$name refuses a change of any bit of nonce, associated data, ciphertext or tag', (crypto) => {
    const key = new Uint8Array(keyBytes).fill(0x5a)
    const aead = crypto.aead(encr, key)
    const nonce = Uint8Array.from({ length: nonceBytes }, (_, i) => i)
    // Nonce, 8 octets of associated data, 5 of plaintext and the tag in one row, so that one index walks over all.
    const row = concat(nonce, new Uint8Array(8).fill(1), new Uint8Array(5).fill(2), new Uint8Array(tagBytes))
    const at = nonceBytes + 8
    aead.seal(nonce, row, nonceBytes, 8, row, at, 5)
    expect(aead.open(nonce, row.slice(), nonceBytes, 8, row.slice(), at, 5)).toBe(true)
    for (let bit = 0; bit < 8 * row.length; bit++) {
      const changed = row.slice()
      changed[bit >>> 3] = changed[bit >>> 3]! ^ (1 << (bit & 7))
      const buffer = changed.slice()
      expect(aead.open(changed.subarray(0, nonceBytes), changed, nonceBytes, 8, buffer, at, 5), `bit ${bit}`).toBe(
        false,
      )
      // Never the plaintext of a message that was not authentic.
      expect(toHex(buffer.subarray(at, at + 5)), `bit ${bit}`).not.toBe('0202020202')
    }
  })

  it.each(pairs)('$name refuses other lengths, and packets that end before their tag', (crypto) => {
    const aead = crypto.aead(encr, new Uint8Array(keyBytes).fill(3))
    const nonce = new Uint8Array(nonceBytes)
    const sealed = new Uint8Array(24 + tagBytes)
    aead.seal(nonce, sealed, 0, 8, sealed, 8, 16)
    for (let length = 0; length <= sealed.length; length++) {
      const opened = aead.open(nonce, sealed.slice(), 0, 8, sealed.slice(), 8, length)
      expect(opened, `${length} octets`).toBe(length === 16)
    }
    for (let aadLength = 0; aadLength < 8; aadLength++) {
      expect(aead.open(nonce, sealed, 0, aadLength, sealed.slice(), 8, 16), `${aadLength} octets`).toBe(false)
    }
  })
})

const ciphers = [
  { name: 'AES-CBC', encr: Encr.ENCR_AES_CBC, numRuns: 100 },
  { name: 'AES-CTR', encr: Encr.ENCR_AES_CTR, numRuns: 100 },
  { name: '3DES-CBC', encr: Encr.ENCR_3DES, numRuns: 40 },
]

describe.each(ciphers)('$name', ({ encr, numRuns }) => {
  const { keyBits, saltBytes, ivBytes, blockBytes } = encrInfo(encr)!

  it('what one provider encrypts the other decrypts, and both write the same octets and no others', () => {
    const blocks = fc.nat(192 / blockBytes).chain((count) => octets(blockBytes * count))
    const key = fc.constantFrom(...keyBits).chain((bits) => octets(bits / 8))
    const edge = fc.uint8Array({ maxLength: 9 })
    fc.assert(
      fc.property(key, octets(saltBytes + ivBytes), edge, blocks, edge, (key, iv, before, plaintext, after) => {
        const original = concat(before, plaintext, after)
        const encrypted = pairs.map(([crypto]) => {
          const buffer = original.slice()
          crypto.cipher(encr, key).encrypt(iv, buffer, before.length, plaintext.length)
          return buffer
        })
        expect(toHex(encrypted[0]!)).toBe(toHex(encrypted[1]!))
        pairs.forEach(([, other], i) => {
          other.cipher(encr, key).decrypt(iv, encrypted[i]!, before.length, plaintext.length)
          expect(toHex(encrypted[i]!)).toBe(toHex(original))
        })
      }),
      { numRuns },
    )
  })
})

describe('HMAC and hash', () => {
  const hashes: readonly AnyHashName[] = ['md5', 'sha1', 'sha256', 'sha384', 'sha512']

  it.each(hashes)('%s is the same over both, for keys and data of any length', (hash) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (key, data) => {
        const [noble, node] = pairs.map(([crypto]) => [crypto.hmac(hash, key, data), crypto.hash(hash, data)])
        expect(noble).toEqual(node)
      }),
    )
  })

  const integs = [
    Integ.AUTH_HMAC_SHA1_96,
    Integ.AUTH_HMAC_SHA2_256_128,
    Integ.AUTH_HMAC_SHA2_384_192,
    Integ.AUTH_HMAC_SHA2_512_256,
    Integ.AUTH_AES_XCBC_96,
    Integ.AUTH_AES_CMAC_96,
  ]

  it.each([Prf.PRF_AES128_XCBC, Prf.PRF_AES128_CMAC, Prf.PRF_HMAC_SHA2_256])(
    'PRF %i is the same over both, for keys and data of any length',
    (prf) => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 70 }), fc.uint8Array({ maxLength: 300 }), (key, data) => {
          const [noble, node] = pairs.map(([crypto]) => crypto.prf(prf, key, data))
          expect(noble).toEqual(node)
          expect(noble!.length).toBe(prfInfo(prf)!.bytes)
        }),
      )
    },
  )

  it.each(integs)(
    'integrity transform %i: one object serves many packets, the other provider verifies each',
    (integ) => {
      const { keyBytes, icvBytes } = integInfo(integ)!
      fc.assert(
        fc.property(octets(keyBytes), fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 6 }), (key, packets) => {
          const [a, b] = pairs.map(([crypto]) => crypto.mac(integ, key))
          for (const packet of packets) {
            const icv = new Uint8Array(icvBytes + 2)
            a!.compute(packet, 0, packet.length, icv, 1)
            expect([icv[0], icv.at(-1)]).toEqual([0, 0])
            expect(b!.verify(packet, 0, packet.length, icv, 1)).toBe(true)
            expect(b!.verify(packet, 0, packet.length, icv, 2)).toBe(false)
            const back = new Uint8Array(icvBytes)
            b!.compute(packet, 0, packet.length, back, 0)
            expect(toHex(back)).toBe(toHex(icv.subarray(1, 1 + icvBytes)))
          }
        }),
        { numRuns: 30 },
      )
    },
  )

  it.each(pairs)('$name refuses a change of any bit of the packet or its ICV, and a short ICV', (crypto) => {
    const mac = crypto.mac(Integ.AUTH_HMAC_SHA2_256_128, new Uint8Array(32).fill(4))
    const row = new Uint8Array(24)
    mac.compute(row, 0, 8, row, 8)
    expect(mac.verify(row, 0, 8, row, 8)).toBe(true)
    for (let bit = 0; bit < 8 * row.length; bit++) {
      const changed = row.slice()
      changed[bit >>> 3] = changed[bit >>> 3]! ^ (1 << (bit & 7))
      expect(mac.verify(changed, 0, 8, changed, 8), `bit ${bit}`).toBe(false)
    }
    for (let length = 8; length < 24; length++) {
      expect(mac.verify(row, 0, 8, row.subarray(0, length), 8), `${length} octets`).toBe(false)
    }
  })
})

describe('key exchange', () => {
  // Few runs of the slow groups: BigInt arithmetic costs tens of milliseconds there.
  it.each([
    [KeGroup.CURVE25519, 15],
    [KeGroup.CURVE448, 4],
    [KeGroup.BRAINPOOL_P224R1, 4],
    [KeGroup.BRAINPOOL_P256R1, 4],
    [KeGroup.BRAINPOOL_P384R1, 2],
    [KeGroup.BRAINPOOL_P512R1, 1],
    [KeGroup.ML_KEM_512, 10],
    [KeGroup.ML_KEM_768, 10],
    [KeGroup.ML_KEM_1024, 10],
    [KeGroup.ECP_256, 8],
    [KeGroup.ECP_384, 4],
    [KeGroup.ECP_521, 2],
    [KeGroup.MODP_1024, 10],
    [KeGroup.MODP_1536, 6],
    [KeGroup.MODP_2048, 5],
    [KeGroup.MODP_3072, 3],
    [KeGroup.MODP_4096, 2],
    [KeGroup.MODP_6144, 1],
    [KeGroup.MODP_8192, 1],
  ])('group %i: either provider on either side, the same values', (group, numRuns) => {
    fc.assert(
      fc.property(octets(66), octets(66), (seedA, seedB) => {
        const results = pairs.map(([ours, theirs]) => {
          const first = ours.keyExchange(group, seeded(seedA))
          const second = theirs.respondKeyExchange(group, first.publicValue, seeded(seedB))
          expect(toHex(first.finish(second.publicValue))).toBe(toHex(second.sharedSecret))
          return [first.publicValue, second.publicValue, second.sharedSecret].map(toHex)
        })
        expect(results[0]).toEqual(results[1])
      }),
      { numRuns },
    )
  })

  it.each([KeGroup.MODP_1024, KeGroup.MODP_2048])('group %i: exponents of any length', (group) => {
    const { publicBytes } = keGroupInfo(group)!
    const exponent = fc.oneof(fc.uint8Array({ minLength: 2, maxLength: 40 }), octets(publicBytes))
    const usable = exponent.filter((value) => value.some((octet) => octet > 1))
    const [peer] = pairs.map(([crypto]) => crypto.keyExchange(group, seeded(new Uint8Array(64).fill(0x77))))
    fc.assert(
      fc.property(usable, (privateValue) => {
        const [noble, node] = pairs.map(([crypto]) => {
          const pending = crypto.keyExchangeFromPrivate(group, privateValue)
          return [toHex(pending.publicValue), toHex(pending.finish(peer!.publicValue))]
        })
        expect(noble).toEqual(node)
      }),
      { numRuns: 8 },
    )
  })

  it.each([
    [KeGroup.ECP_256, 60],
    [KeGroup.ECP_384, 30],
    [KeGroup.ECP_521, 20],
    [KeGroup.BRAINPOOL_P224R1, 20],
    [KeGroup.BRAINPOOL_P512R1, 5],
    [KeGroup.CURVE25519, 60],
    [KeGroup.CURVE448, 10],
    [KeGroup.MODP_1024, 20],
    [KeGroup.MODP_2048, 10],
  ])('group %i: both take and refuse the same public values', (group, numRuns) => {
    const { publicBytes } = keGroupInfo(group)!
    const valid = nodeProvider.keyExchange(group, seeded(new Uint8Array(66).fill(0x33))).publicValue
    const flipped = fc.tuple(fc.nat(publicBytes - 1), fc.nat(7)).map(([at, bit]) => {
      const value = valid.slice()
      value[at] = value[at]! ^ (1 << bit)
      return value
    })
    const value = fc.oneof(flipped, octets(publicBytes), fc.uint8Array({ maxLength: publicBytes + 8 }))
    const scalar = new Uint8Array(exactScalar[group] ?? 28).fill(0x44)
    const [noble, node] = pairs.map(([crypto]) => crypto.keyExchangeFromPrivate(group, scalar))
    fc.assert(
      fc.property(value, (peerPublic) => {
        expect(outcome(() => noble!.finish(peerPublic))).toBe(outcome(() => node!.finish(peerPublic)))
      }),
      { numRuns },
    )
  })
})

/** Octets of a private value that must have that length. */
const exactScalar: Readonly<Record<number, number>> = { [KeGroup.CURVE25519]: 32, [KeGroup.CURVE448]: 56 }

/** The secret in hexadecimal, or the message of the refusal. */
function outcome(finish: () => Uint8Array): string {
  try {
    return toHex(finish())
  } catch (error) {
    return String(error)
  }
}

/** Gives the head of `seed`, and its successor when it is asked again. */
function seeded(seed: Uint8Array): RandomSource {
  let draws = 0
  return (length) => Uint8Array.from({ length }, (_, i) => seed[i % seed.length]! + draws++)
}
