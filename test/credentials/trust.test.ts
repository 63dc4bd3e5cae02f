import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, test } from 'vitest'
import { concat } from '../../src/bytes/index.ts'
import { httpFetch } from '../../src/credentials/http-fetch.ts'
import { OwnKey } from '../../src/credentials/own-key.ts'
import { Trust, type TrustOptions, type TrustWorld } from '../../src/credentials/trust.ts'
import { contextTag, derElement } from '../../src/crypto/der.ts'
import { nodeSignatures } from '../../src/crypto/node-signature.ts'
import { UsageError } from '../../src/errors.ts'
import { parseIdentity } from '../../src/ike/auth/identity.ts'
import type { CertificateBlob, SignAnswer, VerifyAnswer, VerifyQuestion } from '../../src/ike/questions.ts'
import { extension } from '../../src/pki/issue.ts'
import { Purpose } from '../../src/pki/oids.ts'
import { crl, DAY, gateway, type Holder, intermediate, issue, names, root, sha1, today } from '../pki/authority.ts'
import { ocspResponse } from '../pki/ocsp-responder.ts'

const ca = root()
const peer = issue('C=CH, O=Typeswan, CN=moon', ca, {
  extensions: [
    extension.subjectAltName(names('vpn.example.org', '10.9.8.7', '2001:db8::9', 'alice@example.org')),
    extension.keyUsage('digitalSignature'),
    extension.extendedKeyUsage(Purpose.serverAuth, Purpose.ipsecIke),
  ],
})

const world: TrustWorld = {
  now: () => today,
  signatures: nodeSignatures,
  hash: (name, data) => new Uint8Array(createHash(name).update(data).digest()),
  random: (length) => new Uint8Array(length),
}

interface Given {
  readonly holder?: Holder
  readonly id?: string
  readonly certificates?: readonly CertificateBlob[]
  readonly trust?: Partial<TrustOptions>
  readonly world?: Partial<TrustWorld>
  readonly changes?: Partial<VerifyQuestion>
}

const x509 = (...holders: readonly Holder[]): CertificateBlob[] =>
  holders.map(({ certificate }) => ({ encoding: 4, data: certificate.der }))

/** A question as the core would ask it, after the holder signed. */
function question({ holder = peer, id = 'vpn.example.org', certificates, changes }: Given): VerifyQuestion {
  const identity = parseIdentity(id)
  const octets = new TextEncoder().encode('RealMessage | Nonce | prf(SK_p, IDPayload)')
  const own = new OwnKey({ description: 'test', key: holder.key, provider: nodeSignatures })
  const signed = own.answerSign({
    kind: 'sign',
    auth: { method: 'pubkey', credential: own, sendCertificates: 'always' },
    id: identity,
    octets,
    hashes: [1, 2, 3, 4, 5],
    requests: [],
  }) as SignAnswer
  if (!signed.ok) throw new Error(signed.message)
  return {
    kind: 'verify',
    auth: { method: 'pubkey', trust: own, authorities: [] },
    connection: 'office',
    id: identity,
    octets,
    method: signed.method,
    data: signed.data,
    certificates: certificates ?? x509(holder),
    ...changes,
  }
}

const trustOf = (given: Given): Trust =>
  new Trust(
    { description: 'the authorities of office', authorities: [ca.certificate.der], ...given.trust },
    { ...world, ...given.world },
  )

const verify = (given: Given = {}): VerifyAnswer | Promise<VerifyAnswer> => trustOf(given).answerVerify(question(given))

/** The refusal's text; there must be one. */
async function refusal(given: Given): Promise<string> {
  const answer = await verify(given)
  if (answer.ok) throw new Error('it was taken')
  expect(answer.hint).not.toBe('')
  return answer.message
}

