import { execFileSync, spawnSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { runCli } from '../../src/cli/cli.ts'

/** Debian has it; where it is missing the tests that ask it are shown as skipped. */
const hasOpenssl = spawnSync('openssl', ['version']).status === 0
if (!hasOpenssl) process.stderr.write('skipped: what typeswan pki makes is not shown to OpenSSL, which is not here\n')

let folder: string
const at = (name: string): string => join(folder, name)

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'typeswan-pki-'))
  writeFileSync(at('password'), 'correct horse\n')
})

afterAll(() => rmSync(folder, { recursive: true }))

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = []
  const err: string[] = []
  const code = await runCli(['pki', ...args], { out: (text) => out.push(text), err: (text) => err.push(text) })
  return { code, out: out.join('\n'), err: err.join('\n') }
}

async function made(...args: string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await run(...args, '--json')
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return JSON.parse(out)
}

const openssl = (...args: string[]): string => execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' })

const authority = async (name: string, ...args: string[]): Promise<string> => {
  if (!existsSync(at(name))) await made('ca', '--name', `C=CH, O=Test, CN=${name}`, '--out', at(name), ...args)
  return at(name)
}

describe('typeswan pki', () => {
  it('makes an authority whose key only its owner can read', async () => {
    const ca = await authority('ca')
    expect(statSync(join(ca, 'ca.key')).mode & 0o777).toBe(0o600)
    const certificate = new X509Certificate(readFileSync(join(ca, 'ca.crt')))
    expect(certificate.ca).toBe(true)
    expect(certificate.subject).toBe('C=CH\nO=Test\nCN=ca')
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(certificate.checkPrivateKey(createPrivateKey(readFileSync(join(ca, 'ca.key'))))).toBe(true)
  })

  it('makes a server with the names that IKE compares', async () => {
    const ca = await authority('ca')
    const server = await made(
      'server',
      '--ca',
      ca,
      '--name',
      'vpn.example.org',
      '--san',
      '192.0.2.1',
      '2001:db8::1',
      '--crl-url',
      'http://a.example/ca.crl',
    )
    expect(server).toMatchObject({
      subject: 'C=CH, O=Test, CN=vpn.example.org',
      issuer: 'C=CH, O=Test, CN=ca',
      names: ['DNS:vpn.example.org', 'IP:192.0.2.1', 'IP:2001:db8::1'],
      key: 'ECDSA P-256',
      files: [join(ca, 'vpn.example.org.crt'), join(ca, 'vpn.example.org.key')],
    })
    const shown = await run('show', join(ca, 'vpn.example.org.crt'))
    for (const text of ['CRL at: ', 'http://a.example/ca.crl', 'serverAuth', 'ipsecIke', 'digitalSignature'])
      expect(shown.out).toContain(text)
  })

  it('makes a client, with a PKCS #12 file for a phone', async () => {
    const ca = await authority('ca')
    const args = ['client', '--ca', ca, '--name', 'alice@example.org', '--p12', '--password-file', at('password')]
    expect(await made(...args)).toMatchObject({ names: ['email:alice@example.org'] })
    const p12 = join(ca, 'alice@example.org.p12')
    expect(statSync(p12).mode & 0o777).toBe(0o600)
    const shown = JSON.parse((await run('show', p12, '--password-file', at('password'), '--json')).out)
    expect(await run('show', p12)).toMatchObject({
      code: 2,
      err: expect.stringMatching(/no passphrase.*--password-file/),
    })
    expect(shown.map(({ type, subject }: { type: string; subject?: string }) => subject ?? type)).toEqual([
      'C=CH, O=Test, CN=alice@example.org',
      'C=CH, O=Test, CN=ca',
      'private key',
    ])
  })

  test.each([
    ['ecdsa-p384', 'ECDSA P-384'],
    ['rsa-2048', 'RSA-2048'],
    ['ed25519', 'Ed25519'],
    ['ed448', 'Ed448'],
  ])('makes keys of kind %s', async (key, described) => {
    const ca = await authority(`ca-${key}`, '--key', key)
    expect(await made('server', '--ca', ca, '--name', 'a.example', '--key', key)).toMatchObject({ key: described })
    const [root, server] = [join(ca, 'ca.crt'), join(ca, 'a.example.crt')].map(
      (path) => new X509Certificate(readFileSync(path)),
    )
    expect(server!.verify(root!.publicKey)).toBe(true)
  })

  it('makes an authority below another, whose certificates bring it along', async () => {
    const ca = await authority('ca')
    const below = await authority('below', '--ca', ca)
    await made('server', '--ca', below, '--name', 'b.example')
    const shown = JSON.parse((await run('show', join(below, 'b.example.crt'), '--json')).out)
    expect(shown.map(({ subject }: { subject: string }) => subject)).toEqual([
      'C=CH, O=Test, CN=b.example',
      'C=CH, O=Test, CN=below',
    ])
  })

  it('revokes, and keeps what was revoked before', async () => {
    const ca = await authority('revoking')
    for (const name of ['one.example', 'two.example', 'three.example']) await made('server', '--ca', ca, '--name', name)
    expect(await made('crl', '--ca', ca)).toMatchObject({ revoked: [] })
    await made('crl', '--ca', ca, '--revoke', join(ca, 'one.example.crt'), '--reason', 'keyCompromise')
    const { revoked } = await made(
      'crl',
      '--ca',
      ca,
      '--revoke',
      join(ca, 'two.example.crt'),
      join(ca, 'one.example.crt'),
    )
    expect(revoked).toHaveLength(2)
    expect((await run('show', join(ca, 'ca.crl'))).out).toMatch(/keyCompromise\n.*no reason given/)
  })

  it.skipIf(!hasOpenssl)('makes what OpenSSL verifies', async () => {
    const ca = await authority('ca')
    const below = await authority('below', '--ca', ca)
    await made('client', '--ca', below, '--name', 'carol@example.org', '--p12', '--password-file', at('password'))
    await made('client', '--ca', below, '--name', 'dave@example.org')
    await made('crl', '--ca', below, '--revoke', join(below, 'dave@example.org.crt'))
    const trust = ['verify', '-x509_strict', '-CAfile', join(ca, 'ca.crt'), '-untrusted', join(below, 'ca.crt')]
    expect(openssl(...trust, join(below, 'carol@example.org.crt'))).toMatch(/OK/)
    const withCrl = [...trust, '-crl_check', '-CRLfile', join(below, 'ca.crl')]
    expect(openssl(...withCrl, join(below, 'carol@example.org.crt'))).toMatch(/OK/)
    expect(() => openssl(...withCrl, join(below, 'dave@example.org.crt'))).toThrow(/certificate revoked/)
    const p12 = join(below, 'carol@example.org.p12')
    const opened = openssl('pkcs12', '-in', p12, '-passin', 'pass:correct horse', '-nodes')
    expect(opened.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
    expect(opened).toContain('BEGIN PRIVATE KEY')
  })

  it('writes nothing over without --force', async () => {
    const ca = await authority('ca')
    await run('server', '--ca', ca, '--name', 'again.example')
    const key = readFileSync(join(ca, 'again.example.key'))
    rmSync(join(ca, 'again.example.crt'))
    const again = await run('server', '--ca', ca, '--name', 'again.example')
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('again.example.key is there already') })
    expect(existsSync(join(ca, 'again.example.crt'))).toBe(false)
    expect(readFileSync(join(ca, 'again.example.key'))).toEqual(key)
    expect((await run('server', '--ca', ca, '--name', 'again.example', '--force')).code).toBe(0)
  })

  it('keeps names that look like paths in the folder', async () => {
    const ca = await authority('ca')
    const { files } = await made('server', '--ca', ca, '--name', 'CN=../../etc/passwd')
    expect(files).toEqual([join(ca, 'CN_.._.._etc_passwd.crt'), join(ca, 'CN_.._.._etc_passwd.key')])
  })

  test.each<[string, string[], number, RegExp]>([
    [
      'an authority that is not there',
      ['server', '--ca', '/nowhere', '--name', 'a'],
      1,
      /\/nowhere\/ca\.crt cannot be read \(ENOENT\): make an authority with/,
    ],
    ['PKCS #12 without a password', ['client', '--ca', 'CA', '--name', 'a', '--p12'], 2, /needs --password-file/],
    ['a name that cannot be in a certificate', ['server', '--ca', 'CA', '--name', 'bücher.example'], 2, /Punycode/],
    ['a name with an unknown attribute', ['ca', '--name', 'X=1', '--out', '/nowhere'], 2, /unknown attribute X/],
    ['a kind of key that there is not', ['ca', '--name', 'a', '--key', 'dsa'], 2, /Allowed choices are ecdsa-p256/],
    ['no days', ['ca', '--name', 'a', '--days', '0'], 2, /1 to 36500 are allowed/],
    [
      'a certificate of somebody else to revoke',
      ['crl', '--ca', 'OTHER', '--revoke', 'CA/ca.crt'],
      2,
      /was issued by "C=CH, O=Test, CN=ca", not by "C=CH, O=Test, CN=other"/,
    ],
    ['itself to revoke', ['crl', '--ca', 'CA', '--revoke', 'CA/ca.crt'], 2, /is the authority itself/],
    [
      'a file that is nothing of the kind',
      ['show', 'password'],
      2,
      /password holds no certificate, .* nor as PKCS #12$/,
    ],
    ['no name', ['server', '--ca', 'CA', '--name', ''], 2, /--name: is empty/],
    ['a name with a space', ['server', '--ca', 'CA', '--name', 'my gate'], 2, /--name: "my gate" may only hold/],
    [
      'a further one with a space',
      ['server', '--ca', 'CA', '--name', 'a', '--san', 'my gate'],
      2,
      /--san: "my gate" may/,
    ],
    [
      'the list of another authority to write over',
      ['crl', '--ca', 'CA', '--out', 'OTHER/ca.crl'],
      2,
      /is a CRL of "C=CH, O=Test, CN=other"/,
    ],
  ])('refuses %s', async (_, args, code, text) => {
    const [ca, other] = [await authority('ca'), await authority('other')]
    if (!existsSync(join(other, 'ca.crl'))) await made('crl', '--ca', other)
    const real = args.map((arg) =>
      arg === 'password' ? at('password') : arg.replace(/^CA/, ca).replace(/^OTHER/, other),
    )
    expect(await run(...real)).toMatchObject({ code, err: expect.stringMatching(text) })
  })

  it('shows no more of a private key than its kind', async () => {
    const ca = await authority('ca')
    const secret = createPrivateKey(readFileSync(join(ca, 'ca.key'))).export({ format: 'jwk' }).d!
    const shown = await run('show', join(ca, 'ca.key'))
    expect(shown.out).toMatch(/^private key\n {2}key: +ECDSA P-256/)
    expect(shown.out).not.toContain(Buffer.from(secret, 'base64url').toString('hex'))
  })

  it('has help with examples', async () => {
    for (const command of [[], ['ca'], ['server'], ['client'], ['crl'], ['show']]) {
      const help = await run(...command, '--help')
      expect(help).toMatchObject({ code: 0, out: expect.stringContaining('Example') })
    }
  })
})
