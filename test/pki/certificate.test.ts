import { X509Certificate } from 'node:crypto'
import { AsnConvert } from '@peculiar/asn1-schema'
import { BasicConstraints, id_ce_basicConstraints, Certificate as ReferenceCertificate } from '@peculiar/asn1-x509'
import { describe, expect, it, test } from 'vitest'
import { fromHex, toHex } from '../../src/bytes/index.ts'
import { derElement } from '../../src/crypto/der.ts'
import { nodeSignatures } from '../../src/crypto/node-signature.ts'
import type { SignatureScheme } from '../../src/crypto/signature.ts'
import { DecodeError } from '../../src/errors.ts'
import { readBlock } from '../../src/pki/asn1.ts'
import { type Certificate, decodeCertificate } from '../../src/pki/certificate.ts'
import { decodeExtensions, type RawExtension } from '../../src/pki/extensions.ts'
import { formatGeneralName } from '../../src/pki/general-name.ts'
import { extension } from '../../src/pki/issue.ts'
import { Purpose } from '../../src/pki/oids.ts'
import { isSignedBy } from '../../src/pki/signed.ts'
import { DAY, gateway, issue, names, root, sha1, today } from './authority.ts'

const ca = root()
/** With everything that is understood. */
const full = issue('C=CH, O=Typeswan, OU=a+CN=full', ca, {
  extensions: [
    extension.basicConstraints(true, 3),
    extension.keyUsage('digitalSignature', 'keyCertSign', 'cRLSign', 'decipherOnly'),
    extension.extendedKeyUsage(Purpose.serverAuth, Purpose.ipsecIke),
    extension.subjectAltName([
      ...names('vpn.example.org', '10.1.2.3', '2001:db8::7', 'alice@example.org', 'C=CH, CN=other'),
      { kind: 'uri', text: 'https://example.org/' },
      { kind: 'other', tag: 0x88, contents: Uint8Array.of(0x2a, 3) },
    ]),
    extension.nameConstraints(names('example.org', 'C=CH'), [{ kind: 'ip', octets: new Uint8Array(8) }]),
    extension.subjectKeyIdentifier(sha1(ca.certificate.keyOctets)),
    extension.authorityKeyIdentifier(Uint8Array.of(1, 2, 3)),
    extension.crlDistributionPoints('http://example.org/a.crl', 'http://example.org/b.crl'),
    extension.ocspUrls('http://ocsp.example.org/'),
    extension.ocspNoCheck(),
  ],
}).certificate

