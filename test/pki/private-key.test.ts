import { spawnSync } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync, type KeyExportOptions, type KeyObject } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes/index.ts'
import { ConfigError } from '../../src/errors.ts'
import { encodePem } from '../../src/pki/pem.ts'
import { encodePrivateKey, encryptPrivateKey, readPrivateKey } from '../../src/pki/private-key.ts'
import { readCertificates, readPublicKey } from '../../src/pki/public-files.ts'
import { fromKeyObject, type KeyName, signingKey } from '../support/signing-keys.ts'
import { keyFiles } from './key-files.ts'

const names: readonly KeyName[] = ['rsa2048', 'pss2048', 'P-256', 'brainpoolP256r1', 'ed25519', 'ed448']
const passphrase = 'correct horse'
const text = (content: string | Buffer): Uint8Array => Uint8Array.from(Buffer.from(content))
const source = (secret?: string) => ({ setting: 'local.auth.key', file: 'office.pem', passphrase: secret })

describe('a private key of a file', () => {
  it.each(names)('%s: PKCS #8 in PEM and DER, encrypted or not', (name) => {
    const key = signingKey(name)
    const object = keyObject(name)
    const files: [Uint8Array, string?][] = [
      [key.pkcs8],
      [text(object.export({ format: 'pem', type: 'pkcs8' }))],
      [text(object.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase })), passphrase],
      [text(object.export({ format: 'der', type: 'pkcs8', cipher: 'aes-128-cbc', passphrase })), passphrase],
      [text(encodePrivateKey(key))],
      [text(encodePrivateKey(key, passphrase)), passphrase],
    ]
    for (const [contents, secret] of files) expect(readPrivateKey(contents, source(secret))).toEqual(key)
  })

  it.each([
    { name: 'rsa2048', type: 'pkcs1' },
    { name: 'P-384', type: 'sec1' },
  ] as const)('$name: $type in PEM and DER, and as Proc-Type: 4,ENCRYPTED', ({ name, type }) => {
    const key = signingKey(name)
    const object = keyObject(name)
    // Node's types have PKCS #1 for RSA alone and SEC 1 for EC alone, and two signatures by format.
    const exported = (options: object) => text(object.export({ type, ...options } as KeyExportOptions<'pem'>))
    expect(readPrivateKey(exported({ format: 'pem' }), source())).toEqual(key)
    expect(readPrivateKey(exported({ format: 'der' }), source())).toEqual(key)
    for (const cipher of ['aes-128-cbc', 'aes-192-cbc', 'aes-256-cbc', 'des-ede3-cbc']) {
      const contents = exported({ format: 'pem', cipher, passphrase })
      expect(readPrivateKey(contents, source(passphrase)), cipher).toEqual(key)
      expect(problem(() => readPrivateKey(contents, source('wrong')))).toMatch(
        /passphrase is not that of the private key/,
      )
      expect(problem(() => readPrivateKey(contents, source()))).toMatch(/is encrypted, and no passphrase is given/)
    }
  })

  it.each(keyFiles.keys)('by $options', ({ file, passphrase: secret }) => {
    expect(toHex(readPrivateKey(file, source(secret)).pkcs8)).toBe(toHex(keyFiles.pkcs8))
    expect(problem(() => readPrivateKey(file, source('wrong')))).toMatch(/passphrase is not that of the private key/)
  })

  it('is found beside certificates and parameters, whatever stands around it', () => {
    const [certificate] = keyFiles.certificates
    const file = `Bag Attributes: 1\r\n${encodePem('CERTIFICATE', certificate!)}${encodePem('EC PARAMETERS', text('x'))}\n${encodePem('PRIVATE KEY', keyFiles.pkcs8)}`
    expect(toHex(readPrivateKey(text(file.replaceAll('\n', '\r\n')), source()).pkcs8)).toBe(toHex(keyFiles.pkcs8))
  })

  it.each([
    { file: keyFiles.unsupported.file, says: 'encryption 1.2.840.113549.1.5.3 is not implemented' },
    { file: keyFiles.containers[0]!.file, says: 'a PKCS #12 file, not a single private key' },
    { file: text(encodePem('CERTIFICATE', keyFiles.certificates[0]!)), says: 'no private key in it, only CERTIFICATE' },
    { file: text(encodePem('OPENSSH PRIVATE KEY', text('x'))), says: 'OPENSSH PRIVATE KEY is not implemented' },
    { file: text('-----BEGIN PRIVATE KEY-----\nMIIB\n'), says: 'the block PRIVATE KEY has no END' },
    { file: text('-----BEGIN PRIVATE KEY-----\nM*IB\n-----END PRIVATE KEY-----'), says: 'is not base64' },
    { file: text('hello'), says: 'not a private key that can be read' },
    { file: new Uint8Array(0), says: 'not a private key that can be read' },
    {
      file: pkcs8Of(generateKeyPairSync('x25519').privateKey),
      says: 'keys of the algorithm 1.3.101.110 are not implemented',
    },
    { file: pkcs8Of(secp256k1()), says: 'the curve 1.3.132.0.10 is not implemented' },
    { file: pkcs8Of(explicitCurve()), says: 'namedCurve has the tag 0x30' },
    { file: damagedRsa(), says: 'what it signs does not verify' },
  ])('is refused: $says', ({ file, says }) => {
    const message = problem(() => readPrivateKey(file, source('a passphrase of mine')))
    expect(message).toContain(says)
    expect(message).toMatch(/^office\.pem: local\.auth\.key: /)
    expect(message).not.toContain('a passphrase of mine')
  })

  it('damaged in any octet, or cut off, is read or refused with a ConfigError that has nothing of it', () => {
    const encrypted = keyFiles.keys.find(({ name }) => name === '3des of PKCS #12')!
    const der = Uint8Array.from(
      Buffer.from(
        Buffer.from(encrypted.file)
          .toString()
          .replace(/-----[^-]*-----|\n/g, ''),
        'base64',
      ),
    )
    const secret = Buffer.from(keyFiles.pkcs8).toString('base64').slice(50, 80)
    let refused = 0
    const attempt = (contents: Uint8Array) => {
      const message = outcome(() => readPrivateKey(contents, source('sesame')))
      if (message === undefined) return
      refused++
      expect(message).not.toContain('sesame')
      expect(message).not.toContain(secret)
    }
    // Deriving the key of one that is encrypted takes milliseconds.
    for (const [file, step] of [
      [der, 11],
      [keyFiles.pkcs8, 1],
    ] as const) {
      for (let i = 0; i < file.length; i += step) {
        attempt(file.subarray(0, i))
        attempt(file.map((octet, at) => (at === i ? octet ^ 0x55 : octet)))
      }
    }
    expect(refused).toBeGreaterThan(keyFiles.pkcs8.length)
  })
})

