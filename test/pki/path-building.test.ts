import { describe, expect, it, test } from 'vitest'
import { nodeSignatures } from '../../src/crypto/node-signature.ts'
import type { Certificate } from '../../src/pki/certificate.ts'
import { extension } from '../../src/pki/issue.ts'
import { type KeyUsage, Purpose } from '../../src/pki/oids.ts'
import { trustedPaths } from '../../src/pki/path-building.ts'
import type { PathProblem, PathRules } from '../../src/pki/path-rules.ts'
import {
  authorityExtensions,
  DAY,
  gateway,
  type Holder,
  intermediate,
  issue,
  keyOf,
  names,
  root,
  today,
} from './authority.ts'

const rules: PathRules = { now: today, minRsaBits: 2048, allowSha1: false, purpose: 'any' }

interface Given {
  readonly sent: readonly (Holder | Certificate)[]
  readonly anchors: readonly Holder[]
  readonly rules?: Partial<PathRules>
}

function search({ sent, anchors, rules: changes }: Given): { paths: string[][]; problem: PathProblem } {
  const certificates = sent.map((one) => ('certificate' in one ? one.certificate : one))
  const found = trustedPaths({
    endEntity: certificates[0]!,
    intermediates: certificates.slice(1),
    anchors: anchors.map(({ certificate }) => certificate),
    rules: { ...rules, ...changes },
    signatures: nodeSignatures,
  })
  const paths: string[][] = []
  for (;;) {
    const next = found.next()
    if (next.done === true) return { paths, problem: next.value }
    paths.push(next.value.map(({ subjectText }) => subjectText.replace(/.*CN=/, '')))
  }
}

/** The refusal; there must be no path. */
function refusal(given: Given): string {
  const { paths, problem } = search(given)
  expect(paths).toEqual([])
  expect(problem.hint).not.toBe('')
  return problem.message
}

const ca = root()
const middle = intermediate('CN=Middle', ca)
const peer = gateway(middle)

describe('a path', () => {
  it('goes from the end entity over an intermediate that was sent to the anchor', () => {
    expect(search({ sent: [peer, middle], anchors: [ca] }).paths).toEqual([['gateway', 'Middle', 'Root']])
  })

  it('is found among intermediates in any order, twice, and others that have nothing to do with it', () => {
    const stranger = root('CN=Stranger')
    const low = intermediate('CN=Low', middle)
    const sent = [gateway(low), stranger, low, ca, low, middle]
    expect(search({ sent, anchors: [ca] }).paths).toEqual([['gateway', 'Low', 'Middle', 'Root']])
  })

  it('may end at an intermediate or at the end entity, when that is what is trusted', () => {
    expect(search({ sent: [peer], anchors: [middle] }).paths).toEqual([['gateway', 'Middle']])
    expect(search({ sent: [peer], anchors: [peer] }).paths).toEqual([['gateway']])
  })

  it('is found over each of two authorities with one key, so that revocation can choose', () => {
    const other = root('CN=Other root')
    const cross = intermediate('CN=Middle', other)
    expect(search({ sent: [peer, middle, cross], anchors: [ca, other] }).paths).toEqual([
      ['gateway', 'Middle', 'Root'],
      ['gateway', 'Middle', 'Other root'],
    ])
  })

  it('goes by the key identifier where several authorities have the name', () => {
    const id = extension.subjectKeyIdentifier(Uint8Array.of(7))
    const first = issue('CN=Twin', ca, { key: 'ecdsa-p384', extensions: authorityExtensions() })
    const second = issue('CN=Twin', ca, { extensions: [...authorityExtensions(), id] })
    const end = gateway(second, ['a.example'], { extensions: [extension.authorityKeyIdentifier(Uint8Array.of(7))] })
    expect(search({ sent: [end, first, second], anchors: [ca] }).paths).toEqual([['gateway', 'Twin', 'Root']])
  })

  it('does not go round among authorities that certify each other', () => {
    const a = root('CN=A')
    const b = root('CN=B')
    const sent = [gateway(a), a, b, intermediate('CN=A', b), intermediate('CN=B', a)]
    expect(refusal({ sent, anchors: [ca] })).toContain('not one of the trusted authorities')
  })

  it('is looked for with sixteen signatures at most: whoever sends the certificates has proved nothing', () => {
    const namesakes = Array.from({ length: 20 }, (_, at) =>
      issue('CN=Twin', ca, { serial: 800 + at, extensions: authorityExtensions() }),
    )
    let verified = 0
    const verify = () => {
      verified++
      return false
    }
    const found = trustedPaths({
      endEntity: gateway(namesakes[0]!).certificate,
      intermediates: namesakes.map(({ certificate }) => certificate),
      anchors: [ca.certificate],
      rules,
      signatures: { ...nodeSignatures, verify },
    })
    expect(found.next().value).toMatchObject({
      message: expect.stringContaining('none of the first 16 signatures that were verified led to a trusted authority'),
      hint: 'have the peer send only the certificates of its own path',
    })
    expect(verified).toBe(16)
  })

  it('is given up among certificates that make too many', () => {
    const layers = [1, 2, 3, 4, 5].map((layer) =>
      [1, 2, 3, 4].map((key) => ({ layer, key: keyOf('ecdsa-p256', `layer ${layer} ${key}`) })),
    )
    // Every authority of a layer has the same name, so each signature must be tried with each key of the layer above.
    const sent: Holder[] = [gateway({ certificate: root('CN=Layer 1').certificate, key: layers[0]![0]!.key })]
    const sentAbove = layers.flatMap((keys, at) =>
      keys.flatMap(({ layer }, index) =>
        [1, 2, 3].map((serial) =>
          issue(`CN=Layer ${layer}`, root(`CN=Layer ${at + 2}`), {
            serial: 100 * index + serial,
            extensions: authorityExtensions(),
          }),
        ),
      ),
    )
    const started = performance.now()
    const { paths } = search({ sent: [...sent, ...sentAbove], anchors: [ca] })
    expect(paths).toEqual([])
    expect(performance.now() - started).toBeLessThan(2000)
  })
})