describe('a certificate', () => {
  it('tells its names, times, key and extensions', () => {
    expect(full).toMatchObject({
      version: 3,
      subjectText: 'C=CH, O=Typeswan, CN=full+OU=a',
      issuerText: 'C=CH, O=Typeswan, CN=Root',
      notBefore: today - 30 * DAY,
      notAfter: today + 30 * DAY,
      publicKey: { kind: 'ec', curve: 'P-256' },
      algorithm: { name: 'ecdsa-with-SHA256' },
      extensions: {
        basicConstraints: { isAuthority: true, pathLength: 3 },
        extendedKeyUsage: [Purpose.serverAuth, Purpose.ipsecIke],
        authorityKeyId: Uint8Array.of(1, 2, 3),
        crlUrls: ['http://example.org/a.crl', 'http://example.org/b.crl'],
        ocspUrls: ['http://ocsp.example.org/'],
        ocspNoCheck: true,
        unknownCritical: [],
      },
    })
    expect([...full.extensions.keyUsage!]).toEqual(['digitalSignature', 'keyCertSign', 'cRLSign', 'decipherOnly'])
    expect(full.extensions.names.map(formatGeneralName)).toEqual([
      'DNS:vpn.example.org',
      'IP:10.1.2.3',
      'IP:2001:db8::7',
      'email:alice@example.org',
      'DN:C=CH, CN=other',
      'URI:https://example.org/',
      'other:2a03',
    ])
    expect(full.extensions.nameConstraints!.excluded.map(formatGeneralName)).toEqual(['IP:0.0.0.0/0.0.0.0'])
  })

  it('reads as OpenSSL reads it', () => {
    const theirs = new X509Certificate(full.der)
    // Versions of OpenSSL write a directory name each in their own way.
    expect(theirs.subjectAltName?.replace(/DirName:"[^"]*"/, 'DirName')).toBe(
      'DNS:vpn.example.org, IP Address:10.1.2.3, IP Address:2001:DB8:0:0:0:0:0:7, email:alice@example.org, DirName, URI:https://example.org/, Registered ID:1.2.3',
    )
    expect(BigInt(`0x${theirs.serialNumber}`)).toBe(BigInt(`0x${toHex(full.serial)}`))
    expect([Date.parse(theirs.validFrom), Date.parse(theirs.validTo)]).toEqual([full.notBefore, full.notAfter])
    expect(theirs.ca).toBe(true)
    expect(theirs.verify(new X509Certificate(ca.certificate.der).publicKey)).toBe(true)
    expect(new Uint8Array(theirs.publicKey.export({ format: 'der', type: 'spki' }))).toEqual(full.publicKey!.spki)
  })

  it('reads as @peculiar/asn1-x509 reads it', () => {
    const theirs = AsnConvert.parse(full.der, ReferenceCertificate)
    expect(new Uint8Array(theirs.tbsCertificateRaw!)).toEqual(full.signed)
    expect(new Uint8Array(AsnConvert.serialize(theirs.tbsCertificate.subject))).toEqual(full.subjectDer)
    expect(new Uint8Array(AsnConvert.serialize(theirs.tbsCertificate.issuer))).toEqual(full.issuerDer)
    expect(theirs.tbsCertificate.validity.notAfter.getTime().getTime()).toBe(full.notAfter)
    expect(theirs.tbsCertificate.extensions).toHaveLength(10)
    const constraints = theirs.tbsCertificate.extensions!.find(({ extnID }) => extnID === id_ce_basicConstraints)!
    expect(AsnConvert.parse(constraints.extnValue, BasicConstraints)).toMatchObject({ cA: true, pathLenConstraint: 3 })
  })

  test.each<
    ['ecdsa-p256' | 'ecdsa-p384' | 'ecdsa-p521' | 'rsa-2048' | 'ed25519' | 'ed448', SignatureScheme | undefined]
  >([
    ['ecdsa-p256', undefined],
    ['ecdsa-p384', undefined],
    ['ecdsa-p521', { kind: 'ecdsa', hash: 'sha512', encoding: 'der' }],
    ['rsa-2048', undefined],
    ['rsa-2048', { kind: 'rsa-pss', hash: 'sha384', saltBytes: 48 }],
    ['ed25519', undefined],
    ['ed448', undefined],
  ])('signed with %s %j verifies, here and by OpenSSL', (key, scheme) => {
    const authority = root('CN=Signer', { key, ...(scheme === undefined ? {} : { scheme }) })
    const { certificate } = gateway(authority, ['a.example'], scheme === undefined ? {} : { scheme })
    expect(isSignedBy(certificate, authority.certificate.publicKey, nodeSignatures)).toBe(true)
    expect(isSignedBy(certificate, ca.certificate.publicKey, nodeSignatures)).toBe(false)
    expect(new X509Certificate(certificate.der).verify(new X509Certificate(authority.certificate.der).publicKey)).toBe(
      true,
    )
  })

  it('with a key that is not implemented can be read', () => {
    // The OBJECT IDENTIFIER of P-256, ending in 7, becomes that of another curve.
    const der = full.der.slice()
    const at = toHex(der).lastIndexOf('06082a8648ce3d030107') / 2
    der[at + 9] = 9
    const read = decodeCertificate(der)
    expect(read.publicKey).toBeUndefined()
    expect(read.keyProblem).toMatch(/curve/)
  })

  // The library takes a malformed optional part for one that is absent: what limits the certificate would be lost.
  test.each([
    ['subtrees that are none in nameConstraints', '2.5.29.30', '3004a0020500'],
    ['a part that does not belong into nameConstraints', '2.5.29.30', '3004a2020500'],
    ['a limit that is none in basicConstraints', '2.5.29.19', '30060101ff0401ff'],
    ['reasons that are none at a place of CRLs', '2.5.29.31', '300e300ca008a00686042f2f61620500'],
    ['octets behind a value', '2.5.29.15', '030205a000'],
  ])('is refused with %s', (_, oid, hex) => {
    const extensions = [{ oid, critical: true, value: fromHex(hex) }]
    expect(() => issue('CN=lax', ca, { extensions })).toThrow(DecodeError)
  })

  it('is refused when it is larger than anybody has one', () => {
    expect(() => decodeCertificate(new Uint8Array(32 * 1024 + 1))).toThrow(/too many/)
  })

  it('is never anything but a value or a DecodeError, cut at any octet', () => {
    for (let length = 0; length < full.der.length; length++)
      expect(() => decodeCertificate(full.der.subarray(0, length))).toThrow(DecodeError)
    expect(() => decodeCertificate(Uint8Array.of(...full.der, 0))).toThrow(DecodeError)
  })

  // Every octet that is not signed, in every way: a parser that is lax about lengths would take a second form of the same certificate.
  it('has one encoding only: any change outside of what is signed is refused, or breaks the signature', () => {
    const { der, signed } = gateway(ca, ['a.example']).certificate
    const from = der.indexOf(0x30, 1)
    for (const at of [...der.keys()].filter((at) => at < from + 4 || at >= from + signed.length)) {
      for (const octet of [der[at]! ^ 1, der[at]! - 1]) {
        if (octet === der[at]) continue
        try {
          const changed = decodeCertificate(der.with(at, octet))
          expect(isSignedBy(changed, ca.certificate.publicKey, nodeSignatures), `octet ${at}`).toBe(false)
        } catch (error) {
          expect(error, `octet ${at}`).toBeInstanceOf(DecodeError)
        }
      }
    }
  })

  it('is never anything but a value or a DecodeError, with octets changed; and its signature then fails', () => {
    let read = 0
    for (let at = 0; at < full.der.length; at += 3) {
      const octet = [0, 0x30, 0x80, 0xff, full.der[at]! ^ 1][at % 5]!
      if (octet === full.der[at]) continue
      let changed: Certificate
      try {
        changed = decodeCertificate(full.der.with(at, octet))
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError)
        continue
      }
      for (const name of changed.extensions.names) formatGeneralName(name)
      if (read++ % 5 === 0) expect(isSignedBy(changed, ca.certificate.publicKey, nodeSignatures)).toBe(false)
    }
    expect(read).toBeGreaterThan(40)
  })

  test.each([
    ['two extensions of one kind', [extension.ocspNoCheck(), extension.ocspNoCheck()]],
    ['a NUL in a name', [extension.subjectAltName([{ kind: 'dns', text: 'vpn.example.org\0.evil.example' }])]],
    ['an address of three octets', [extension.subjectAltName([{ kind: 'ip', octets: new Uint8Array(3) }])]],
    ['a network where an address belongs', [extension.subjectAltName([{ kind: 'ip', octets: new Uint8Array(8) }])]],
    ['an address where a network belongs', [extension.nameConstraints([{ kind: 'ip', octets: new Uint8Array(4) }])]],
  ])('is refused with %s', (_, extensions) => {
    expect(() => issue('CN=x', ca, { extensions })).toThrow(DecodeError)
  })

  const element = (tag: number, ...parts: Uint8Array[]) => derElement(tag, ...parts)
  const flag = element(1, Uint8Array.of(0xff))
  const made = (oid: string, ...parts: Uint8Array[]) => ({ oid, critical: false, value: element(0x30, ...parts) })
  test.each<[string, RawExtension]>([
    ['basicConstraints without a flag in its flag', made('2.5.29.19', element(1))],
    ['a path length without octets', made('2.5.29.19', flag, element(2))],
    ['name constraints in a primitive tag', made('2.5.29.30', element(0x80, element(0x30)))],
    ['name constraints in a list that is empty', made('2.5.29.30', element(0xa1))],
    ['usages in bits that are not used', { ...made('2.5.29.15'), value: element(3, Uint8Array.of(7, 0xff)) }],
  ])('is refused with %s', (_, extension) => {
    expect(() => issue('CN=x', ca, { extensions: [extension] })).toThrow(DecodeError)
  })

  test.each<[string, Uint8Array[]]>([
    ['behind the value', [element(4), flag]],
    ['twice', [flag, flag, element(4)]],
    ['without an octet', [element(1), element(4)]],
    ['that is a number', [element(2, Uint8Array.of(1)), element(4)]],
  ])('is refused where an extension has its critical flag %s', (_, parts) => {
    const id = element(6, Uint8Array.of(0x2a, 3, 4))
    const subject = { where: 'certificate', section: 'RFC 5280 §4.2' }
    const decode = () => decodeExtensions(readBlock(element(0x30, element(0x30, id, ...parts)), subject), 'certificate')
    expect(decode).toThrow(DecodeError)
  })

  test.each(['260231000000Z', '261301000000Z', 'xxxxxxxxxxxxZ', '2601010000+01', '260101000000 ', '260101006000Z'])(
    'is refused where its time is %s',
    (time) => {
      const der = full.der.slice()
      const at = toHex(der).indexOf('170d') / 2
      der.set(new TextEncoder().encode(time), at + 2)
      expect(() => decodeCertificate(der)).toThrow(DecodeError)
      // Parts of an hour.
      der[at] = 0x18
      der.set(new TextEncoder().encode('2026010112.5Z'), at + 2)
      expect(() => decodeCertificate(der)).toThrow(DecodeError)
    },
  )

  it('is refused where the signed algorithm is another than the one outside', () => {
    const der = full.der.slice()
    const at = toHex(der).lastIndexOf('2a8648ce3d040302') / 2
    der[at + 7] = 3
    expect(() => decodeCertificate(der)).toThrow(/two different signature algorithms/)
  })

  it('has its dates before 2050 and after', () => {
    const late = issue('CN=late', ca, { notBefore: Date.UTC(1950, 0, 1), notAfter: Date.UTC(9999, 11, 31, 23, 59, 59) })
    expect(late.certificate).toMatchObject({
      notBefore: Date.UTC(1950, 0, 1),
      notAfter: Date.UTC(9999, 11, 31, 23, 59, 59),
    })
    expect(Date.parse(new X509Certificate(late.certificate.der).validTo)).toBe(late.certificate.notAfter)
  })

  it('without extensions is version 3 all the same', () => {
    expect(issue('CN=plain', ca).certificate).toMatchObject({
      version: 3,
      extensions: { names: [], unknownCritical: [] },
    })
  })
})
