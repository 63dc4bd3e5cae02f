import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex } from '../../../src/bytes/index.ts'
import { nobleProvider } from '../../../src/crypto/noble.ts'
import { nodeProvider } from '../../../src/crypto/node.ts'
import type { CryptoProvider, RandomSource } from '../../../src/crypto/provider.ts'
import { Encr, encrInfo, Integ, integInfo } from '../../../src/crypto/transforms.ts'
import { DecodeError, UsageError } from '../../../src/errors.ts'
import { decodeMessage, ExchangeType, type OutgoingHeader, type Payload } from '../../../src/ike/codec/index.ts'
import { MessageProtector, type OpenedMessage } from '../../../src/ike/message/message-crypto.ts'
import { innerPayloads } from '../codec/arbitrary.ts'

const header: OutgoingHeader = {
  SPIi: fromHex('0102030405060708'),
  SPIr: fromHex('1112131415161718'),
  majorVersion: 2,
  minorVersion: 0,
  exchangeType: ExchangeType.INFORMATIONAL,
  flags: { initiator: true, response: false, higherVersion: false },
  messageId: 3,
}
const suites = [
  { name: 'AES-GCM-128', encr: Encr.ENCR_AES_GCM_16, keyBits: 128, integ: 0 },
  { name: 'AES-GCM-256', encr: Encr.ENCR_AES_GCM_16, keyBits: 256, integ: 0 },
  { name: 'ChaCha20-Poly1305', encr: Encr.ENCR_CHACHA20_POLY1305, keyBits: 256, integ: 0 },
  { name: 'AES-CBC-128 SHA2-256', encr: Encr.ENCR_AES_CBC, keyBits: 128, integ: Integ.AUTH_HMAC_SHA2_256_128 },
  { name: 'AES-CBC-256 SHA2-512', encr: Encr.ENCR_AES_CBC, keyBits: 256, integ: Integ.AUTH_HMAC_SHA2_512_256 },
]
const cases = [nobleProvider, nodeProvider].flatMap((provider) =>
  suites.map((suite) => ({ ...suite, provider, label: `${suite.name} over ${provider.name}` })),
)

/** A counter spread over the octets: predictable, and never the same twice. */
function countingRandom(): RandomSource {
  let calls = 0
  return (length) => {
    calls++
    return Uint8Array.from({ length }, (_, i) => (calls * 31 + i * 7) & 0xff)
  }
}

function protector(suite: (typeof suites)[number], crypto: CryptoProvider, keyByte = 0x42): MessageProtector {
  const SK_e = new Uint8Array(suite.keyBits / 8 + encrInfo(suite.encr)!.saltBytes).fill(keyByte)
  const SK_a = new Uint8Array(suite.integ === 0 ? 0 : integInfo(suite.integ)!.keyBytes).fill(keyByte)
  return new MessageProtector(crypto, suite, SK_e, SK_a, countingRandom())
}

function opened(result: ReturnType<MessageProtector['open']>): OpenedMessage {
  if (!result.ok) throw new Error('the ICV is wrong')
  return result
}

const vendor: Payload = { kind: 'V', critical: false, data: fromHex('6162636465666768696a6b6c6d6e6f707172') }
const ivOf = (message: Uint8Array, ivBytes: number): string => toHex(message.subarray(32, 32 + ivBytes))

describe.each(cases)('$label', (suite) => {
  it('opens what it protected', () => {
    const one = protector(suite, suite.provider)
    const other = protector(suite, suite.provider)
    fc.assert(
      fc.property(innerPayloads, (payloads) => {
        const message = one.protect(header, payloads)
        expect(decodeMessage(message).header).toMatchObject({ ...header, nextPayload: 46, length: message.length })
        expect(opened(other.open(message)).payloads).toEqual(payloads)
      }),
      { numRuns: 25 },
    )
  })

  it('refuses every change of one octet and every prefix, and leaves the message alone', () => {
    const one = protector(suite, suite.provider)
    const message = one.protect(header, [vendor])
    const before = message.slice()
    for (let at = 0; at < message.length; at++) {
      const changed = message.slice()
      changed[at]! ^= 1 << (at % 8)
      expect(one.open(changed)).toEqual({ ok: false, reason: 'bad-integrity' })
      expect(one.open(message.subarray(0, at)).ok).toBe(false)
    }
    opened(one.open(message))
    expect(message).toEqual(before)
  })

  it('refuses another key, and a body that has no room for IV, text and ICV', () => {
    const message = protector(suite, suite.provider).protect(header, [])
    expect(protector(suite, suite.provider, 0x43).open(message).ok).toBe(false)
    for (let length = 32; length < message.length; length++) {
      const short = message.slice(0, length)
      short[27] = length
      short[31] = length - 28
      expect(protector(suite, suite.provider).open(short).ok).toBe(false)
    }
  })

  it('never uses an IV twice', () => {
    const one = protector(suite, suite.provider)
    const ivs = Array.from({ length: 50 }, () => ivOf(one.protect(header, []), one.suite.encr.ivBytes))
    expect(new Set(ivs).size).toBe(50)
  })

  it('gives octets that outlive the message', () => {
    const one = protector(suite, suite.provider)
    const message = one.protect(header, [vendor])
    const { payloads } = opened(one.open(message))
    message.fill(0)
    expect(payloads).toEqual([vendor])
  })

  it('tells a malformed inside, which was authenticated, from a wrong ICV', () => {
    const one = protector(suite, suite.provider)
    const message = one.protectRaw(header, 43, fromHex('00000003'))
    expect(() => one.open(message)).toThrow(
      expect.objectContaining({ name: 'DecodeError', offset: 28 + 4 + one.suite.encr.ivBytes + 4 }),
    )
  })

  it('takes a given IV and padding, and refuses ones that cannot be', () => {
    const one = protector(suite, suite.provider)
    const { blockBytes, ivBytes } = one.suite.encr
    const iv = new Uint8Array(ivBytes).fill(9)
    const message = one.protectRaw(header, 0, new Uint8Array(0), {
      iv,
      padding: new Uint8Array(2 * blockBytes - 1).fill(7),
    })
    expect(ivOf(message, ivBytes)).toBe(toHex(iv))
    expect(opened(one.open(message)).padding).toEqual(new Uint8Array(2 * blockBytes - 1).fill(7))
    expect(() => one.protectRaw(header, 0, new Uint8Array(0), { iv: new Uint8Array(3) })).toThrow(UsageError)
    expect(() => one.protectRaw(header, 0, new Uint8Array(0), { padding: new Uint8Array(256) })).toThrow(UsageError)
  })

  it('refuses SK and SKF in each other’s place', () => {
    const one = protector(suite, suite.provider)
    expect(one.openFragment(one.protect(header, [vendor])).ok).toBe(false)
  })
})

