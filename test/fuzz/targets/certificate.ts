import { equalBytes, fromHex } from '../../../src/bytes/index.ts'
import { identityProblem } from '../../../src/credentials/peer-identity.ts'
import { decodePublicKey } from '../../../src/crypto/public-key.ts'
import type { PrivateKey, SignatureProvider } from '../../../src/crypto/signature.ts'
import { DecodeError } from '../../../src/errors.ts'
import { formatIdentity, parseIdentity } from '../../../src/ike/auth/identity.ts'
import {
  type DistinguishedName,
  decodeName,
  encodeName,
  equalNames,
} from '../../../src/ike/codec/distinguished-name.ts'
import { formatName, parseName } from '../../../src/ike/codec/distinguished-name-text.ts'
import { type Certificate, decodeCertificate } from '../../../src/pki/certificate.ts'
import { crlProblem, decodeCrl } from '../../../src/pki/crl.ts'
import { formatGeneralName, type GeneralName } from '../../../src/pki/general-name.ts'
import { decodeBundle } from '../../../src/pki/hash-and-url.ts'
import { defaultScheme, extension, issueCertificate, issueCrl } from '../../../src/pki/issue.ts'
import { decodeOcspResponse } from '../../../src/pki/ocsp.ts'
import { verifyOcspResponse } from '../../../src/pki/ocsp-verify.ts'
import { trustedPaths } from '../../../src/pki/path-building.ts'
import type { Dice } from '../../../src/testing/hostile-dice.ts'
import { mutateOctets } from '../../../src/testing/hostile-octets.ts'
import { DAY, sha1, today } from '../../pki/authority.ts'
import { ocspResponse } from '../../pki/ocsp-responder.ts'
import { mutateDer } from '../der-tree.ts'
import { reduceOctets } from '../octets.ts'
import type { Target } from '../target.ts'

const now = today

/** Believes everything and signs nothing: what is to be found stands behind a good signature. */
const gullible: SignatureProvider = {
  name: 'gullible',
  verify: () => true,
  sign: () => fromHex('3006020101020101'),
}

const spki = fromHex(
  '3059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5',
)
const publicKey = decodePublicKey(spki)
const key: PrivateKey = { kind: 'ec', curve: 'P-256', pkcs8: new Uint8Array(0), publicKey }
const rootName = parseName('C=CH, O=Typeswan, CN=Root')

const names: readonly GeneralName[] = [
  { kind: 'dns', text: 'vpn.example.org' },
  { kind: 'email', text: 'alice@example.org' },
  { kind: 'ip', octets: Uint8Array.of(10, 1, 2, 3) },
  { kind: 'uri', text: 'http://example.org/' },
  { kind: 'dn', name: parseName('C=CH, CN=other') },
]

const everything = [
  extension.basicConstraints(true, 2),
  extension.keyUsage('digitalSignature', 'keyCertSign', 'cRLSign'),
  extension.extendedKeyUsage('1.3.6.1.5.5.7.3.17', '1.3.6.1.5.5.7.3.9'),
  extension.subjectAltName(names),
  extension.nameConstraints([names[0]!, names[4]!], [{ kind: 'ip', octets: new Uint8Array(8) }]),
  extension.subjectKeyIdentifier(Uint8Array.of(1)),
  extension.authorityKeyIdentifier(Uint8Array.of(2)),
  extension.crlDistributionPoints('http://example.org/a.crl'),
  extension.ocspUrls('http://ocsp.example.org/'),
  extension.ocspNoCheck(),
]

const made = (subject: DistinguishedName, extensions: typeof everything, scheme = defaultScheme(key)): Uint8Array =>
  issueCertificate(
    { subject, publicKey, serial: Uint8Array.of(5), notBefore: now - DAY, notAfter: now + DAY, extensions },
    { name: rootName, key, scheme },
    gullible,
  )

const rootDer = made(rootName, [
  extension.basicConstraints(true),
  extension.keyUsage('keyCertSign', 'cRLSign'),
  extension.nameConstraints(
    [...names, { kind: 'dns', text: '.example.org' }, { kind: 'uri', text: '.example.org' }].filter(
      ({ kind }) => kind !== 'ip',
    ) as GeneralName[],
    [
      { kind: 'dns', text: 'secret.example.org' },
      { kind: 'email', text: '.example.com' },
    ],
  ),
])
const root = decodeCertificate(rootDer)
const crlDer = issueCrl(
  {
    thisUpdate: now,
    nextUpdate: now + DAY,
    revoked: [{ serial: Uint8Array.of(5), at: now, reason: 1 }],
    extensions: [extension.crlNumber(7)],
  },
  { name: rootName, key },
  gullible,
)

const ocspDer = (status: 'good' | 'revoked', responder: Certificate): Uint8Array =>
  ocspResponse({
    certificate: root,
    issuer: root,
    signer: { certificate: responder, key },
    certificates: [responder],
    status,
    nonce: Uint8Array.of(1, 2),
    byName: status === 'revoked',
    signatures: gullible,
  })

/** What the first octet of an input chooses. */
type Check = (octets: Uint8Array, note: (situation: string) => void) => void
const checks: readonly Check[] = [checkCertificate, checkCrl, checkOcsp, checkName, (octets) => decodeBundle(octets)]

