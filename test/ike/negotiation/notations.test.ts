import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import { parseIdentity } from '../../../src/ike/auth/identity.ts'
import { parseProposal } from '../../../src/ike/negotiation/proposal-keywords.ts'
import { parseTrafficSelector } from '../../../src/ike/negotiation/traffic-selector.ts'

const parsers: Record<string, { readonly parse: (text: string) => unknown; readonly texts: readonly string[] }> = {
  'IKE proposals': {
    parse: (text) => parseProposal(text, 'IKE'),
    texts: ['aes128gcm16-prfsha256-ecp256', 'aes256-aes128-sha256-modp2048'],
  },
  'ESP proposals': {
    parse: (text) => parseProposal(text, 'ESP'),
    texts: ['aes256-sha256-x25519-esn-noesn', 'chacha20poly1305'],
  },
  'traffic selectors': {
    parse: parseTrafficSelector,
    texts: ['10.1.0.0/16[tcp/80-90]', 'fd00::1-fd00::ffff[icmpv6/3(4)]', '10.0.0.1[udp/opaque]'],
  },
  identities: {
    parse: parseIdentity,
    texts: ['moon.example.org', 'user@example.org', 'keyid:6d6f', '@#6d6f', '@@user', 'ipv6:fd00::1', 'type201:#00'],
  },
}

/** A value or a `UsageError`; anything else fails the test. */
function isClean(parse: (text: string) => unknown, text: string): boolean {
  try {
    return parse(text) !== undefined
  } catch (error) {
    return error instanceof UsageError
  }
}

describe.each(Object.entries(parsers))('%s', (_, { parse, texts }) => {
  it('are read as they are', () => {
    for (const text of texts) expect(parse(text)).toBeDefined()
  })

  it('cut at any place give a value or a UsageError', () => {
    for (const text of texts) {
      for (let length = 0; length < text.length; length++) expect(isClean(parse, text.slice(0, length))).toBe(true)
    }
  })

  it('changed at any place give a value or a UsageError', () => {
    const character = fc.oneof(fc.constantFrom(...'-/[]():.@#%*= 0af'), fc.string({ maxLength: 2 }))
    fc.assert(
      fc.property(fc.constantFrom(...texts), fc.nat(40), fc.nat(2), character, (text, place, cut, put) => {
        const at = place % (text.length + 1)
        expect(isClean(parse, text.slice(0, at) + put + text.slice(at + cut))).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})