describe('MessageProtector', () => {
  it('numbers the IVs of an AEAD, whatever the random source says', () => {
    const one = protector(suites[0]!, nodeProvider)
    const ivs = Array.from({ length: 3 }, () => ivOf(one.protect(header, []), 8))
    expect(ivs).toEqual(['0000000000000001', '0000000000000002', '0000000000000003'])
  })

  it('pads CBC to whole blocks and no further, AEADs not at all', () => {
    for (const suite of suites) {
      const one = protector(suite, nodeProvider)
      for (let length = 0; length < 33; length++) {
        const inner = new Uint8Array(4 + length)
        inner[3] = inner.length
        const { padding, plaintext } = opened(one.open(one.protectRaw(header, 43, inner)))
        expect(plaintext).toEqual(inner)
        expect(padding).toHaveLength(suite.integ === 0 ? 0 : (16 - ((inner.length + 1) % 16)) % 16)
      }
    }
  })

  it('refuses a pad length that is longer than what was encrypted', () => {
    const cbc = suites[3]!
    const one = protector(cbc, nodeProvider)
    const SK_e = new Uint8Array(16).fill(0x42)
    // The last octet of the only block becomes the pad length 0x7f: encrypted and authenticated by hand.
    const message = one.protectRaw(header, 0, new Uint8Array(0), { iv: new Uint8Array(16) })
    const block = new Uint8Array(16).fill(0x7f)
    nodeProvider.cipher(Encr.ENCR_AES_CBC, SK_e).encrypt(new Uint8Array(16), block, 0, 16)
    message.set(block, 48)
    nodeProvider.mac(cbc.integ, new Uint8Array(32).fill(0x42)).compute(message, 0, 64, message, 64)
    expect(() => one.open(message)).toThrow(DecodeError)
  })

  it('opens a message with an unprotected payload before SK, which the ICV covers too', () => {
    const one = protector(suites[4]!, nodeProvider)
    const plain = one.protect(header, [vendor])
    const extra = fromHex('2e000005aa')
    const message = concat(plain.subarray(0, 28), extra, plain.subarray(28))
    message[16] = 43
    message[27]! += extra.length
    const icvAt = message.length - 32
    nodeProvider
      .mac(Integ.AUTH_HMAC_SHA2_512_256, new Uint8Array(64).fill(0x42))
      .compute(message, 0, icvAt, message, icvAt)
    expect(opened(one.open(message)).payloads).toEqual([vendor])
    message[32]! ^= 1
    expect(one.open(message).ok).toBe(false)
  })

  it.each([
    ['an unknown cipher', { encr: 99, integ: 0 }, 20, 0],
    ['an AEAD with an integrity transform', { encr: Encr.ENCR_AES_GCM_16, integ: 12 }, 20, 32],
    ['CBC without one', { encr: Encr.ENCR_AES_CBC, integ: 0 }, 16, 0],
    ['an SK_e without the salt', { encr: Encr.ENCR_AES_GCM_16, integ: 0 }, 16, 0],
    ['a short SK_a', { encr: Encr.ENCR_AES_CBC, integ: 12 }, 16, 16],
  ])('refuses %s', (_name, suite, skeBytes, skaBytes) => {
    const make = () =>
      new MessageProtector(nodeProvider, suite, new Uint8Array(skeBytes), new Uint8Array(skaBytes), countingRandom())
    expect(make).toThrow(UsageError)
  })

  it('refuses an inside that does not fit 16 bits', () => {
    const one = protector(suites[0]!, nodeProvider)
    expect(() => one.protectRaw(header, 0, new Uint8Array(65_536))).toThrow(UsageError)
  })
})