describe('a public key of a file', () => {
  const key = readPrivateKey(keyFiles.pkcs8, source()).publicKey

  it('is SubjectPublicKeyInfo or that of a certificate, in PEM or DER', () => {
    const [certificate] = keyFiles.certificates
    for (const file of [
      key.spki,
      text(encodePem('PUBLIC KEY', key.spki)),
      certificate!,
      text(encodePem('CERTIFICATE', certificate!)),
    ]) {
      expect(readPublicKey(file, source())).toEqual(key)
    }
  })

  it('may be PKCS #1', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const spki = toHex(text(publicKey.export({ format: 'der', type: 'spki' })))
    expect(toHex(readPublicKey(text(publicKey.export({ format: 'der', type: 'pkcs1' })), source()).spki)).toBe(spki)
    expect(toHex(readPublicKey(text(publicKey.export({ format: 'pem', type: 'pkcs1' })), source()).spki)).toBe(spki)
  })

  it('is refused when it is something else', () => {
    expect(problem(() => readPublicKey(text('hello'), source()))).toMatch(/not a public key that can be read/)
    expect(problem(() => readPublicKey(text(encodePem('toString', key.spki)), source()))).toMatch(/no public key in it/)
    for (let i = 0; i < key.spki.length; i++)
      expect(() => readPublicKey(key.spki.subarray(0, i), source())).toThrow(ConfigError)
  })
})

describe('certificates of a file', () => {
  it('come in their order, or are refused', () => {
    const file = keyFiles.certificates.map((der) => encodePem('CERTIFICATE', der)).join('and\n')
    expect(readCertificates(text(file), source())).toEqual(keyFiles.certificates)
    expect(readCertificates(keyFiles.certificates[0]!, source())).toEqual([keyFiles.certificates[0]])
    expect(problem(() => readCertificates(text(encodePem('PUBLIC KEY', keyFiles.pkcs8)), source()))).toMatch(
      /no certificate in it/,
    )
    expect(problem(() => readCertificates(text(encodePem('CERTIFICATE', keyFiles.pkcs8)), source()))).toMatch(
      /not a certificate/,
    )
  })
})

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

describe.skipIf(!hasOpenssl)('with the command openssl', () => {
  it.each(names)('%s: it reads what we encrypted, and we what it encrypted', (name) => {
    const key = signingKey(name)
    const args = ['pkcs8', '-topk8', '-scrypt', '-passin', `pass:${passphrase}`, '-passout', 'pass:other']
    const made = spawnSync('openssl', args, { input: encodePrivateKey(key, passphrase) })
    expect(made.status, String(made.stderr)).toBe(0)
    expect(readPrivateKey(Uint8Array.from(made.stdout), source('other'))).toEqual(key)
  })

  it('reads EncryptedPrivateKeyInfo in DER', () => {
    const { pkcs8 } = signingKey('ed25519')
    const args = ['pkey', '-inform', 'DER', '-outform', 'DER', '-passin', `pass:${passphrase}`]
    const made = spawnSync('openssl', args, { input: encryptPrivateKey(pkcs8, passphrase) })
    expect(toHex(Uint8Array.from(made.stdout)), String(made.stderr)).toBe(toHex(pkcs8))
  })
})

function keyObject(name: KeyName): KeyObject {
  return createPrivateKey({ key: Buffer.from(signingKey(name).pkcs8), format: 'der', type: 'pkcs8' })
}

function pkcs8Of(key: KeyObject): Uint8Array {
  return text(key.export({ format: 'der', type: 'pkcs8' }))
}

function secp256k1(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey
}

function explicitCurve(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1', paramEncoding: 'explicit' }).privateKey
}

/** With an octet of the modulus changed. */
function damagedRsa(): Uint8Array {
  const { pkcs8 } = fromKeyObject(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)
  pkcs8[60]! ^= 1
  return pkcs8
}

/** The message of its `ConfigError`. */
function problem(read: () => unknown): string {
  const message = outcome(read)
  if (message === undefined) throw new Error('was read')
  return message
}

function outcome(read: () => unknown): string | undefined {
  try {
    read()
    return undefined
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
}
