import { createHash } from 'node:crypto'
import { describe, expect, it, test } from 'vitest'
import { toHex } from '../../src/bytes/index.ts'
import { DerTag, derElement } from '../../src/crypto/der.ts'
import { DerReader } from '../../src/crypto/der-reader.ts'
import { nodeSignatures } from '../../src/crypto/node-signature.ts'
import { DecodeError } from '../../src/errors.ts'
import type { Certificate } from '../../src/pki/certificate.ts'
import { decodeCrl } from '../../src/pki/crl.ts'
import { type FetchRequest, runFetching } from '../../src/pki/fetching.ts'
import { extension, issueCrl } from '../../src/pki/issue.ts'
import { decodeOcspResponse } from '../../src/pki/ocsp.ts'
import { Purpose } from '../../src/pki/oids.ts'
import {
  type RevocationPolicy,
  type RevocationWorld,
  revocationOf,
  revocationProblem,
} from '../../src/pki/revocation.ts'
import { RevocationCache } from '../../src/pki/revocation-cache.ts'
import { crl, DAY, gateway, intermediate, issue, root, today } from './authority.ts'
import { nonceOf, ocspResponse, type Reply } from './ocsp-responder.ts'

const CRL_URL = 'http://pki.example.org/ca.crl'
const OCSP_URL = 'http://ocsp.example.org/'

const ca = root()
const plain = gateway(ca)
const withCrl = gateway(ca, ['a.example'], { extensions: [extension.crlDistributionPoints(CRL_URL)] })
const withOcsp = gateway(ca, ['a.example'], { extensions: [extension.ocspUrls(OCSP_URL)] })
const withBoth = gateway(ca, ['a.example'], {
  extensions: [extension.ocspUrls(OCSP_URL), extension.crlDistributionPoints(CRL_URL)],
})

type Server = (request: FetchRequest) => Uint8Array

interface Given {
  readonly policy?: RevocationPolicy
  readonly world?: Partial<RevocationWorld>
  readonly servers?: Readonly<Record<string, Server>>
}

const asked: string[] = []

/** The refusal, `ok`, or `ok by ...`. */
async function check(path: readonly Certificate[], given: Given = {}): Promise<string> {
  asked.length = 0
  const world: RevocationWorld = {
    now: today,
    signatures: nodeSignatures,
    hash: (name, data) => new Uint8Array(createHash(name).update(data).digest()),
    nonce: () => Uint8Array.of(1, 2, 3, 4),
    cache: new RevocationCache(),
    crls: [],
    ocspResponses: [],
    rules: { minRsaBits: 2048, allowSha1: false },
    ...given.world,
  }
  const statuses = await runFetching(revocationOf(path, world), async (request) => {
    asked.push(request.url)
    const server = given.servers?.[request.url]
    if (server === undefined) throw new Error('the server answered 404')
    return server(request)
  })
  const by = statuses[0]!.by
  return revocationProblem(statuses, given.policy ?? 'strict')?.message ?? (by === '' ? 'ok' : `ok by ${by}`)
}

const path = (holder: { certificate: Certificate }): Certificate[] => [holder.certificate, ca.certificate]
const list = (...args: Parameters<typeof crl>) => decodeCrl(crl(...args))
const reply =
  (changes: Partial<Reply> = {}): Server =>
  (request) => {
    const nonce = nonceOf(request.body!)
    return ocspResponse({
      certificate: withOcsp.certificate,
      issuer: ca.certificate,
      signer: ca,
      ...(nonce === undefined ? {} : { nonce }),
      ...changes,
    })
  }

describe('the policy', () => {
  test.each<[RevocationPolicy, string, { certificate: Certificate }, string]>([
    ['strict', 'names nothing to ask', plain, 'it names no CRL and no OCSP server, and no CRL is configured'],
    ['ifuri', 'names nothing to ask', plain, 'ok'],
    ['relaxed', 'names nothing to ask', plain, 'ok'],
    ['strict', 'names a CRL that is not there', withCrl, `${CRL_URL} could not be fetched (the server answered 404)`],
    ['ifuri', 'names a CRL that is not there', withCrl, `${CRL_URL} could not be fetched (the server answered 404)`],
    ['relaxed', 'names a CRL that is not there', withCrl, 'ok'],
    [
      'ifuri',
      'names an OCSP server that is not there',
      withOcsp,
      `${OCSP_URL} could not be fetched (the server answered 404)`,
    ],
  ])('%s, of a certificate that %s', async (policy, _, holder, expected) => {
    const outcome = await check(path(holder), { policy })
    if (expected === 'ok') expect(outcome).toBe('ok')
    else
      expect(outcome).toBe(
        `nobody says whether "C=CH, O=Typeswan, CN=gateway" was revoked, and revocation is ${policy}: ${expected}`,
      )
  })

  it('relaxed refuses what was revoked all the same', async () => {
    expect(await check(path(plain), { policy: 'relaxed', world: { crls: [list(ca, [plain.certificate])] } })).toBe(
      '"C=CH, O=Typeswan, CN=gateway" was revoked at 2026-01-13 12:00:00 UTC (keyCompromise), says the CRL of "C=CH, O=Typeswan, CN=Root"',
    )
  })
})