describe('a peer with a certificate', () => {
  it('is believed, and its certificate told, without a promise where nothing is fetched', () => {
    expect(verify()).toEqual({
      ok: true,
      peer: {
        fingerprint: createHash('sha256').update(peer.certificate.der).digest('hex'),
        subject: 'C=CH, O=Typeswan, CN=moon',
        issuer: 'C=CH, O=Typeswan, CN=Root',
        names: ['DNS:vpn.example.org', 'IP:10.9.8.7', 'IP:2001:db8::9', 'email:alice@example.org'],
        serial: expect.stringMatching(/^[0-9a-f]+$/),
        notAfter: today + 30 * DAY,
      },
    })
  })

  test.each([
    'vpn.example.org',
    'VPN.Example.org',
    '10.9.8.7',
    '2001:db8::9',
    'alice@example.org',
    'c=ch, O=typeswan, CN=moon',
  ])('may call itself %s', async (id) => {
    expect((await verify({ id })).ok).toBe(true)
  })

  test.each([
    [
      '10.1.2.3',
      /^peer sent ID 10\.1\.2\.3, certificate "C=CH, O=Typeswan, CN=moon" has only FQDN vpn\.example\.org, address 10\.9\.8\.7, /,
    ],
    ['moon', /^peer sent ID moon, certificate ".*" has only FQDN vpn\.example\.org/],
    ['*.example.org', /only FQDN vpn\.example\.org/],
    ['vpn.example.org.evil.example', /only FQDN/],
    ['bob@example.org', /mail address alice@example\.org/],
    ['C=CH, O=Typeswan, CN=sun', /has only the subject C=CH, O=Typeswan, CN=moon$/],
    ['O=Typeswan, CN=moon, C=CH', /has only the subject/],
    ['keyid:6d6f6f6e', /a key id is of no certificate/],
  ])('may not call itself %s', async (id, expected) => {
    expect(await refusal({ id })).toMatch(expected)
  })

  it('may not call itself by its CN, also where it has no alternative name', async () => {
    const holder = issue('CN=vpn.example.org', ca)
    expect(await refusal({ holder })).toBe(
      'peer sent ID vpn.example.org, certificate "CN=vpn.example.org" has no subjectAltName with such a name (the CN is not compared, RFC 4945 §3.1)',
    )
  })

  it('may not be met by a wildcard in its certificate', async () => {
    expect(await refusal({ holder: gateway(ca, ['*.example.org']) })).toContain('has only FQDN *.example.org')
  })

  it('may bring intermediates in any order, and CRLs among them', async () => {
    const low = intermediate('CN=Low', ca)
    const lower = intermediate('CN=Lower', low)
    const holder = gateway(lower)
    const certificates = [
      ...x509(holder),
      { encoding: 7, data: crl(low) },
      ...x509(ca, low),
      { encoding: 7, data: crl(ca) },
      ...x509(lower),
      { encoding: 7, data: crl(lower) },
    ]
    expect((await verify({ holder, certificates, trust: { revocation: 'strict' } })).ok).toBe(true)
  })

  it('may leave out intermediates that are configured', async () => {
    const low = intermediate('CN=Low', ca)
    const holder = gateway(low)
    expect((await verify({ holder, trust: { intermediates: [low.certificate.der] } })).ok).toBe(true)
    expect(await refusal({ holder })).toContain('was issued by "CN=Low"')
  })

  it('is refused when another key signed', async () => {
    const other = gateway(ca)
    expect(await refusal({ holder: other, certificates: x509(peer) })).toMatch(
      /^"C=CH, O=Typeswan, CN=moon": the .* signature does not verify/,
    )
  })

  it('is refused when it signed other octets', async () => {
    expect(await refusal({ changes: { octets: Uint8Array.of(1) } })).toContain('does not verify')
  })

  it('is refused with the rule that its path breaks', async () => {
    expect(await refusal({ holder: gateway(ca, ['vpn.example.org'], { notAfter: today - DAY }) })).toContain(
      'expired at',
    )
    expect(
      await refusal({ trust: { purpose: 'client', authorities: [ca.certificate.der] }, holder: server() }),
    ).toContain('is for serverAuth')
    expect(await refusal({ holder: gateway(root('CN=Other')) })).toContain('was issued by "CN=Other"')
  })

  const server = (): Holder =>
    gateway(ca, ['vpn.example.org'], { extensions: [extension.extendedKeyUsage(Purpose.serverAuth)] })

  it('is refused when it was revoked, by a list that is configured', async () => {
    expect(await refusal({ trust: { crls: [crl(ca, [peer.certificate])] } })).toContain('was revoked at')
  })

  it('is refused when it was revoked, by an OCSP response that it brought itself', async () => {
    const response = ocspResponse({
      certificate: peer.certificate,
      issuer: ca.certificate,
      signer: ca,
      status: 'revoked',
    })
    expect(await refusal({ certificates: [...x509(peer), { encoding: 14, data: response }] })).toContain(
      'was revoked at',
    )
  })

  it('cannot settle it by an old list that does not say until when it holds', async () => {
    const certificates = [...x509(peer), { encoding: 7, data: crl(ca, [], { nextUpdate: undefined }) }]
    expect(await refusal({ certificates, trust: { revocation: 'strict' } })).toContain('nobody says whether')
    expect((await verify({ trust: { revocation: 'strict', crls: [certificates[1]!.data] } })).ok).toBe(true)
  })

  it('is believed over a second path where an authority of the first was revoked', async () => {
    const other = root('CN=Other root')
    const low = intermediate('CN=Low', ca)
    const cross = intermediate('CN=Low', other)
    const holder = gateway(low)
    const trust = {
      authorities: [ca.certificate.der, other.certificate.der],
      crls: [crl(ca, [low.certificate]), crl(other), crl(low)],
      revocation: 'strict' as const,
    }
    expect((await verify({ holder, certificates: x509(holder, low, cross), trust })).ok).toBe(true)
    expect(await refusal({ holder, certificates: x509(holder, low), trust })).toContain('"CN=Low" was revoked')
  })

  it('has nothing fetched for it before it proved to hold the key', async () => {
    const asked: string[] = []
    const fetch = async ({ url }: { url: string }): Promise<Uint8Array> => {
      asked.push(url)
      return crl(ca)
    }
    const extensions = [extension.crlDistributionPoints('http://pki.example.org/ca.crl')]
    const holder = gateway(ca, ['vpn.example.org'], { extensions })
    const given = { holder, world: { fetch }, trust: { revocation: 'strict' as const } }
    await refusal({ ...given, changes: { octets: Uint8Array.of(1) } })
    await refusal({ ...given, id: 'other.example.org' })
    expect(asked).toEqual([])
    const answer = verify(given)
    expect(answer).toBeInstanceOf(Promise)
    expect((await answer).ok).toBe(true)
    expect(asked).toEqual(['http://pki.example.org/ca.crl'])
  })

  test.each([
    ['no certificate', [], 'sent no certificate, and none of its own is configured'],
    [
      'a malformed certificate',
      [{ encoding: 4, data: Uint8Array.of(0x30, 1) }],
      'a certificate that the peer sent is malformed',
    ],
    ['PKCS #7', [{ encoding: 1, data: Uint8Array.of(0x30, 0) }], 'of the encoding 1, which is not implemented'],
    [
      'a URL',
      [{ encoding: 12, data: concat(new Uint8Array(20), new TextEncoder().encode('http://a.example/c')) }],
      'hashAndUrl is off',
    ],
    ['a raw key', [{ encoding: 15, data: peer.certificate.spki }], 'sent a raw public key (SHA-256 '],
  ])('is refused with %s in its place', async (_, certificates, expected) => {
    expect(await refusal({ certificates })).toContain(expected)
  })

  it('is not troubled by a second certificate that is malformed', async () => {
    expect((await verify({ certificates: [...x509(peer), { encoding: 4, data: Uint8Array.of(1) }] })).ok).toBe(true)
  })

  test.each(['ecdsa-p384', 'ecdsa-p521', 'ed25519', 'ed448', 'rsa-2048'] as const)('may have a key %s', async (key) => {
    expect((await verify({ holder: gateway(ca, ['vpn.example.org'], { key }) })).ok).toBe(true)
  })
})

