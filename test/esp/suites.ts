import fc from 'fast-check'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { Encr, Integ } from '../../src/crypto/transforms.ts'
import {
  DecapStatus,
  EspDecapsulator,
  EspEncapsulator,
  type EspSaParameters,
  newDecapResult,
} from '../../src/esp/index.ts'

export const providers = [nobleProvider, nodeProvider]

export interface Suite {
  readonly name: string
  readonly encr: number
  readonly keyBytes: number
  readonly saltBytes: number
  readonly integ?: number
  readonly integBytes?: number
}

const gcm = (bits: number): Suite => ({
  name: `AES-GCM-16 ${bits}`,
  encr: Encr.ENCR_AES_GCM_16,
  keyBytes: bits / 8,
  saltBytes: 4,
})
const cbc = (bits: number, name: string, integ: number, integBytes: number): Suite => ({
  name: `AES-CBC ${bits} + ${name}`,
  encr: Encr.ENCR_AES_CBC,
  keyBytes: bits / 8,
  saltBytes: 0,
  integ,
  integBytes,
})

const nothing = (name: string, integ: number, integBytes: number): Suite => ({
  ...{ name: `NULL + ${name}`, encr: Encr.ENCR_NULL, keyBytes: 0, saltBytes: 0, integ, integBytes },
})

export const suites: readonly Suite[] = [
  gcm(128),
  gcm(192),
  gcm(256),
  { name: 'ChaCha20-Poly1305', encr: Encr.ENCR_CHACHA20_POLY1305, keyBytes: 32, saltBytes: 4 },
  cbc(128, 'HMAC-SHA1-96', Integ.AUTH_HMAC_SHA1_96, 20),
  cbc(128, 'HMAC-SHA2-256-128', Integ.AUTH_HMAC_SHA2_256_128, 32),
  cbc(192, 'HMAC-SHA2-384-192', Integ.AUTH_HMAC_SHA2_384_192, 48),
  cbc(256, 'HMAC-SHA2-512-256', Integ.AUTH_HMAC_SHA2_512_256, 64),
  { name: 'AES-GCM-8 128', encr: Encr.ENCR_AES_GCM_8, keyBytes: 16, saltBytes: 4 },
  { name: 'AES-GCM-12 256', encr: Encr.ENCR_AES_GCM_12, keyBytes: 32, saltBytes: 4 },
  { name: 'AES-CCM-8 128', encr: Encr.ENCR_AES_CCM_8, keyBytes: 16, saltBytes: 3 },
  { name: 'AES-CCM-12 192', encr: Encr.ENCR_AES_CCM_12, keyBytes: 24, saltBytes: 3 },
  { name: 'AES-CCM-16 256', encr: Encr.ENCR_AES_CCM_16, keyBytes: 32, saltBytes: 3 },
  cbc(128, 'AES-XCBC-96', Integ.AUTH_AES_XCBC_96, 16),
  {
    ...{ name: 'AES-CTR 256 + AES-CMAC-96', encr: Encr.ENCR_AES_CTR, keyBytes: 32, saltBytes: 4 },
    ...{ integ: Integ.AUTH_AES_CMAC_96, integBytes: 16 },
  },
  {
    ...{ name: '3DES + HMAC-SHA2-256-128', encr: Encr.ENCR_3DES, keyBytes: 24, saltBytes: 0 },
    ...{ integ: Integ.AUTH_HMAC_SHA2_256_128, integBytes: 32 },
  },
  {
    ...{ name: 'AES-CTR 128 + HMAC-SHA2-256-128', encr: Encr.ENCR_AES_CTR, keyBytes: 16, saltBytes: 4 },
    ...{ integ: Integ.AUTH_HMAC_SHA2_256_128, integBytes: 32 },
  },
  nothing('HMAC-SHA2-256-128', Integ.AUTH_HMAC_SHA2_256_128, 32),
  nothing('AES-CMAC-96', Integ.AUTH_AES_CMAC_96, 16),
  { name: 'AES-GMAC 128', encr: Encr.ENCR_NULL_AUTH_AES_GMAC, keyBytes: 16, saltBytes: 4 },
  { name: 'AES-GMAC 256', encr: Encr.ENCR_NULL_AUTH_AES_GMAC, keyBytes: 32, saltBytes: 4 },
  { name: 'AES-GCM-16 128, implicit IV', encr: Encr.ENCR_AES_GCM_16_IIV, keyBytes: 16, saltBytes: 4 },
  { name: 'AES-CCM-8 256, implicit IV', encr: Encr.ENCR_AES_CCM_8_IIV, keyBytes: 32, saltBytes: 3 },
  { name: 'ChaCha20-Poly1305, implicit IV', encr: Encr.ENCR_CHACHA20_POLY1305_IIV, keyBytes: 32, saltBytes: 4 },
]

/** Every suite with every provider, with and without ESN. */
export const everySuite = suites.flatMap((suite) =>
  providers.flatMap((crypto) =>
    [false, true].map((esn) => ({ suite, crypto, esn, title: `${suite.name}, ${crypto.name}${esn ? ', ESN' : ''}` })),
  ),
)

/** Octets that look random and are the same each time. */
export function patterned(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 167 + seed * 59 + (i >>> 4) * 13) & 0xff)
}

export function parametersOf(suite: Suite, esn: boolean, replayWindow = 64): EspSaParameters {
  const encr = { id: suite.encr, key: patterned(suite.keyBytes, 1), salt: patterned(suite.saltBytes, 2) }
  const base = { spi: 0xc0ffee01, encr, esn, replayWindow }
  return suite.integ === undefined
    ? base
    : { ...base, integ: { id: suite.integ, key: patterned(suite.integBytes!, 3) } }
}

/** A random source that counts, so that IVs differ and a run repeats. */
export function countingRandom(): (length: number) => Uint8Array {
  let calls = 0
  return (length) => patterned(length, 100 + calls++)
}

/** Both ends of one SA, and the ESP packets of inner packets as arrays of their own. */
export class Pair {
  readonly out: EspEncapsulator
  readonly in: EspDecapsulator

  constructor(crypto: (typeof providers)[number], parameters: EspSaParameters, random = countingRandom()) {
    this.out = new EspEncapsulator(crypto, parameters, random)
    this.in = new EspDecapsulator(crypto, parameters)
  }

  seal(inner: Uint8Array, nextHeader = 4): Uint8Array {
    const buffer = new Uint8Array(this.out.headerBytes + inner.length + this.out.maxTrailerBytes)
    buffer.set(inner, this.out.headerBytes)
    const length = this.out.encapsulate(buffer, this.out.headerBytes, inner.length, nextHeader)
    if (length < 0) throw new Error(`encapsulate: ${length}`)
    return buffer.slice(0, length)
  }

  /** Opens a copy of `packet`; the inner packet, or the status that refused it. */
  open(packet: Uint8Array): { status: number; inner: Uint8Array; nextHeader: number } {
    const copy = packet.slice()
    const result = newDecapResult()
    const status = this.in.decapsulate(copy, 0, copy.length, result)
    const inner =
      status === DecapStatus.OK ? copy.slice(result.offset, result.offset + result.length) : new Uint8Array(0)
    return { status, inner, nextHeader: status === DecapStatus.OK ? result.nextHeader : -1 }
  }

  windowState(): { high: number; low: number; bitmap: number[] } {
    const { high, low, bitmap } = this.in.replay
    return { high, low, bitmap: [...bitmap] }
  }
}

export const uint32 = fc.nat(0xffffffff)