describe('a CRL', () => {
  it('that is configured settles it without anything being fetched', async () => {
    expect(await check(path(withBoth), { world: { crls: [list(ca)] } })).toMatch(/^ok by the CRL/)
    expect(asked).toEqual([])
  })

  it('is fetched from where the certificate says, and kept until its next update', async () => {
    const cache = new RevocationCache()
    const servers = { [CRL_URL]: () => crl(ca, [plain.certificate]) }
    expect(await check(path(withCrl), { servers, world: { cache } })).toBe(`ok by the CRL of ${CRL_URL}`)
    expect(asked).toEqual([CRL_URL])
    expect(await check(path(withCrl), { servers, world: { cache } })).toMatch(/^ok/)
    expect(asked).toEqual([])
    expect(await check(path(withCrl), { servers, world: { cache, now: today + DAY + 1 } })).toContain(
      'it should have been replaced at 2026-01-16T12:00:00.000Z',
    )
    expect(asked).toEqual([CRL_URL])
  })

  it('that says revoked counts more than an older one of the peer that does not', async () => {
    expect(await check(path(plain), { world: { crls: [list(ca), list(ca, [plain.certificate])] } })).toContain(
      'was revoked',
    )
  })

  it('is asked for about the intermediate authorities too', async () => {
    const middle = intermediate('CN=Middle', ca)
    const peer = gateway(middle)
    const chain = [peer.certificate, middle.certificate, ca.certificate]
    expect(await check(chain, { world: { crls: [list(middle)] } })).toMatch(
      /^nobody says whether "CN=Middle" was revoked/,
    )
    expect(await check(chain, { world: { crls: [list(middle), list(ca)] } })).toMatch(/^ok/)
    expect(await check(chain, { world: { crls: [list(middle), list(ca, [middle.certificate])] } })).toMatch(
      /^"CN=Middle" was revoked/,
    )
  })

  const impostor = issue('C=CH, O=Typeswan, CN=Root', undefined, { key: 'ecdsa-p384' })
  const noSign = root('C=CH, O=Typeswan, CN=Root', { extensions: [extension.keyUsage('keyCertSign')] })
  const critical = (oid: string, value: Uint8Array) => ({ extensions: [{ oid, critical: true, value }] })

  test.each([
    ['of another authority', list(root('CN=Other')), 'it is of "CN=Other"'],
    ['that somebody else signed in its name', list(impostor), 'did not sign it'],
    ['that is out of date', list(ca, [], { nextUpdate: today - DAY / 2 }), 'it should have been replaced'],
    ['of tomorrow', list(ca, [], { thisUpdate: today + DAY }), 'it is not valid yet'],
    ['that is a delta', list(ca, [], critical('2.5.29.27', Uint8Array.of(2, 1, 1))), 'it is a delta CRL'],
    [
      'with an unknown critical extension',
      list(ca, [], critical('1.2.3', Uint8Array.of(5, 0))),
      'critical extension 1.2.3',
    ],
    [
      'about authorities only',
      list(ca, [], critical('2.5.29.28', Uint8Array.of(0x30, 3, 0x82, 1, 0xff))),
      'it is about authorities only',
    ],
    [
      'of a distribution point that is only a name of the directory',
      list(ca, [], critical('2.5.29.28', Uint8Array.of(0x30, 8, 0xa0, 6, 0xa0, 4, 0xa4, 2, 0x30, 0))),
      'it is of a distribution point without a URL',
    ],
    [
      'for some reasons only',
      list(ca, [], critical('2.5.29.28', Uint8Array.of(0x30, 4, 0x83, 2, 1, 2))),
      'it is for some reasons only',
    ],
    [
      'that is indirect',
      list(ca, [], critical('2.5.29.28', Uint8Array.of(0x30, 3, 0x84, 1, 0xff))),
      'it is an indirect CRL',
    ],
  ])('%s settles nothing', async (_, one, expected) => {
    expect(await check(path(plain), { world: { crls: [one] } })).toContain(expected)
  })

  it('of an authority that may not sign any settles nothing', async () => {
    expect(await check([plain.certificate, noSign.certificate], { world: { crls: [list(noSign)] } })).toContain(
      'its issuer has no cRLSign in keyUsage',
    )
  })

  it('without a next update clears for a day, or as long as is set, and revokes for ever', async () => {
    const thisUpdate = today - 5 * DAY
    const young = list(ca, [], { nextUpdate: undefined })
    const old = list(ca, [], { thisUpdate, nextUpdate: undefined })
    expect(await check(path(plain), { world: { crls: [young] } })).toMatch(/^ok/)
    expect(await check(path(plain), { world: { crls: [old] } })).toContain(
      'it has no nextUpdate, which RFC 5280 §5.1.2.5 demands, and is of 2026-01-10 12:00:00 UTC: it counts for 24 h (have it issued with nextUpdate, or raise crlMaxAge)',
    )
    expect(await check(path(plain), { world: { crls: [old], crlMaxAgeMs: 6 * DAY } })).toMatch(/^ok/)
    const revoking = list(ca, [plain.certificate], { thisUpdate, nextUpdate: undefined })
    expect(await check(path(plain), { policy: 'relaxed', world: { crls: [revoking] } })).toContain('was revoked')
  })

  const sha1List = (...revoked: Certificate[]) =>
    decodeCrl(
      issueCrl(
        {
          thisUpdate: today,
          nextUpdate: today + DAY,
          revoked: revoked.map(({ serial }) => ({ serial, at: today, reason: 1 })),
          extensions: [],
        },
        { name: ca.certificate.subject, key: ca.key, scheme: { kind: 'ecdsa', hash: 'sha1', encoding: 'der' } },
        nodeSignatures,
      ),
    )

  it('signed with SHA-1 clears nobody unless that is allowed, and revokes all the same', async () => {
    expect(await check(path(plain), { world: { crls: [sha1List()] } })).toContain(
      'the CRL of "C=CH, O=Typeswan, CN=Root": it is signed with ecdsa-with-SHA1, SHA-256 or better was expected (have it signed with SHA-256, or set allowSha1)',
    )
    const rules = { minRsaBits: 2048, allowSha1: true }
    expect(await check(path(plain), { world: { crls: [sha1List()], rules } })).toMatch(/^ok/)
    expect(await check(path(plain), { policy: 'relaxed', world: { crls: [sha1List(plain.certificate)] } })).toContain(
      'was revoked',
    )
  })

  it('signed by an RSA key shorter than minRsaBits clears nobody', async () => {
    const short = root('CN=Short', { key: 'rsa-1024' as never })
    const peer = gateway(short)
    expect(await check([peer.certificate, short.certificate], { world: { crls: [list(short)] } })).toContain(
      'it is signed by the key RSA-1024, at least 2048 bits were expected (use a longer key, or lower minRsaBits)',
    )
  })

  it('that is no CRL is told of', async () => {
    expect(await check(path(withCrl), { servers: { [CRL_URL]: () => Uint8Array.of(60, 104) } })).toContain(
      `the CRL of ${CRL_URL}: CRL: `,
    )
  })

  it('cut or changed anywhere is a value or a DecodeError', () => {
    const der = crl(ca, [plain.certificate, withCrl.certificate])
    for (let length = 0; length < der.length; length++)
      expect(() => decodeCrl(der.subarray(0, length))).toThrow(DecodeError)
    for (let at = 0; at < der.length; at++) {
      for (const octet of [[0, 0x30, 0x80, 0xff][at % 4]!, der[at]! ^ 1]) {
        try {
          decodeCrl(der.with(at, octet))
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }
    }
  })

  it('of 20,000 certificates is read in little time', () => {
    const der = longCrl(20_000)
    const started = performance.now()
    expect(decodeCrl(der).revoked.size).toBe(20_000)
    expect(performance.now() - started).toBeLessThan(2000)
  })
})

/** A list of so many, made of one of one: the library would take long to make it. */
function longCrl(entries: number): Uint8Array {
  const one = crl(ca, [], { revoked: [{ serial: Uint8Array.of(1, 2, 3, 4), at: today, reason: 4 }] })
  const whole = new DerReader(one, 'CRL', 'test').sequence('CRL')
  const tbs = whole.sequence('CRL')
  const [version, algorithm, issuer, thisUpdate, nextUpdate, list, extensions] = Array.from({ length: 7 }, () =>
    tbs.any('field'),
  )
  const entry = new DerReader(list!, 'CRL', 'test').sequence('list').any('entry')
  const serial = toHex(entry).indexOf('020401020304') / 2
  const all = Array.from({ length: entries }, (_, at) => {
    const copy = entry.slice()
    copy.set([at >>> 16, at >>> 8, at & 0xff], serial + 3)
    return copy
  })
  const fields = [
    version!,
    algorithm!,
    issuer!,
    thisUpdate!,
    nextUpdate!,
    derElement(DerTag.SEQUENCE, ...all),
    extensions!,
  ]
  return derElement(
    DerTag.SEQUENCE,
    derElement(DerTag.SEQUENCE, ...fields),
    whole.any('algorithm'),
    whole.any('signature'),
  )
}

describe('OCSP', () => {
  const responder = issue('CN=Responder', ca, { extensions: [extension.extendedKeyUsage(Purpose.ocspSigning)] })

  test.each<[string, Partial<Reply>, string]>([
    ['good of the issuer', {}, 'ok by the OCSP server'],
    ['good of the issuer by name', { byName: true }, 'ok by the OCSP server'],
    ['good without a next update', { nextUpdate: undefined }, 'ok by the OCSP server'],
    ['good of its responder', { signer: responder, certificates: [responder.certificate] }, 'ok by the OCSP server'],
    ['revoked', { status: 'revoked' }, 'was revoked at 2026-01-14 12:00:00 UTC (keyCompromise), says the OCSP server'],
    ['unknown', { status: 'unknown' }, `the OCSP server ${OCSP_URL} does not know it`],
    ['of another nonce', { nonce: Uint8Array.of(9) }, 'it has another nonce than was sent'],
    ['about another certificate', { certificate: plain.certificate }, 'it is about other certificates'],
    [
      'that is too old',
      { thisUpdate: today - 3 * DAY, nextUpdate: today - DAY },
      'it was good until 2026-01-14 12:00:00 UTC',
    ],
    [
      'that is too old, without a next update',
      { thisUpdate: today - 3 * DAY, nextUpdate: undefined },
      'it was good until',
    ],
    ['of tomorrow', { thisUpdate: today + DAY }, 'it is not valid before'],
    ['of somebody else', { signer: root('CN=Other') }, 'its signature is not that of the responder whom it names'],
    ['of a responder of somebody else', signedByOther(), 'was not made responder by'],
    ['of a certificate that is no responder', noResponder(), 'is not for ocspSigning (extKeyUsage)'],
    ['of a responder that expired', expired(), 'expired at'],
  ])('an answer %s', async (_, changes, expected) => {
    expect(await check(path(withOcsp), { servers: { [OCSP_URL]: reply(changes) } })).toContain(expected)
  })

  const sha1Scheme = { kind: 'ecdsa', hash: 'sha1', encoding: 'der' } as const
  const delegate = (subject: string, options: Parameters<typeof issue>[2]): Partial<Reply> => {
    const extensions = [extension.extendedKeyUsage(Purpose.ocspSigning)]
    const signer = issue(subject, ca, { extensions, ...options })
    return { signer, certificates: [signer.certificate] }
  }

  test.each<[string, Partial<Reply>, string]>([
    ['signed with SHA-1', { scheme: sha1Scheme }, 'it is signed with ecdsa-with-SHA1, SHA-256 or better was expected'],
    [
      "whose responder's certificate is signed with SHA-1",
      delegate('CN=Weak responder', { scheme: sha1Scheme }),
      'the certificate of its signer "CN=Weak responder" is signed with ecdsa-with-SHA1, SHA-256 or better was expected',
    ],
    [
      'whose responder has an RSA key shorter than minRsaBits',
      delegate('CN=Short responder', { key: 'rsa-1024' as never }),
      'it is signed by the key RSA-1024, at least 2048 bits were expected',
    ],
  ])('an answer %s clears nobody unless that is allowed, and revokes all the same', async (_, changes, expected) => {
    const servers = (status: Reply['status']) => ({ [OCSP_URL]: reply({ ...changes, ...(status && { status }) }) })
    const rules = { minRsaBits: 1024, allowSha1: true }
    const cache = new RevocationCache()
    const allowed = await check(path(withOcsp), { servers: servers('good'), world: { rules, cache } })
    expect(allowed).toContain('ok by the OCSP server')
    // Also where an answer is kept that was good by other rules.
    expect(await check(path(withOcsp), { servers: servers('good'), world: { cache } })).toContain(expected)
    expect(await check(path(withOcsp), { servers: servers('revoked'), policy: 'relaxed' })).toContain('was revoked')
  })

  function signedByOther(): Partial<Reply> {
    const other = issue('CN=Evil', root('CN=Other'), { extensions: [extension.extendedKeyUsage(Purpose.ocspSigning)] })
    return { signer: other, certificates: [other.certificate] }
  }

  function noResponder(): Partial<Reply> {
    return { signer: plain, certificates: [plain.certificate] }
  }

  function expired(): Partial<Reply> {
    const extensions = [extension.extendedKeyUsage(Purpose.ocspSigning)]
    const old = issue('CN=Old', ca, { extensions, notAfter: today - DAY })
    return { signer: old, certificates: [old.certificate] }
  }

  it('is kept until its next update', async () => {
    const cache = new RevocationCache()
    const servers = { [OCSP_URL]: reply() }
    await check(path(withOcsp), { servers, world: { cache } })
    expect(asked).toEqual([OCSP_URL])
    expect(await check(path(withOcsp), { servers, world: { cache } })).toBe('ok by a kept OCSP response')
    expect(asked).toEqual([])
  })

  it('that the peer brought in a CERT payload settles it (RFC 4806)', async () => {
    const response = (status: Reply['status']) =>
      ocspResponse({
        certificate: plain.certificate,
        issuer: ca.certificate,
        signer: ca,
        ...(status ? { status } : {}),
      })
    expect(await check(path(plain), { world: { ocspResponses: [response('good')] } })).toBe(
      'ok by an OCSP response that the peer brought',
    )
    expect(await check(path(plain), { world: { ocspResponses: [response('revoked')] }, policy: 'relaxed' })).toContain(
      'was revoked',
    )
    expect(await check(path(plain), { world: { ocspResponses: [Uint8Array.of(1)] } })).toContain(
      'the OCSP response of the peer: ',
    )
  })

  it('has four keys tried at most, however many certificates the peer brings with it', async () => {
    let verified = 0
    const verify: typeof nodeSignatures.verify = (...given) => {
      verified++
      return nodeSignatures.verify(...given)
    }
    const named = Array.from({ length: 20 }, () => issue('CN=responder', ca).certificate)
    const signer = issue('CN=responder', ca, { key: 'ecdsa-p384' })
    const ocspResponses = [
      ocspResponse({
        certificate: plain.certificate,
        issuer: ca.certificate,
        signer,
        certificates: named,
        byName: true,
      }),
    ]
    const world = { ocspResponses, signatures: { ...nodeSignatures, verify } }
    expect(await check(path(plain), { world })).toContain('is not that of the responder whom it names')
    expect(verified).toBe(4)
  })

  it('is followed by the CRL where it gives no answer, and a server that failed is left in peace for a minute', async () => {
    const cache = new RevocationCache()
    const servers = { [CRL_URL]: () => crl(ca, [], { nextUpdate: today + 1000 }) }
    expect(await check(path(withBoth), { servers, world: { cache } })).toBe(`ok by the CRL of ${CRL_URL}`)
    expect(asked).toEqual([OCSP_URL, CRL_URL])
    await check(path(withBoth), { servers, world: { cache, now: today + 2000 } })
    expect(asked).toEqual([CRL_URL])
    await check(path(withBoth), { servers, world: { cache, now: today + 61_000 } })
    expect(asked).toEqual([OCSP_URL, CRL_URL])
  })

  it('that has no answer tells its status', async () => {
    expect(
      await check(path(withOcsp), { servers: { [OCSP_URL]: () => Uint8Array.of(0x30, 3, 0x0a, 1, 6) } }),
    ).toContain(`the OCSP response of ${OCSP_URL}: unauthorized`)
  })

  it('cut or changed anywhere is a value or a DecodeError', () => {
    const der = ocspResponse({
      certificate: plain.certificate,
      issuer: ca.certificate,
      signer: ca,
      status: 'revoked',
      nonce: Uint8Array.of(1),
    })
    for (let length = 0; length < der.length; length++)
      expect(() => decodeOcspResponse(der.subarray(0, length))).toThrow(DecodeError)
    for (let at = 0; at < der.length; at++) {
      for (const octet of [[0, 0x30, 0x80, 0xff][at % 4]!, der[at]! ^ 1]) {
        try {
          decodeOcspResponse(der.with(at, octet))
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }
    }
  })
})