describe('a peer whose own certificate or key is configured', () => {
  const self = issue('CN=self', undefined, { extensions: [extension.subjectAltName(names('vpn.example.org'))] })
  const trust = { authorities: [], peers: [self.certificate.der] }

  it('is believed with a certificate that signed itself, sent or not', async () => {
    expect((await verify({ holder: self, trust })).ok).toBe(true)
    expect((await verify({ holder: self, trust, certificates: [] })).ok).toBe(true)
    expect(await refusal({ holder: peer, trust, certificates: [] })).toContain(
      'is not of any of the 1 certificates and keys',
    )
    expect(await refusal({ holder: self })).toBe('"CN=self" issued itself, and is not one of the trusted authorities')
  })

  it('is no authority for others, also where its certificate says that it is one', async () => {
    const pinned = root('CN=pinned')
    const trust = { authorities: [], peers: [pinned.certificate.der] }
    const holder = gateway(pinned, ['somebody.else.example'])
    expect(await refusal({ holder, id: 'somebody.else.example', trust })).toContain('was issued by "CN=pinned"')
  })

  it('is believed with a raw public key, sent or not (RFC 7670)', async () => {
    const raw = { authorities: [], rawKeys: [{ spki: peer.key.publicKey.spki, id: parseIdentity('anybody') }] }
    const certificates = [{ encoding: 15, data: peer.key.publicKey.spki }]
    expect(verify({ trust: raw, certificates, id: 'anybody' })).toEqual({ ok: true })
    expect((await verify({ trust: raw, certificates: [], id: 'anybody' })).ok).toBe(true)
    expect(await refusal({ trust: raw, certificates, holder: self })).toContain('does not verify')
  })

  it('is not believed with a raw public key to be another than the one whose key it is', async () => {
    const { spki } = peer.key.publicKey
    const raw = { authorities: [], rawKeys: [{ spki, id: parseIdentity('alice@example.org') }] }
    for (const certificates of [[{ encoding: 15, data: spki }], []]) {
      expect(await refusal({ trust: raw, certificates, id: 'boss@example.org' })).toBe(
        'peer sent ID boss@example.org, and the raw public key that it proves to have is that of alice@example.org',
      )
      expect(await verify({ trust: raw, certificates, id: 'Alice@example.org' })).toEqual({ ok: true })
    }
    const many = { ...raw, rawKeys: [{ spki, id: parseIdentity('*@example.org') }] }
    expect(() => trustOf({ trust: many })).toThrow('stands for many identities')
  })

  it('must be someone', () => {
    expect(() => new Trust({ description: 'x' }, world)).toThrow(/nobody is trusted/)
    expect(() => new Trust({ description: 'x', authorities: [Uint8Array.of(1)] }, world)).toThrow(UsageError)
  })
})