/**
 * What a stranger sends before anything of it is believed. The first octet of an input chooses: a certificate, a CRL, an OCSP response, a
 * distinguished name, a bundle; the rest are the octets.
 */
export const certificate: Target = {
  name: 'certificate',
  covers: [
    'pki/',
    'crypto/der-reader',
    'crypto/public-key',
    'ike/codec/distinguished-name',
    'credentials/peer-identity',
  ],

  seeds() {
    const leaf = made(parseName('C=CH, OU=Sales+CN=moon, E=a@b.example'), everything)
    const plain = made(parseName('CN=plain'), [])
    const pss = made(parseName('CN=pss'), [], { kind: 'rsa-pss', hash: 'sha256', saltBytes: 32 })
    const texts = ['CN=moon', 'C=CH, O=Über, CN=a\\,b', '1.2.3=#0c0178', 'CN=\\20x', 'DC=example, UID=x+CN=y']
    const bundle = Uint8Array.of(
      0x30,
      0x82,
      (plain.length + 4) >>> 8,
      plain.length + 4,
      0xa0,
      0x82,
      plain.length >>> 8,
      plain.length,
      ...plain,
    )
    return [
      ...[leaf, plain, rootDer, pss].map((der) => Uint8Array.of(0, ...der)),
      Uint8Array.of(1, ...crlDer),
      ...(['good', 'revoked'] as const).map((status) => Uint8Array.of(2, ...ocspDer(status, decodeCertificate(leaf)))),
      Uint8Array.of(2, ...ocspDer('good', root)),
      ...texts.map((text) => Uint8Array.of(3, ...encodeName(parseName(text)))),
      Uint8Array.of(4, ...bundle),
    ]
  },

  run(input, note) {
    const check = checks[input[0] ?? 0]
    if (check === undefined) return
    try {
      check(input.subarray(1), note)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  },

  mutate(input, dice: Dice, others) {
    const same = others.filter((other) => other[0] === input[0]).map((other) => other.subarray(1))
    const changed = dice.chance(80) ? mutateDer(input.subarray(1), dice, same) : undefined
    return Uint8Array.of(input[0] ?? 0, ...(changed ?? mutateOctets(input.subarray(1), dice, same)))
  },

  reduce: reduceOctets,
}

function checkCertificate(octets: Uint8Array, note: (situation: string) => void): void {
  const one = decodeCertificate(octets)
  for (const name of one.extensions.names) formatGeneralName(name)
  for (const name of [one.subject, one.issuer]) checkText(name)
  const rules = { now, minRsaBits: 2048, allowSha1: false, purpose: 'any' as const }
  const end = decodeCertificate(made(parseName('CN=end'), []))
  for (const [endEntity, intermediates] of [
    [one, [end]],
    [{ ...end, issuer: one.subject }, [one]],
  ] as const) {
    const paths = trustedPaths({ endEntity, intermediates, anchors: [root], rules, signatures: gullible })
    let next = paths.next()
    for (let count = 0; next.done !== true; next = paths.next()) {
      if (++count > 100) throw new Error('a certificate has more than 100 paths')
    }
    note(next.value.rule)
  }
  for (const id of ['vpn.example.org', 'a@example.org', '10.1.2.3', 'CN=plain']) identityProblem(parseIdentity(id), one)
  checkReadAgain(one)
}

/** Nothing of what it says depends on where it stood in memory. */
function checkReadAgain(one: Certificate): void {
  const again = decodeCertificate(one.der)
  if (!equalBytes(again.signed, one.signed) || again.subjectText !== one.subjectText)
    throw new Error('it reads differently the second time')
}

function checkCrl(octets: Uint8Array, note: (situation: string) => void): void {
  const crl = decodeCrl(octets)
  note(crlProblem(crl, root, root, now)?.replaceAll(/"[^"]*"|\d[\d.TZ:-]*/g, '') ?? 'a good CRL')
}

function checkOcsp(octets: Uint8Array, note: (situation: string) => void): void {
  const response = decodeOcspResponse(octets)
  if ('problem' in response) return note(response.problem.replaceAll(/[\d.]+/g, ''))
  const question = {
    certificate: root,
    issuer: root,
    nonce: undefined,
    now,
    signatures: gullible,
    hash: (_: string, data: Uint8Array) => sha1(data),
    rules: { minRsaBits: 2048, allowSha1: false },
  }
  const answer = verifyOcspResponse(response, question)
  note('problem' in answer ? answer.problem.slice(0, 20) : answer.status)
}

function checkName(octets: Uint8Array): void {
  const name = decodeName(octets)
  if (!equalNames(decodeName(encodeName(name)), name)) throw new Error('a name is another one when it is encoded again')
  checkText(name)
  const text = formatIdentity({ type: 9, data: octets })
  if (formatIdentity(parseIdentity(text)) !== text)
    throw new Error(`the identity ${text} is written in another way when it was read`)
}

function checkText(name: DistinguishedName): void {
  if (name.length === 0) return
  const text = formatName(name)
  if (!equalNames(parseName(text), name)) throw new Error(`the name ${text} is another one when it is read`)
  if (formatName(parseName(text)) !== text)
    throw new Error(`the name ${text} is written in another way when it was read`)
}
