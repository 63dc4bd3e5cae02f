import { spawnSync } from 'node:child_process'
import { createHmac, pbkdf2Sync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { concat, Reader, toHex } from '../../src/bytes/index.ts'
import { contextTag, DerTag, derElement, derInteger, derOid } from '../../src/crypto/der.ts'
import { DerReader } from '../../src/crypto/der-reader.ts'
import { ConfigError, DecodeError } from '../../src/errors.ts'
import { derOfBer } from '../../src/pki/ber.ts'
import { readPkcs12 } from '../../src/pki/pkcs12.ts'
import { encodePkcs12 } from '../../src/pki/pkcs12-file.ts'
import { signingKey } from '../support/signing-keys.ts'
import { keyFiles } from './key-files.ts'

const source = (passphrase?: string) => ({ setting: 'local.auth.pkcs12', file: 'carol.p12', passphrase })
const modern = keyFiles.containers.find(({ name }) => name === 'modern')!

describe('a PKCS #12 file', () => {
  it.each(keyFiles.containers)('$name, $options', ({ file, passphrase }) => {
    const { privateKey, certificates } = readPkcs12(file, source(passphrase))
    expect(toHex(privateKey.pkcs8)).toBe(toHex(keyFiles.pkcs8))
    expect(certificates).toEqual(keyFiles.certificates)
    expect(() => readPkcs12(file, source('wrong'))).toThrow(/the passphrase is not that of/)
    expect(() => readPkcs12(file, source())).toThrow(/is encrypted, and no passphrase is given/)
  })

  it('may be streamed, with indefinite lengths and OCTET STRINGs in pieces', () => {
    const streamed = streamOf(modern.file)
    expect(streamed.length).toBeGreaterThan(modern.file.length)
    expect(readPkcs12(streamed, source('sesame')).certificates).toEqual(keyFiles.certificates)
  })

  it('may have PBMAC1 (RFC 9579)', () => {
    const file = withPbmac1(modern.file, 'sesame')
    expect(readPkcs12(file, source('sesame')).certificates).toEqual(keyFiles.certificates)
    expect(() => readPkcs12(file, source('wrong'))).toThrow(/the passphrase is not that of/)
  })

  it('that we made is read again, with its certificates in order', () => {
    const opened = readPkcs12(modern.file, source('sesame'))
    const contents = { ...opened, friendlyName: 'carol' }
    expect(readPkcs12(encodePkcs12(contents, 'grün'), source('grün'))).toEqual(opened)
    const alone = { privateKey: signingKey('ed448'), certificates: [], friendlyName: '' }
    expect(readPkcs12(encodePkcs12(alone, 'x'), source('x'))).toEqual({
      privateKey: alone.privateKey,
      certificates: [],
    })
  })

  it.each([
    { file: keyFiles.pkcs8, says: 'not a PKCS #12 file that can be read' },
    { file: new Uint8Array(0), says: 'not a PKCS #12 file that can be read' },
    { file: keyFiles.certificates[0]!, says: 'not a PKCS #12 file that can be read' },
  ])('is refused when it is another file', ({ file, says }) => {
    expect(() => readPkcs12(file, source('sesame'))).toThrow(says)
  })

  it('cut off or damaged is refused with a ConfigError that has nothing of the passphrase', () => {
    const { file } = modern
    const attempt = (contents: Uint8Array) => {
      const error = thrownBy(() => readPkcs12(contents, source('sesame')))
      expect(error === undefined || (error instanceof ConfigError && !error.message.includes('sesame'))).toBe(true)
      return error === undefined ? 0 : 1
    }
    let refused = 0
    for (let i = 0; i < file.length; i += 43) {
      refused += attempt(file.subarray(0, i))
      refused += attempt(file.map((octet, at) => (at === i ? octet ^ 0x55 : octet)))
    }
    expect(refused).toBeGreaterThan((2 * file.length) / 43 - 5)
  })
})

describe('BER', () => {
  const read = (...octets: number[]) => toHex(derOfBer(new Reader(Uint8Array.from(octets), 'BER', 'X.690')))

  it('becomes DER', () => {
    expect(read(0x30, 0x80, 2, 1, 5, 0, 0)).toBe('3003020105')
    expect(read(0x30, 0x81, 3, 2, 1, 5)).toBe('3003020105')
    expect(read(0x24, 0x80, 4, 1, 1, 0x24, 0x80, 4, 1, 2, 0, 0, 0, 0)).toBe('04020102')
  })

  it.each([
    ['an indefinite length of what is not constructed', [4, 0x80, 0, 0]],
    ['an OCTET STRING of something else', [0x24, 3, 2, 1, 5]],
    ['no end', [0x30, 0x80, 2, 1, 5]],
    ['an end that is not one', [0x30, 0x80, 0, 1]],
    ['a length beyond the end', [0x30, 4, 2, 1, 5]],
    ['a long tag', [0x3f, 0x81, 0, 0]],
    ['too deep', Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 0x30 : 0x80))],
  ] as const)('is refused with %s', (_, octets) => {
    expect(() => read(...octets)).toThrow(DecodeError)
  })
})

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