describe('hash and URL (RFC 7296 §3.6)', () => {
  const URL_TEXT = 'http://pki.example.org/moon'
  const blob = (encoding: number, octets: Uint8Array, url = URL_TEXT): CertificateBlob => ({
    encoding,
    data: concat(sha1(octets), new TextEncoder().encode(url)),
  })
  const serving = (octets: Uint8Array) => ({ fetch: async () => octets })
  const { der } = peer.certificate

  it('brings the certificate, or a bundle with its path', async () => {
    const trust = { hashAndUrl: true }
    expect((await verify({ trust, certificates: [blob(12, der)], world: serving(der) })).ok).toBe(true)
    const low = intermediate('CN=Low', ca)
    const holder = gateway(low)
    const tagged = (number: number, octets: Uint8Array): Uint8Array => derElement(contextTag(number), octets)
    const bundle = derElement(
      0x30,
      tagged(0, holder.certificate.der),
      tagged(1, crl(low)),
      tagged(0, low.certificate.der),
    )
    expect((await verify({ holder, trust, certificates: [blob(13, bundle)], world: serving(bundle) })).ok).toBe(true)
  })

  it('is fetched from public addresses alone, unless the host is named', async () => {
    const publicOnly: unknown[] = []
    const fetch = async (request: { readonly publicOnly?: boolean }) => {
      publicOnly.push(request.publicOnly)
      return der
    }
    for (const hashAndUrl of [true, ['pki.example.org']])
      await verify({ trust: { hashAndUrl }, certificates: [blob(12, der)], world: { fetch } })
    expect(publicOnly).toEqual([true, false])
  })

  it('has only few fetched for a stranger, and none after the one that counts failed', async () => {
    const count = async (fetch: (url: string) => Promise<Uint8Array>, certificates: readonly CertificateBlob[]) => {
      const urls: string[] = []
      const counting = async ({ url }: { readonly url: string }) => {
        urls.push(url)
        return fetch(url)
      }
      await verify({ trust: { hashAndUrl: true }, certificates, world: { fetch: counting } })
      return urls.length
    }
    const many = Array.from({ length: 16 }, () => blob(12, der))
    expect(await count(async () => der, many)).toBe(4)
    expect(await count(() => Promise.reject(new Error('away')), many)).toBe(1)
  })

  test.each([
    ['another content than was hashed', blob(12, Uint8Array.of(1)), {}, 'is not what the peer hashed'],
    [
      'a host that is not allowed',
      blob(12, der),
      { hashAndUrl: ['other.example'] },
      'pki.example.org is not among the hosts',
    ],
    ['https', blob(12, der, 'https://pki.example.org/'), {}, 'is no URL of the http scheme'],
    ['file', blob(12, der, 'file:///etc/passwd'), {}, 'is no URL of the http scheme'],
    ['no URL', blob(12, der, ''), {}, 'a malformed hash and URL'],
    ['a bundle that is none', blob(13, der), {}, 'is malformed'],
  ])('with %s is refused', async (_, certificate, trust, expected) => {
    expect(
      await refusal({ trust: { hashAndUrl: true, ...trust }, certificates: [certificate], world: serving(der) }),
    ).toContain(expected)
  })

  it('is refused where nothing can be fetched, or too much comes', async () => {
    const certificates = [blob(12, der)]
    expect(await refusal({ trust: { hashAndUrl: true }, certificates })).toContain('nothing can be fetched here')
    const world = serving(new Uint8Array(40_000))
    expect(await refusal({ trust: { hashAndUrl: true }, certificates, world })).toContain('longer than 32768 octets')
  })
})

