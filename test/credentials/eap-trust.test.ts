import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type EapTrustOptions, eapTrust } from '../../src/credentials/eap-trust.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { nodeSignatures } from '../../src/crypto/node-signature.ts'
import { eapTls } from '../../src/eap-tls/index.ts'
import { extension } from '../../src/pki/issue.ts'
import { converse, failures, file, holder, peerOptions, serverOptions, sharedKey } from '../eap-tls/world.ts'
import { gateway, crl as issueCrl, root, today } from '../pki/authority.ts'

const der = (name: string) => new Uint8Array(new X509Certificate(file(name)).raw)
const crl = new Uint8Array(Buffer.from(file('crl.pem').replaceAll(/-----.*-----|\s/g, ''), 'base64'))
const world = {
  now: () => Date.now(),
  signatures: nodeSignatures,
  hash: nodeProvider.hash,
  random: (length: number) => new Uint8Array(length),
}
const trust = (rest: Partial<EapTrustOptions> = {}) => eapTrust({ authorities: [der('ca.pem')], ...rest }, world)
const conversation = (client: string, rest?: Partial<EapTrustOptions>) =>
  converse({
    server: eapTls({ ...serverOptions, verify: trust(rest) }),
    peer: eapTls({ ...peerOptions, ...holder(client), verify: trust() }),
  })

describe('certificates inside of EAP, by the rules of IKE', () => {
  it('are believed on both sides when path and names are good', async () => {
    sharedKey(await conversation('alice', { crls: [crl] }))
  })

  it('are believed with intermediates that the peer sends', async () => {
    const outcome = await converse({
      server: eapTls({ ...serverOptions, verify: trust() }),
      peer: eapTls({ ...peerOptions, certificates: [file('long-alice-chain.pem')], key: file('long-alice.key') }),
    })
    sharedKey(outcome)
  })

  it.each([
    ['revoked', { crls: [crl] }, /mallory.* was revoked at/],
    ['expired', {}, /carol.*(expired|valid until|not valid)/],
    ['other-alice', {}, /alice.*Another test CA/],
    ['server', {}, /aaa\.example\.org.*(purpose|usage|client)/i],
    ['alice', { revocation: 'strict' }, /alice/],
  ] as const)('are refused with the reason: %s', async (client, rest, why) => {
    expect(failures(await conversation(client, rest)).server).toMatch(why)
  })

  it('have nothing fetched before their path is verified: what they name is then the word of an authority', async () => {
    const url = 'http://10.0.0.1/ca.crl'
    const extensions = [extension.crlDistributionPoints(url)]
    const [ca, stranger] = [root(), root('CN=Stranger')]
    const asked: string[] = []
    const fetch = async (request: { readonly url: string }) => {
      asked.push(request.url)
      return issueCrl(ca)
    }
    const authorities = [ca.certificate.der]
    const judge = eapTrust({ authorities, revocation: 'strict' }, { ...world, now: () => today, fetch })
    const chain = (issuer: typeof ca) => [gateway(issuer, ['a.example'], { extensions }).certificate.der]
    expect(await judge(chain(stranger), 'client')).toMatchObject({ ok: false })
    expect(asked).toEqual([])
    expect(await judge(chain(ca), 'client')).toEqual({ ok: true })
    expect(asked).toEqual([url])
  })

  it('are nothing that cannot be read', async () => {
    expect(await trust()([Uint8Array.of(0x30, 0)], 'client')).toMatchObject({ ok: false })
  })
})
