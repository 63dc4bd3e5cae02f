import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes/index.ts'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { DecapStatus, EspDecapsulator, EspEncapsulator, newDecapResult } from '../../src/esp/index.ts'
import { keywordOf } from '../../src/ike/negotiation/transform-keywords.ts'
import type { XfrmStateConfig } from '../../src/xfrm/port.ts'
import { establishedPair } from './support.ts'

const providers = [nobleProvider, nodeProvider]

/** Every algorithm of IKE and ESP in one of them, beside those that the other tests use. */
const suites = [
  ['aes128ccm16-prfaesxcbc-x448', 'aes256ccm16'],
  ['aes256ccm12-prfaescmac-ecp224bp', 'aes192ccm12'],
  ['aes192ccm8-prfsha512-ecp256bp', 'aes128ccm8'],
  ['aes128gcm12-prfsha384-ecp384bp', 'aes256gcm12'],
  ['aes256gcm8-prfsha256-ecp512bp', 'aes128gcm8'],
  ['aes128ctr-aesxcbc-mlkem512', 'aes192ctr-aescmac'],
  ['aes256ctr-sha256-mlkem768', 'aes128ctr-sha384'],
  ['aes192-aescmac-mlkem1024', 'aes256-aesxcbc'],
  ['3des-sha1-x25519', '3des-sha256'],
  ['aes128gcm16-prfsha256-x25519', 'null-sha256'],
  ['aes128gcm16-prfsha256-x25519', 'aes192gmac'],
  ['aes128gcm16-prfsha256-x25519', 'aes256gcm16iiv-esn'],
  ['aes128gcm16-prfsha256-x25519', 'aes128ccm8iiv'],
  ['aes128gcm16-prfsha256-x25519', 'chacha20poly1305iiv'],
] as const

const allowWeak = ['3des', 'sha1', 'null']

/** One packet from one side's outbound state through the other side's inbound state. */
function pass(crypto: (typeof providers)[number], from: XfrmStateConfig, to: XfrmStateConfig): string {
  const out = new EspEncapsulator(crypto, from, (length) => new Uint8Array(length).fill(5))
  const inner = Uint8Array.from({ length: 61 }, (_, i) => i)
  const buffer = new Uint8Array(out.headerBytes + inner.length + out.maxTrailerBytes)
  buffer.set(inner, out.headerBytes)
  const length = out.encapsulate(buffer, out.headerBytes, inner.length, 4)
  const result = newDecapResult()
  expect(new EspDecapsulator(crypto, to).decapsulate(buffer, 0, length, result)).toBe(DecapStatus.OK)
  return toHex(buffer.subarray(result.offset, result.offset + result.length))
}

describe.each(providers)('two peers over $name', (crypto) => {
  it.each(suites)('agree on %s and %s, and their packets open', (ike, esp) => {
    const connection = (localTs: string, remoteTs: string) => ({
      proposals: [ike],
      children: [{ name: 'net', localTs: [localTs], remoteTs: [remoteTs], espProposals: [esp] }],
      allowWeak,
    })
    const { a, xfrmA, xfrmB } = establishedPair({
      a: connection('10.1.0.0/16', '10.2.0.0/16'),
      b: connection('10.2.0.0/16', '10.1.0.0/16'),
      crypto,
    })
    const [sa] = a.ike.status()
    expect([sa!.suite, sa!.children[0]!.suite]).toEqual([ike, esp])
    const stateOf = (xfrm: typeof xfrmA, direction: string) =>
      [...xfrm.states.values()].find((state) => state.direction === direction)!
    const inner = toHex(Uint8Array.from({ length: 61 }, (_, i) => i))
    expect(pass(crypto, stateOf(xfrmA, 'out'), stateOf(xfrmB, 'in'))).toBe(inner)
    expect(pass(crypto, stateOf(xfrmB, 'out'), stateOf(xfrmA, 'in'))).toBe(inner)
    const { encr } = stateOf(xfrmA, 'out')
    const keyBits = /^(3des|null|chacha)/.test(esp) ? undefined : 8 * encr.key.length
    expect(esp.split('-')[0]).toBe(keywordOf(1, encr.id, keyBits))
  })
})