describe('fetching over HTTP', () => {
  it('brings the octets, posts a body, and tells what failed', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/missing') response.writeHead(404).end()
      else if (request.url === '/long') response.end(Buffer.alloc(5000))
      else if (request.url === '/slow') setTimeout(() => response.end(), 5000).unref()
      else request.pipe(response.writeHead(200, { 'x-type': request.headers['content-type'] ?? '' }))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const fetch = httpFetch(300)
    const body = Uint8Array.of(1, 2, 3)
    try {
      expect(await fetch({ url: base, body, contentType: 'application/ocsp-request', mostBytes: 10 })).toEqual(body)
      expect(await fetch({ url: base, mostBytes: 10 })).toEqual(new Uint8Array(0))
      await expect(fetch({ url: `${base}/missing`, mostBytes: 10 })).rejects.toThrow('the server answered 404')
      await expect(fetch({ url: `${base}/long`, mostBytes: 10 })).rejects.toThrow('the answer is longer than 10 octets')
      await expect(fetch({ url: `${base}/slow`, mostBytes: 10 })).rejects.toThrow('no answer in 0.3 s')
    } finally {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
    await expect(fetch({ url: base, mostBytes: 10 })).rejects.toThrow(/ECONNREFUSED|closed/)
  })

  it('knows authorities by the SHA-1 of their keys, for CERTREQ', () => {
    expect(trustOf({}).authorityHashes).toEqual([sha1(ca.certificate.spki)])
  })
})
