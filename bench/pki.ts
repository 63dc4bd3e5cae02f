import { AsnConvert } from '@peculiar/asn1-schema'
import { Certificate as AsnCertificate, CertificateList as AsnList } from '@peculiar/asn1-x509'
import { Certificate, CertificateRevocationList } from 'pkijs'
import { fromHex } from '../src/bytes/index.ts'
import { DerTag, derElement, derOid } from '../src/crypto/der.ts'
import { decodePublicKey } from '../src/crypto/public-key.ts'
import type { PrivateKey, SignatureProvider } from '../src/crypto/signature.ts'
import { parseName } from '../src/ike/codec/distinguished-name-text.ts'
import { decodeCertificate } from '../src/pki/certificate.ts'
import { decodeCrl } from '../src/pki/crl.ts'
import { extension, type Issuer, issueCertificate, issueCrl } from '../src/pki/issue.ts'

/** Certificates and lists, what a stranger may send among them. */
export const report = {
  question: 'How long does it take to read, by us (pkijs behind its gate), by pkijs alone, and by @peculiar/asn1-x509?',
  run: ({ quick }: { quick: boolean }): string[][] => [
    ['what', 'octets', 'ms CPU', 'pkijs', 'asn1-x509'],
    ...certificates.map(([name, der]) =>
      row(name, der, quick, [
        () => decodeCertificate(der),
        () => Certificate.fromBER(der as Uint8Array<ArrayBuffer>),
        () => AsnConvert.parse(der, AsnCertificate),
      ]),
    ),
    ...[100, 1000, 20_000].map((entries) => {
      const der = listOf(entries)
      return row(`CRL of ${entries}`, der, quick, [
        () => decodeCrl(der),
        () => CertificateRevocationList.fromBER(der as Uint8Array<ArrayBuffer>),
        () => AsnConvert.parse(der, AsnList),
      ])
    }),
  ],
}

function row(name: string, der: Uint8Array, quick: boolean, readers: readonly (() => unknown)[]): string[] {
  return [name, String(der.length), ...readers.map((read) => milliseconds(read, quick))]
}

/** The least of several rounds, in CPU time, which other load on the machine changes little. */
function milliseconds(read: () => unknown, quick: boolean): string {
  let [least, verdict] = [Number.POSITIVE_INFINITY, '']
  for (let round = 0; round < (quick ? 3 : 30); round++) {
    const before = process.cpuUsage()
    try {
      read()
    } catch {
      verdict = ' (refused)'
    }
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / 1000)
  }
  return `${least.toFixed(2)}${verdict}`
}

const signatures: SignatureProvider = {
  name: 'none',
  verify: () => true,
  sign: () => fromHex('3006020101020101'),
}
const publicKey = decodePublicKey(
  fromHex(
    '3059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5',
  ),
)
const key: PrivateKey = { kind: 'ec', curve: 'P-256', pkcs8: new Uint8Array(0), publicKey }
const issuer: Issuer = { name: parseName('C=CH, O=Typeswan, CN=Root'), key }
const made = (extensions: readonly { oid: string; critical: boolean; value: Uint8Array }[]): Uint8Array =>
  issueCertificate(
    {
      subject: parseName('C=CH, O=Typeswan, CN=vpn.example.org'),
      publicKey,
      serial: Uint8Array.of(7),
      notBefore: 0,
      notAfter: 2e12,
      extensions,
    },
    issuer,
    signatures,
  )
const alternative = (value: Uint8Array) => ({ oid: '2.5.29.17', critical: false, value })
const namesOf = (count: number): Uint8Array =>
  derElement(DerTag.SEQUENCE, ...Array.from({ length: count }, () => fromHex('8203612e62')))
const uris = Array.from({ length: 30 }, (_, at) => `http://example.org/${at}.crl`)

const certificates: readonly (readonly [string, Uint8Array])[] = [
  [
    'certificate of a gateway',
    made([
      extension.basicConstraints(false),
      extension.keyUsage('digitalSignature'),
      extension.extendedKeyUsage('1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.17'),
      extension.subjectAltName([
        { kind: 'dns', text: 'vpn.example.org' },
        { kind: 'ip', octets: Uint8Array.of(192, 0, 2, 1) },
      ]),
      extension.subjectKeyIdentifier(new Uint8Array(20)),
      extension.authorityKeyIdentifier(new Uint8Array(20)),
      extension.crlDistributionPoints(uris[0]!),
      extension.ocspUrls('http://ocsp.example.org/'),
    ]),
  ],
  ['certificate with 900 names', made([alternative(namesOf(900))])],
  ['certificate with 6000 names', made([alternative(namesOf(6000))])],
  ['certificate with 30 places of CRLs', made([extension.crlDistributionPoints(...uris)])],
  [
    'certificate with an OBJECT IDENTIFIER of 30,000 arcs',
    made([
      {
        oid: '2.5.29.37',
        critical: false,
        value: derElement(DerTag.SEQUENCE, derElement(6, new Uint8Array(30_000).fill(42))),
      },
    ]),
  ],
  [
    'certificate with 200 unknown extensions',
    made(Array.from({ length: 200 }, (_, at) => ({ oid: `1.2.${at}`, critical: false, value: derOid('1.2') }))),
  ],
]

/** A list of so many, made of one of one. */
function listOf(entries: number): Uint8Array {
  const revoked = [{ serial: fromHex('0a0b0c0d0e0f'), at: 0, reason: 4 }]
  const one = issueCrl({ thisUpdate: 0, nextUpdate: 1e12, revoked, extensions: [] }, issuer, signatures)
  const serial = one.findIndex((_, at) => one[at] === 0x0a && one[at + 1] === 0x0b && one[at + 2] === 0x0c)
  // SEQUENCE { INTEGER, UTCTime, extensions }, within a SEQUENCE of its own.
  const start = serial - 4
  const entry = one.subarray(start, start + 2 + one[start + 1]!)
  const all = Array.from({ length: entries }, (_, at) => {
    const copy = entry.slice()
    copy.set([at >>> 16, at >>> 8, at & 0xff], 7)
    return copy
  })
  const [outer, body] = [headBytes(one, 0), headBytes(one, headBytes(one, 0))]
  const algorithm = one.subarray(start + entry.length)
  const fields = one.subarray(outer + body, start - 2)
  return derElement(
    DerTag.SEQUENCE,
    derElement(DerTag.SEQUENCE, fields, derElement(DerTag.SEQUENCE, ...all)),
    algorithm,
  )
}

const headBytes = (der: Uint8Array, at: number): number => (der[at + 1]! < 0x80 ? 2 : 2 + (der[at + 1]! & 0x7f))