describe('a refused path tells what was wrong', () => {
  test('with the intermediate that was not sent', () => {
    expect(refusal({ sent: [peer], anchors: [ca] })).toBe(
      '"C=CH, O=Typeswan, CN=gateway" was issued by "CN=Middle", whose certificate neither came with it nor is configured',
    )
  })

  test('with another authority of the same name', () => {
    const impostor = issue('C=CH, O=Typeswan, CN=Root', undefined, {
      key: 'ecdsa-p384',
      extensions: authorityExtensions(),
    })
    expect(refusal({ sent: [gateway(impostor)], anchors: [ca] })).toMatch(
      /CN=gateway" names .*CN=Root" as its issuer, but was not signed with that one's key \(RFC 5280 §6.1.3 \(a\)\(1\)\)/,
    )
  })

  test('with a certificate that is no longer, or not yet, valid', () => {
    const expired = gateway(ca, ['a.example'], { notAfter: today - DAY })
    expect(refusal({ sent: [expired], anchors: [ca] })).toMatch(
      /CN=gateway" expired at 2026-01-14 12:00:00 UTC, it is 2026-01-15 12:00:00 UTC/,
    )
    const early = gateway(ca, ['a.example'], { notBefore: today + DAY })
    expect(refusal({ sent: [early], anchors: [ca] })).toMatch(/is not valid before 2026-01-16 12:00:00 UTC/)
  })

  test('is valid at the first and at the last second', () => {
    const exact = gateway(ca, ['a.example'], { notBefore: today, notAfter: today })
    expect(search({ sent: [exact], anchors: [ca] }).paths).toHaveLength(1)
  })

  test('with an expired authority: that one is named', () => {
    const old = intermediate('CN=Old', ca, { notAfter: today - DAY })
    expect(refusal({ sent: [gateway(old), old], anchors: [ca] })).toMatch(/^"CN=Old" expired/)
  })

  test('with an end entity that acts as authority', () => {
    expect(refusal({ sent: [issue('CN=User', peer), peer, middle], anchors: [ca] })).toContain(
      'basicConstraints with cA true were expected',
    )
    const none = intermediate('CN=None', ca, { extensions: [extension.basicConstraints(false)] })
    expect(refusal({ sent: [gateway(none), none], anchors: [ca] })).toContain('say that it is none')
  })

  test('with an authority that may not sign certificates', () => {
    const unfit = intermediate('CN=Unfit', ca, {
      extensions: [extension.basicConstraints(true), extension.keyUsage('cRLSign')],
    })
    expect(refusal({ sent: [gateway(unfit), unfit], anchors: [ca] })).toMatch(
      /"CN=Unfit" issued .* its keyUsage is cRLSign, keyCertSign was expected \(RFC 5280 §6.1.4 \(n\)\)/,
    )
  })

  test('with more authorities than pathLenConstraint allows', () => {
    const strict = root('CN=Strict', { extensions: authorityExtensions(0) })
    const below = intermediate('CN=Below', strict)
    expect(search({ sent: [gateway(strict)], anchors: [strict] }).paths).toHaveLength(1)
    expect(refusal({ sent: [gateway(below), below], anchors: [strict] })).toMatch(
      /"CN=Strict" allows 0 authorities below it \(pathLenConstraint\), there are 1/,
    )
  })

  test('with a critical extension that is not understood', () => {
    const odd = { oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }
    expect(refusal({ sent: [gateway(ca, ['a.example'], { extensions: [odd] })], anchors: [ca] })).toContain(
      'has the critical extension 1.2.3.4, which is not understood',
    )
    const harmless = gateway(ca, ['a.example'], { extensions: [{ ...odd, critical: false }] })
    expect(search({ sent: [harmless], anchors: [ca] }).paths).toHaveLength(1)
  })

  test('with SHA-1, unless it is allowed', () => {
    const weak = gateway(ca, ['a.example'], { scheme: { kind: 'ecdsa', hash: 'sha1', encoding: 'der' } })
    expect(refusal({ sent: [weak], anchors: [ca] })).toContain(
      'is signed with ecdsa-with-SHA1, SHA-256 or better was expected',
    )
    expect(search({ sent: [weak], anchors: [ca], rules: { allowSha1: true } }).paths).toHaveLength(1)
  })

  test('with a short RSA key, unless it is allowed', () => {
    const weak = gateway(ca, ['a.example'], { key: 'rsa-1024' as never })
    expect(refusal({ sent: [weak], anchors: [ca] })).toContain('has the key RSA-1024, at least 2048 bits were expected')
    expect(search({ sent: [weak], anchors: [ca], rules: { minRsaBits: 1024 } }).paths).toHaveLength(1)
  })

  test('with a key usage that is not for signatures', () => {
    const usage = (...usages: readonly KeyUsage[]): Holder =>
      gateway(ca, ['a.example'], { extensions: [extension.keyUsage(...usages)] })
    expect(refusal({ sent: [usage('keyEncipherment')], anchors: [ca] })).toContain(
      'has the keyUsage keyEncipherment, digitalSignature was expected (RFC 4945 §5.1.3.2)',
    )
    for (const fit of ['digitalSignature', 'nonRepudiation'] as const)
      expect(search({ sent: [usage(fit, 'keyEncipherment')], anchors: [ca] }).paths).toHaveLength(1)
  })

  test.each([
    ['any', [Purpose.serverAuth], true],
    ['any', [Purpose.ocspSigning], false],
    ['server', [Purpose.serverAuth], true],
    ['server', [Purpose.clientAuth], false],
    ['client', [Purpose.clientAuth], true],
    ['client', [Purpose.serverAuth], false],
    ['ike', [Purpose.serverAuth, Purpose.ipsecIke], true],
    ['ike', [Purpose.serverAuth], false],
    ['ike', [Purpose.any], true],
    ['ike', undefined, true],
  ] as const)('where purpose %s is demanded, of a certificate for %s: %s', (purpose, oids, fits) => {
    const extensions = oids === undefined ? [] : [extension.extendedKeyUsage(...oids)]
    const given = { sent: [gateway(ca, ['a.example'], { extensions })], anchors: [ca], rules: { purpose } }
    if (fits) expect(search(given).paths).toHaveLength(1)
    else
      expect(refusal(given)).toMatch(
        /is for (ocspSigning|clientAuth|serverAuth) \(extKeyUsage\), one of .* was expected/,
      )
  })

  test('of the candidate that came farthest', () => {
    const unknown = intermediate('CN=Middle', root('CN=Unknown'))
    const expired = intermediate('CN=Middle', ca, { notAfter: today - DAY })
    expect(refusal({ sent: [peer, unknown, expired], anchors: [ca] })).toMatch(/^"CN=Middle" expired/)
  })
})

