import { createPrivateKey, X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { eapTls } from '../../src/eap-tls/index.ts'
import { ConfigError } from '../../src/errors.ts'
import { ca, converse, failures, file, holder, only, peerOptions, serverOptions, sharedKey, versions } from './world.ts'

describe.each(versions)('EAP-TLS over TLS %s (RFC 5216, RFC 9190)', (version) => {
  const tls = only(version)

  it('proves both sides and gives both the same MSK', async () => {
    const outcome = await converse({ server: eapTls({ ...serverOptions, ...tls }), peer: eapTls(peerOptions) })
    expect(sharedKey(outcome)).toHaveLength(64)
    expect(outcome.server).toMatchObject({ identity: 'alice@example.org', mutual: true, method: 'tls' })
    expect(outcome.peer).toMatchObject({ mutual: true })
  })

  it('goes through in small fragments, also with a long chain', async () => {
    const long = { ...peerOptions, certificates: [file('long-alice-chain.pem')], key: file('long-alice.key') }
    const outcome = await converse({ server: eapTls({ ...serverOptions, ...tls }), peer: eapTls(long), mtu: 120 })
    expect(sharedKey(outcome)).toHaveLength(64)
    expect(Math.max(...outcome.packets.map((packet) => packet.length))).toBeLessThanOrEqual(120)
    expect(outcome.packets.length).toBeGreaterThan(60)
  })

  it.each([
    ['of another CA', holder('other-alice'), /no CA of ours vouches for .*CN=alice.*issued by "CN=Another test CA"/],
    ['that has expired', holder('expired'), /CN=carol.* expired on Jan +1 .*2021/],
    ['that is no client certificate', holder('server'), /not for TLS clients/],
    ['that does not exist', {}, /the client sent no certificate/],
  ])('refuses a client with a certificate %s', async (_what, credentials, why) => {
    const { certificates: _c, key: _k, ...rest } = peerOptions
    const outcome = await converse({
      server: eapTls({ ...serverOptions, ...tls }),
      peer: eapTls({ ...rest, ...credentials }),
    })
    expect(failures(outcome).server).toMatch(why)
    expect(failures(outcome).peer).toBeDefined()
  })

  it('refuses a revoked client where a CRL is set, and no other', async () => {
    const server = eapTls({ ...serverOptions, ...tls, crls: [file('crl.pem')] })
    sharedKey(await converse({ server, peer: eapTls(peerOptions) }))
    const mallory = await converse({ server, peer: eapTls({ ...peerOptions, ...holder('revoked') }) })
    expect(failures(mallory).server).toMatch(/CN=mallory.* revoked/)
  })

  it.each([
    ['of another CA', holder('other-server'), {}, /no CA of ours vouches for .* of the server/],
    ['that has expired', holder('expired-server'), {}, /expired on/],
    ['of a client', holder('alice'), {}, /not for TLS servers/],
    [
      'with another name',
      {},
      { serverNames: ['radius.example.com'] },
      /must be radius.example.com, its .*DNS:aaa.example.org/,
    ],
    ['when no name is expected', {}, { serverNames: undefined as never }, /nothing says who the server must be/],
  ])('refuses a server with a certificate %s', async (_what, server, peer, why) => {
    const outcome = await converse({
      server: eapTls({ ...serverOptions, ...server, ...tls }),
      peer: eapTls({ ...peerOptions, ...peer }),
    })
    expect(failures(outcome).peer).toMatch(why)
  })

  it('compares the EAP identity with the certificate', async () => {
    const server = eapTls({ ...serverOptions, ...tls })
    const peer = eapTls(peerOptions)
    const outcome = await converse({ server, peer, peerRest: { identity: 'bob@example.org' } })
    expect(failures(outcome).server).toMatch(/"bob@example.org" is not in .*CN=alice.*email:alice@example.org/)
    expect(failures(outcome).peer).toMatch(/accept our certificate, or the identity/)
    const hidden = await converse({ server, peer, peerRest: { identity: '@example.org' } })
    expect(hidden.server).toMatchObject({ kind: 'success', identity: 'alice' })
    const any = await converse({
      server: eapTls({ ...serverOptions, ...tls, identity: 'certificate' }),
      peer,
      peerRest: { identity: 'bob@example.org' },
    })
    expect(any.server).toMatchObject({ kind: 'success', identity: 'alice' })
  })

  it('asks a judge of its own instead of the CAs', async () => {
    const chains: number[] = []
    const server = eapTls({
      ...holder('server'),
      ...tls,
      verify: async (chain, role) => {
        chains.push(chain.length)
        const { subject } = new X509Certificate(chain[0]!)
        return subject === 'CN=alice' && role === 'client'
          ? { ok: true, names: ['alice@example.org'] }
          : { ok: false, message: `${subject} is not alice` }
      },
    })
    sharedKey(await converse({ server, peer: eapTls({ ...peerOptions, ...holder('other-alice') }) }))
    const outcome = await converse({ server, peer: eapTls({ ...peerOptions, ...holder('expired') }) })
    expect(failures(outcome).server).toBe('CN=carol is not alice')
    expect(chains).toHaveLength(2)
  })
})

describe('EAP-TLS', () => {
  it('says which side wants which TLS version', async () => {
    const server = eapTls({ ...serverOptions, ...only('1.3') })
    const outcome = await converse({ server, peer: eapTls({ ...peerOptions, ...only('1.2') }) })
    expect(failures(outcome).server).toMatch(/unsupported protocol; the alert protocol_version \(70\) says so/)
    expect(failures(outcome).peer).toMatch(/the server refused us with the TLS alert protocol_version \(70\)/)
  })

  it('takes DER and encrypted keys', async () => {
    const der = (name: string) => new X509Certificate(file(name)).raw
    const server = eapTls({
      ca: [der('ca.pem')],
      certificates: [der('server.pem')],
      key: createPrivateKey(file('server.key')).export({ type: 'pkcs8', format: 'der' }),
    })
    const peer = eapTls({ ...peerOptions, key: file('alice-encrypted.key'), passphrase: 'test-only' })
    sharedKey(await converse({ server, peer }))
  })

  it('says at once which key cannot be used, without a word of it', () => {
    expect(() => eapTls({ ca, ...holder('alice'), key: file('server.key') })).toThrow(ConfigError)
    expect(() => eapTls({ ca, ...holder('alice'), key: file('alice-encrypted.key'), passphrase: 'wrong' })).toThrow(
      ConfigError,
    )
  })

  it('gives two conversations different keys', async () => {
    const sides = { server: eapTls(serverOptions), peer: eapTls(peerOptions) }
    expect(sharedKey(await converse(sides))).not.toEqual(sharedKey(await converse(sides)))
  })
})
