import { describe, expect, it } from 'vitest'
import { pskConnection } from '../../../src/config/connection.ts'
import { certRequest } from '../../../src/ike/auth/certificates.ts'
import { CertEncoding, NotifyType } from '../../../src/ike/codec/index.ts'
import type { ConnectionConfig, PubkeyPeerAuth } from '../../../src/ike/config.ts'

const hash = (octet: number): Uint8Array => new Uint8Array(20).fill(octet)

function connection(auth: Partial<PubkeyPeerAuth> | 'psk'): ConnectionConfig {
  const children = [{ name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] }]
  const made = pskConnection({
    name: 'office',
    psk: 'x',
    localAddress: '192.0.2.1',
    remoteAddress: '192.0.2.2',
    children,
  })
  if (auth === 'psk') return made
  const pubkey: PubkeyPeerAuth = { method: 'pubkey', trust: { description: 'x' }, authorities: [hash(1)], ...auth }
  return { ...made, remote: { ...made.remote, auth: pubkey } }
}

describe('what is asked of a peer that signs', () => {
  it('is nothing where no peer signs', () => {
    expect(certRequest([connection('psk')])).toEqual([])
  })

  it('are certificates of the authorities, each named once', () => {
    const connections = [connection({}), connection('psk'), connection({ authorities: [hash(2), hash(1)] })]
    expect(certRequest(connections)).toEqual([
      {
        kind: 'CERTREQ',
        critical: false,
        encoding: CertEncoding.X509_SIGNATURE,
        data: Uint8Array.of(...hash(1), ...hash(2)),
      },
    ])
  })

  it('is an OCSP response where it matters, by a CERTREQ without responders (RFC 4806 §3.1)', () => {
    expect(certRequest([connection({ wantsOcsp: true }), connection({ wantsOcsp: true })])).toEqual([
      expect.objectContaining({ encoding: CertEncoding.X509_SIGNATURE }),
      { kind: 'CERTREQ', critical: false, encoding: CertEncoding.OCSP_CONTENT, data: new Uint8Array(0) },
    ])
  })

  it('may come as hash and URL where that is taken (RFC 7296 §3.7)', () => {
    expect(certRequest([connection({ hashAndUrl: true })])).toContainEqual(
      expect.objectContaining({ kind: 'N', notify: NotifyType.HTTP_CERT_LOOKUP_SUPPORTED }),
    )
    expect(certRequest([connection({ hashAndUrl: false })])).toHaveLength(1)
  })
})