describe('name constraints', () => {
  const constrained = (permitted: readonly string[], excluded: readonly string[] = []): Holder =>
    intermediate('CN=Constrained', ca, {
      extensions: [...authorityExtensions(), extension.nameConstraints(subtrees(permitted), subtrees(excluded))],
    })
  const subtrees = (texts: readonly string[]) =>
    texts.map((text) => {
      const [address, mask] = text.split('/')
      const [one, other] = [names(address!)[0]!, mask === undefined ? undefined : names(mask)[0]!]
      if (one.kind !== 'ip' || other?.kind !== 'ip')
        return text.startsWith('mail:') ? { kind: 'email' as const, text: text.slice(5) } : one
      return { kind: 'ip' as const, octets: Uint8Array.of(...one.octets, ...other.octets) }
    })

  test.each([
    [['example.org'], [], 'example.org', true],
    [['example.org'], [], 'vpn.example.org', true],
    [['example.org'], [], 'VPN.Example.ORG', true],
    [['example.org'], [], 'badexample.org', false],
    [['.example.org'], [], 'example.org', false],
    [['example.org'], [], '10.1.2.3', true],
    [[], ['secret.example.org'], 'a.secret.example.org', false],
    [[], ['secret.example.org'], '*.example.org', false],
    [[], ['secret.example.org'], 'public.example.org', true],
    [['10.0.0.0/255.0.0.0'], [], '10.1.2.3', true],
    [['10.0.0.0/255.0.0.0'], [], '11.1.2.3', false],
    [['10.0.0.0/255.0.0.0'], [], '2001:db8::1', false],
    [['2001:db8::/ffff:ffff::'], [], '2001:db8::1', true],
    [['mail:example.org'], [], 'a@example.org', true],
    [['mail:example.org'], [], 'a@sub.example.org', false],
    [['mail:.example.org'], [], 'a@sub.example.org', true],
    [['mail:a@example.org'], [], 'b@example.org', false],
    [['C=CH, O=Typeswan'], [], 'x.example', true],
    [['C=CH, O=Other'], [], 'x.example', false],
    [[], ['C=CH'], 'x.example', false],
  ])('permitted %s, excluded %s: %s is fine: %s', (permitted, excluded, name, fine) => {
    const authority = constrained(permitted, excluded)
    const given = { sent: [gateway(authority, [name]), authority], anchors: [ca] }
    if (fine) expect(search(given).paths).toHaveLength(1)
    else expect(refusal(given)).toContain('breaks the name constraints of "CN=Constrained"')
  })

  const universal = (text: string) => ({
    type: '55040a',
    tag: 0x1c,
    value: Uint8Array.from([...text].flatMap((one) => [0, 0, one.charCodeAt(0) >>> 8, one.charCodeAt(0)])),
  })
  const unreadable = { type: '55040a', tag: 0x1b, value: new TextEncoder().encode('Evil') }
  const excludes = (attribute: ReturnType<typeof universal>): Holder =>
    intermediate('CN=Constrained', ca, {
      extensions: [...authorityExtensions(), extension.nameConstraints([], [{ kind: 'dn', name: [[attribute]] }])],
    })

  test.each([
    ['a UniversalString', universal('Evil'), 'O=evil, CN=x'],
    ['one with what is not seen in it', universal('E\u00advil'), 'O=Evil, CN=x'],
    ['a string that cannot be compared', unreadable, 'O=Good, CN=x'],
  ])('exclude a name by %s', (_, attribute, subject) => {
    const authority = excludes(attribute)
    expect(refusal({ sent: [issue(subject, authority), authority], anchors: [ca] })).toContain(
      'stands under the excluded',
    )
  })

  it('do not exclude another name by a UniversalString', () => {
    const authority = excludes(universal('Evil'))
    expect(search({ sent: [issue('O=Good, CN=x', authority), authority], anchors: [ca] }).paths).toHaveLength(1)
  })

  it('say which name broke which constraint', () => {
    const authority = constrained(['example.org'])
    expect(refusal({ sent: [gateway(authority, ['vpn.example.com']), authority], anchors: [ca] })).toBe(
      '"C=CH, O=Typeswan, CN=gateway" breaks the name constraints of "CN=Constrained": DNS:vpn.example.com does not stand under the permitted DNS:example.org (RFC 5280 §6.1.3 (b))',
    )
  })

  it('bind the authorities below too', () => {
    const authority = constrained(['C=CH'])
    const below = intermediate('C=DE, CN=Below', authority)
    expect(refusal({ sent: [gateway(below), below, authority], anchors: [ca] })).toMatch(/^"C=DE, CN=Below" breaks/)
  })
})