describe.skipIf(!hasOpenssl)('with the command openssl', () => {
  it('what we made is opened', () => {
    const contents = { ...readPkcs12(modern.file, source('sesame')), friendlyName: 'carol of the office' }
    const args = ['pkcs12', '-passin', 'pass:grün', '-nodes']
    const opened = spawnSync('openssl', args, { input: encodePkcs12(contents, 'grün') })
    expect(opened.status, String(opened.stderr)).toBe(0)
    const text = String(opened.stdout)
    expect(text.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
    expect(text).toContain('friendlyName: carol of the office')
    expect(text).toContain(Buffer.from(keyFiles.pkcs8).toString('base64').slice(0, 64))
  })
})

/** The same with another MacData: PBKDF2 with HMAC-SHA-512, then HMAC-SHA-256. */
function withPbmac1(pfx: Uint8Array, passphrase: string): Uint8Array {
  const whole = new DerReader(pfx, 'PFX', 'RFC 7292').sequence('PFX')
  const [version, authSafe] = [whole.any('version'), whole.any('authSafe')]
  const info = new DerReader(authSafe, 'PFX', 'RFC 7292').sequence('authSafe')
  info.oid('contentType')
  const content = info.nested(contextTag(0), 'content').element(DerTag.OCTET_STRING, 'content')
  const sequence = (...parts: Uint8Array[]) => derElement(DerTag.SEQUENCE, ...parts)
  const octets = (value: Uint8Array) => derElement(DerTag.OCTET_STRING, value)
  const [salt, oneThousand] = [Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), derInteger(Uint8Array.of(3, 232))]
  const prf = sequence(derOid('1.2.840.113549.2.11'), Uint8Array.of(DerTag.NULL, 0))
  const kdf = sequence(octets(salt), oneThousand, derInteger(Uint8Array.of(32)), prf)
  const parameters = sequence(
    sequence(derOid('1.2.840.113549.1.5.12'), kdf),
    sequence(derOid('1.2.840.113549.2.9'), Uint8Array.of(DerTag.NULL, 0)),
  )
  const key = pbkdf2Sync(passphrase, salt, 1000, 32, 'sha512')
  const mac = octets(createHmac('sha256', key).update(content).digest())
  const algorithm = sequence(derOid('1.2.840.113549.1.5.14'), parameters)
  return sequence(version, authSafe, sequence(sequence(algorithm, mac), octets(salt), oneThousand))
}

/** The same in BER: each constructed element with an indefinite length, each long OCTET STRING in pieces of ten octets. */
function streamOf(der: Uint8Array): Uint8Array {
  const reader = new Reader(der, 'DER', 'X.690')
  const parts: Uint8Array[] = []
  while (reader.remaining > 0) {
    const tag = reader.u8('tag')
    const first = reader.u8('length')
    const length = first < 0x80 ? first : first === 0x81 ? reader.u8('length') : reader.u16('length')
    const contents = reader.take(length, 'contents')
    if ((tag & 0x20) !== 0) parts.push(Uint8Array.of(tag, 0x80), streamOf(contents), Uint8Array.of(0, 0))
    else if (tag === 4 || tag === 0x80)
      parts.push(Uint8Array.of(0x20 | tag, 0x80), ...pieces(contents), Uint8Array.of(0, 0))
    else
      parts.push(der.subarray(reader.position - length - (first < 0x80 ? 2 : first === 0x81 ? 3 : 4), reader.position))
  }
  return concat(...parts)
}

function pieces(octets: Uint8Array): Uint8Array[] {
  const cut = Array.from({ length: Math.ceil(octets.length / 10) }, (_, i) => octets.subarray(10 * i, 10 * i + 10))
  return cut.map((piece) => Uint8Array.of(4, piece.length, ...piece))
}

function thrownBy(act: () => unknown): unknown {
  try {
    act()
    return undefined
  } catch (error) {
    return error
  }
}
