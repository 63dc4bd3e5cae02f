import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { fromHex, toHex } from '../../../src/bytes/index.ts'
import { DecodeError, UsageError } from '../../../src/errors.ts'
import { equalIdentities, formatIdentity, identityMatches, parseIdentity } from '../../../src/ike/auth/identity.ts'
import {
  decodeName,
  encodeName,
  equalNames,
  isUnderName,
  textAttribute,
} from '../../../src/ike/codec/distinguished-name.ts'
import { formatName, parseName } from '../../../src/ike/codec/distinguished-name-text.ts'

/** What `openssl req -subj /C=CH/O=strongSwan/CN=moon` writes (PrintableString for C, UTF8String for the rest). */
const moon = fromHex(
  '3031310b3009060355040613024348311330110603550 40a0c0a7374726f6e675377616e310d300b06035504030c046d6f6f6e'.replaceAll(
    ' ',
    '',
  ),
)

describe('a distinguished name', () => {
  it('reads as keywords in the order of its encoding', () => {
    expect(formatName(decodeName(moon))).toBe('C=CH, O=strongSwan, CN=moon')
  })

  it('is the same name whatever kind of string its values are', () => {
    const written = parseName('c=CH,o=strongSwan , CN=moon')
    expect(toHex(encodeName(written))).not.toBe(toHex(moon))
    expect(equalNames(written, decodeName(moon))).toBe(true)
  })

  test.each([
    ['CN=moon', 'CN=MOON', true],
    ['CN=J. Smith', 'CN= J.  smith ', true],
    ['CN=Ünïcode', 'CN=ünÏcode', true],
    ['CN=moon', 'CN=sun', false],
    ['CN=moon', 'OU=moon', false],
    ['C=CH, CN=moon', 'CN=moon, C=CH', false],
    ['CN=moon', 'C=CH, CN=moon', false],
    ['OU=Sales+CN=moon', 'CN=moon+OU=sales', true],
    ['CN=a+CN=a', 'CN=a+CN=b', false],
    ['CN=#0500', 'CN=#0500', true],
    ['CN=#0500', 'CN=#040100', false],
  ])('%s and %s are equal: %s', (one, other, equal) => {
    expect(equalNames(parseName(one), parseName(other))).toBe(equal)
  })

  test.each([
    ['CN=Sue\\, Grabbit and Runn', 'CN=Sue\\, Grabbit and Runn'],
    ['CN="Sue, Grabbit"', 'CN=Sue\\, Grabbit'],
    ['CN=Before\\0dAfter', 'CN=Before\\0dAfter'],
    ['CN=Lu\\C4\\8Di\\C4\\87', 'CN=Lučić'],
    ['CN=\\#1', 'CN=\\231'],
    ['CN=\\20x\\20', 'CN=\\20x\\20'],
    ['1.3.6.1.4.1.99=#0c0178', '1.3.6.1.4.1.99=#0c0178'],
    ['OID.2.5.4.3=x', 'CN=x'],
    ['2.25.329800735698586629295641978511506172918=x', '2.25.329800735698586629295641978511506172918=#130178'],
    ['emailAddress=a@b.example, DC=example', 'E=a@b.example, DC=example'],
    ['CN=', 'CN='],
  ])('%s is read and written as %s', (written, formatted) => {
    expect(formatName(parseName(written))).toBe(formatted)
    expect(formatName(decodeName(encodeName(parseName(formatted))))).toBe(formatted)
  })

  test.each(['', 'moon', 'X=1', 'CN=a,', 'CN=\\', 'CN=#0c', 'CN=#0c0278', 'CN=\\ff', '3.1=#0500', '1.40=x'])(
    'refuses the text "%s"',
    (text) => {
      expect(() => parseName(text)).toThrow(UsageError)
    },
  )

  it('stands under a name that it begins with', () => {
    const base = parseName('C=CH, O=strongSwan')
    expect(isUnderName(parseName('C=ch, O=STRONGSWAN, CN=moon'), base)).toBe(true)
    expect(isUnderName(parseName('C=CH'), base)).toBe(false)
    expect(isUnderName(parseName('C=CH, O=other, CN=moon'), base)).toBe(false)
  })

  it('of any text comes back from DER and from its own notation', () => {
    const attribute = fc
      .tuple(
        fc.constantFrom('550403', '55040a', '0992268993f22c640119', '2a864886f70d010901'),
        fc.string({ unit: 'grapheme' }),
      )
      .map(([type, text]) => textAttribute(type, text))
    fc.assert(
      fc.property(
        fc.array(fc.array(attribute, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 }),
        (name) => {
          const again = decodeName(encodeName(name))
          expect(equalNames(again, name)).toBe(true)
          const text = formatName(again)
          expect(text).not.toMatch(/[\n\r\0]/)
          expect(equalNames(parseName(text), name)).toBe(true)
          expect(formatName(parseName(text))).toBe(text)
        },
      ),
    )
  })

  it('gives a value or a DecodeError for every prefix and every changed octet', () => {
    for (let length = 0; length < moon.length; length++)
      expect(() => decodeName(moon.subarray(0, length))).toThrow(DecodeError)
    for (let at = 0; at < moon.length; at++) {
      for (const octet of [0, 0x7f, 0x80, 0xff, moon[at]! ^ 1]) {
        try {
          const text = formatName(decodeName(moon.with(at, octet)))
          expect(formatName(text === '' ? [] : parseName(text))).toBe(text)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }
    }
  })
})

describe('an identity that is a distinguished name', () => {
  it('is written as text', () => {
    expect(formatIdentity({ type: 9, data: moon })).toBe('C=CH, O=strongSwan, CN=moon')
    expect(equalIdentities(parseIdentity('C=CH, O=strongSwan, CN=moon'), { type: 9, data: moon })).toBe(true)
    expect(equalIdentities(parseIdentity('dn:C=CH,O=strongSwan,CN=moon'), { type: 9, data: moon })).toBe(true)
  })

  it('can have any value for an attribute that is expected of a peer', () => {
    const peer = { type: 9, data: moon }
    expect(identityMatches(parseIdentity('C=CH, O=strongSwan, CN=*'), peer)).toBe(true)
    expect(identityMatches(parseIdentity('C=CH, O=other, CN=*'), peer)).toBe(false)
    expect(identityMatches(parseIdentity('C=CH, CN=*'), peer)).toBe(false)
    expect(identityMatches(peer, parseIdentity('C=CH, O=strongSwan, CN=*'))).toBe(false)
  })

  test.each(['dn:#3000', 'dn:#01', 'dn:#300131'])('that cannot be read stays %s', (text) => {
    expect(formatIdentity(parseIdentity(text))).toBe(text)
  })
})
