import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import { equalIdentities, formatIdentity, identityMatches, parseIdentity } from '../../../src/ike/auth/identity.ts'

const text = (identity: { data: Uint8Array }) => String.fromCharCode(...identity.data)

describe('parseIdentity', () => {
  it.each([
    ['moon.example.org', 2, 'moon.example.org'],
    ['user@example.org', 3, 'user@example.org'],
    ['@moon', 2, 'moon'],
    ['@@moon', 3, 'moon'],
    ['@10.0.0.1', 2, '10.0.0.1'],
    ['fqdn:10.0.0.1', 2, '10.0.0.1'],
    ['email:10.0.0.1', 3, '10.0.0.1'],
    ['keyid:6f6666696365', 11, 'office'],
    ['@#6f6666696365', 11, 'office'],
    ['type201:#6f6b', 201, 'ok'],
  ])('reads %s as type %i', (written, type, data) => {
    const identity = parseIdentity(written)
    expect([identity.type, text(identity)]).toEqual([type, data])
  })

  it('reads addresses as addresses', () => {
    expect(parseIdentity('10.0.0.1')).toEqual({ type: 1, data: Uint8Array.of(10, 0, 0, 1) })
    expect(parseIdentity('fd00::1')).toMatchObject({ type: 5 })
  })

  it.each([
    '',
    '%any',
    '*',
    'X=CH, O=moon',
    'keyid:abc',
    'keyid:',
    '@#',
    'two words',
    'mön',
    'ipv4:fd00::1',
    'dn:moon',
    'type300:#00',
  ])('refuses "%s"', (written) => {
    expect(() => parseIdentity(written)).toThrow(UsageError)
  })
})

describe('formatIdentity', () => {
  it('reads back as the same identity, whatever a peer sends', () => {
    const data = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 20 }),
      fc
        .string({ unit: fc.constantFrom(...'ab.:@#%*=1-dnkeyid'), minLength: 1, maxLength: 12 })
        .map((word) => Uint8Array.from(word, (character) => character.charCodeAt(0))),
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
    )
    fc.assert(
      fc.property(fc.oneof(fc.constantFrom(1, 2, 3, 5, 9, 10, 11), fc.nat(255)), data, (type, octets) => {
        const written = formatIdentity({ type, data: octets })
        expect(parseIdentity(written)).toEqual({ type, data: octets })
        expect(written).toMatch(/^[\x21-\x7e]+$/)
      }),
      { numRuns: 2000 },
    )
  })

  it('shows plain names plainly', () => {
    for (const written of ['moon.example.org', 'user@example.org', '10.0.0.1', 'fd00::1', '*.example.org']) {
      expect(formatIdentity(parseIdentity(written))).toBe(written)
    }
  })
})

describe('identityMatches', () => {
  it.each([
    ['moon.example.org', 'MOON.example.ORG', true],
    ['moon.example.org', 'sun.example.org', false],
    ['moon', '@@moon', false],
    ['user@example.org', 'User@Example.org', true],
    ['*@example.org', 'user@example.org', true],
    ['*@example.org', '@example.org', false],
    ['*@example.org', 'user@example.com', false],
    ['*.example.org', 'a.b.Example.org', true],
    ['*.example.org', 'example.org', false],
    ['*.example.org', '@@user.example.org', false],
    ['moon.example.org', '*.example.org', false],
    ['10.0.0.1', '10.0.0.1', true],
    ['10.0.0.1', '@10.0.0.1', false],
    ['keyid:6162', 'keyid:4142', false],
  ])('configured %s, received %s: %s', (configured, received, expected) => {
    const peer = received.startsWith('@example')
      ? { type: 3, data: new TextEncoder().encode(received) }
      : parseIdentity(received)
    expect(identityMatches(parseIdentity(configured), peer)).toBe(expected)
  })

  it('takes any identity when none is configured', () => {
    expect(identityMatches(undefined, parseIdentity('moon'))).toBe(true)
  })

  it('compares our own with wildcards literally', () => {
    expect(equalIdentities(parseIdentity('*.example.org'), parseIdentity('a.example.org'))).toBe(false)
  })
})
