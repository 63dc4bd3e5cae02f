import { describe, expect, it } from 'vitest'
import { concat, fromHex, readU32, toHex } from '../../src/bytes/index.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import { Encr, encrInfo, Integ } from '../../src/crypto/transforms.ts'
import {
  createEspCipher,
  DecapStatus,
  EspDecapsulator,
  EspEncapsulator,
  type EspSaParameters,
  newDecapResult,
} from '../../src/esp/index.ts'
import { loadVectors, sharedVectors } from '../support/vectors.ts'
import { patterned, providers } from './suites.ts'

/** `seqHex` is 64 bits with ESN; other files have `seq`. `plaintext` includes the trailer. */
interface EspPacketCase {
  readonly id: string
  readonly key: string
  readonly salt?: string
  readonly spi: string
  readonly seq?: number
  readonly seqHex?: string
  readonly esn?: boolean
  readonly plaintext: string
  readonly padLength: number
  readonly nextHeader: number
  readonly espPacket: string
}

interface EspKeysCase {
  readonly id: string
  readonly enc: string
  readonly encKey: string
  readonly spi: string
  readonly seq: number
  readonly icvLength?: number
  readonly inner: string
  readonly nextHeader: number
  readonly espPacket: string
}

const integrity = { id: Integ.AUTH_HMAC_SHA2_256_128, key: patterned(32, 9) }

/** Opens `packet` as the next one of an SA that stands just before `sequence`. */
function open(crypto: CryptoProvider, parameters: EspSaParameters, packet: Uint8Array, low: number, high: number) {
  const decapsulator = new EspDecapsulator(crypto, parameters)
  decapsulator.replay.low = Math.max(0, low - 1)
  decapsulator.replay.high = high
  const copy = packet.slice()
  const result = newDecapResult()
  const status = decapsulator.decapsulate(copy, 0, copy.length, result)
  return { status, inner: toHex(copy.subarray(result.offset, result.offset + result.length)), next: result.nextHeader }
}

describe.each(providers)('AEAD packets, $name', (crypto) => {
  const files = [
    { file: 'rfc/draft-mcgrew-gcm-esp.json', encr: Encr.ENCR_AES_GCM_16, count: 14 },
    { file: 'rfc/rfc7634-esp.json', encr: Encr.ENCR_CHACHA20_POLY1305, count: 1 },
  ]
  it.each(files)('of $file open and seal to the same octets', ({ file, encr, count }) => {
    const { cases } = loadVectors<EspPacketCase>(file)
    expect(cases.length).toBe(count)
    for (const vector of cases) {
      const packet = fromHex(vector.espPacket)
      const text = fromHex(vector.plaintext)
      const esn = vector.esn === true
      const high = esn ? readU32(fromHex(vector.seqHex!), 0) : 0
      const key = { id: encr, key: fromHex(vector.key), salt: fromHex(vector.salt!) }
      const parameters = { spi: readU32(packet, 0) || 1, encr: key, esn, replayWindow: 64 }

      const sealed = concat(packet.subarray(0, 16), text, new Uint8Array(16))
      createEspCipher(crypto, parameters).seal(sealed, 0, text.length, high)
      expect(toHex(sealed), vector.id).toBe(vector.espPacket)

      expect(open(crypto, parameters, packet, readU32(packet, 4), high), vector.id).toEqual({
        status: DecapStatus.OK,
        inner: toHex(text.subarray(0, text.length - 2 - vector.padLength)),
        next: vector.nextHeader,
      })
    }
  })
})

/**
 * The published CBC packets carry no ICV, or one whose key is not known. So the ICV is ours, and everything in front of it
 * theirs: this seals the inner packet with their IV, compares, then opens the result.
 */
function cbcBothWays(
  crypto: CryptoProvider,
  id: number,
  key: string,
  withoutIcv: Uint8Array,
  inner: string,
  nextHeader: number,
) {
  const parameters = {
    spi: readU32(withoutIcv, 0),
    encr: { id, key: fromHex(key), salt: new Uint8Array(0) },
    integ: integrity,
    esn: false,
    replayWindow: 64,
  }
  const iv = withoutIcv.subarray(8, 8 + encrInfo(id)!.ivBytes)
  const low = readU32(withoutIcv, 4)
  const out = new EspEncapsulator(crypto, parameters, () => iv)
  out.startAfter(low - 1, 0)
  const buffer = new Uint8Array(out.headerBytes + inner.length / 2 + out.maxTrailerBytes)
  buffer.set(fromHex(inner), out.headerBytes)
  const length = out.encapsulate(buffer, out.headerBytes, inner.length / 2, nextHeader)
  const sealed = buffer.subarray(0, length)
  expect(toHex(sealed.subarray(0, length - 16))).toBe(toHex(withoutIcv))
  expect(open(crypto, parameters, sealed, low, 0)).toEqual({ status: DecapStatus.OK, inner, next: nextHeader })
}

describe.each(providers)('AES-CBC packets, $name', (crypto) => {
  it('of RFC 3602 §4 are sealed and opened', () => {
    const { cases } = loadVectors<EspPacketCase>('rfc/rfc3602-esp.json')
    expect(cases.length).toBe(4)
    for (const vector of cases) {
      const inner = vector.plaintext.slice(0, -2 * (vector.padLength + 2))
      cbcBothWays(crypto, Encr.ENCR_AES_CBC, vector.key, fromHex(vector.espPacket), inner, vector.nextHeader)
    }
  })
})

const published = sharedVectors<{ readonly cases: readonly EspKeysCase[] }>('packets/esp-with-keys.json')

describe.skipIf(published === undefined).each(providers)('packets of Linux and OpenBSD, $name', (crypto) => {
  it.each([
    ['AES-CBC', Encr.ENCR_AES_CBC, 5],
    ['3DES-CBC', Encr.ENCR_3DES, 9],
  ])('of %s are sealed and opened', (enc, id, count) => {
    const cases = published!.cases.filter((vector) => vector.enc === enc)
    expect(cases.length).toBe(count)
    for (const vector of cases) {
      const packet = fromHex(vector.espPacket)
      const withoutIcv = packet.subarray(0, packet.length - (vector.icvLength ?? 0))
      cbcBothWays(crypto, id, vector.encKey, withoutIcv, vector.inner, vector.nextHeader)
    }
  })

  it('of AES-GCM are opened', () => {
    const cases = published!.cases.filter((vector) => vector.enc === 'AES-GCM-16')
    expect(cases.length).toBe(1)
    for (const vector of cases) {
      const keymat = fromHex(vector.encKey)
      const saltBytes = encrInfo(Encr.ENCR_AES_GCM_16)!.saltBytes
      const encr = {
        id: Encr.ENCR_AES_GCM_16,
        key: keymat.slice(0, -saltBytes),
        salt: keymat.slice(-saltBytes),
      }
      const parameters = { spi: Number.parseInt(vector.spi, 16), encr, esn: false, replayWindow: 64 }
      expect(open(crypto, parameters, fromHex(vector.espPacket), vector.seq, 0)).toEqual({
        status: DecapStatus.OK,
        inner: vector.inner,
        next: vector.nextHeader,
      })
    }
  })
})
