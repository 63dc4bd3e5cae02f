import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { KeyName } from '../../src/cli/pki/generate-key.ts'
import { answersOf } from '../../src/credentials/answers.ts'
import { OwnKey, type OwnKeyOptions } from '../../src/credentials/own-key.ts'
import { Trust, type TrustOptions, type TrustWorld } from '../../src/credentials/trust.ts'
import { nobleSignatures } from '../../src/crypto/noble-signature.ts'
import { nodeSignatures } from '../../src/crypto/node-signature.ts'
import { parseIdentity } from '../../src/ike/auth/identity.ts'
import type { LocalAuth, PubkeyPeerAuth, RemoteAuth } from '../../src/ike/config.ts'
import { attempt, refusals, type Side, stands } from '../ike/auth/answering.ts'
import { gateway, type Holder, intermediate, root, today } from '../pki/authority.ts'

const ca = root()
const between = intermediate('C=CH, O=Typeswan, CN=Between', ca)
const ids = { a: 'a.example.org', b: 'b.example.org' } as const
const world: TrustWorld = {
  now: () => today,
  signatures: nodeSignatures,
  hash: (name, data) => new Uint8Array(createHash(name).update(data).digest()),
  random: (length) => new Uint8Array(length),
}

const signs = (holder: Holder, options: Partial<OwnKeyOptions> = {}): LocalAuth => ({
  method: 'pubkey',
  credential: new OwnKey({
    description: 'office.pem',
    key: holder.key,
    certificates: [holder.certificate.der, between.certificate.der],
    provider: nodeSignatures,
    ...options,
  }),
  sendCertificates: 'always',
})

function trusts(options: Partial<TrustOptions> = {}, signatures = nodeSignatures): PubkeyPeerAuth {
  const authorities = [ca.certificate.der]
  const trust = new Trust(
    { description: 'the authorities of office', authorities, ...options },
    { ...world, signatures },
  )
  return { method: 'pubkey', trust, authorities: trust.authorityHashes, accepts: trust.accepts }
}

const answers = answersOf({})
const side = (own: 'a' | 'b', local: LocalAuth, remote: RemoteAuth): Side => ({
  local,
  remote,
  change: (connection) => ({
    ...connection,
    local: { ...connection.local, id: parseIdentity(ids[own]) },
    remote: { ...connection.remote, id: parseIdentity(ids[own === 'a' ? 'b' : 'a']) },
  }),
  otherwise: answers,
})

const kinds: readonly KeyName[] = ['rsa-2048', 'ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'ed25519', 'ed448']
const holderOf = (who: 'a' | 'b', key: KeyName): Holder => gateway(between, [ids[who]], { key })

describe('IKE_AUTH with certificates and signatures', () => {
  it.each(kinds)('stands with %s at both ends, and an intermediate in CERT', (kind) => {
    const [a, b] = [holderOf('a', kind), holderOf('b', kind)]
    const pair = attempt(side('a', signs(a), trusts()), side('b', signs(b), trusts({}, nobleSignatures)))
    expect(
      refusals(pair.a)
        .concat(refusals(pair.b))
        .map(({ message }) => message),
    ).toEqual([])
    expect(stands(pair)).toBe(true)
    expect(pair.b.ikeSa.auth).toMatchObject({ local: ['pubkey'], remote: ['pubkey'] })
  })

  it('stands with different keys and chosen signatures', () => {
    const [a, b] = [holderOf('a', 'rsa-2048'), holderOf('b', 'ed25519')]
    const pair = attempt(
      side('a', signs(a, { signatures: ['rsa-sha512', 'rsa/pss-sha384'] }), trusts({ signatures: ['ed25519'] })),
      side('b', signs(b), trusts({ signatures: ['rsa-sha512'] })),
    )
    expect(stands(pair)).toBe(true)
  })

  it('stands with raw public keys', () => {
    const [a, b] = [holderOf('a', 'ed25519'), holderOf('b', 'ecdsa-p256')]
    const rawKeys = (holder: Holder, id: string) =>
      trusts({ authorities: [], rawKeys: [{ spki: holder.key.publicKey.spki, id: parseIdentity(id) }] })
    const pair = attempt(
      side('a', signs(a, { certificates: [] }), rawKeys(b, ids.b)),
      side('b', signs(b, { certificates: [] }), rawKeys(a, ids.a)),
    )
    expect(refusals(pair.b).map(({ message }) => message)).toEqual([])
    expect(stands(pair)).toBe(true)
  })

  it('takes the signature that the other end announced, and says on its own side when it makes none of them', () => {
    const [a, b] = [holderOf('a', 'rsa-2048'), holderOf('b', 'rsa-2048')]
    const toPss = side('b', signs(b), trusts({ signatures: ['rsa/pss-sha512'] }))
    expect(stands(attempt(side('a', signs(a), trusts({ signatures: ['rsa-sha384'] })), toPss))).toBe(true)
    const pair = attempt(side('a', signs(a, { signatures: ['rsa-sha256'] }), trusts()), toPss)
    expect(stands(pair)).toBe(false)
    expect(refusals(pair.a)[0]!.message).toMatch(/announced that it takes rsa\/pss-sha512 .*makes rsa-sha256/)
  })

  it('is refused, with its reason on our side alone, for a signature that is not taken', () => {
    const [a, b] = [holderOf('a', 'rsa-2048'), holderOf('b', 'rsa-2048')]
    const { accepts: _unsaid, ...takesPss } = trusts({ signatures: ['rsa/pss'] })
    const pair = attempt(side('a', signs(a, { signatures: ['rsa-sha256'] }), trusts()), side('b', signs(b), takesPss))
    expect(stands(pair)).toBe(false)
    expect(refusals(pair.b)[0]!.message).toContain('the signature is rsa-sha256, which is not among the signatures')
    expect(refusals(pair.a)[0]!.message).not.toContain('rsa-sha256')
  })

  it('is refused by ourselves when our key makes nothing that the peer verifies', () => {
    const [a, b] = [holderOf('a', 'rsa-2048'), holderOf('b', 'rsa-2048')]
    const pair = attempt(side('a', signs(a, { signatures: ['rsa/pss-sha1'] }), trusts()), side('b', signs(b), trusts()))
    expect(stands(pair)).toBe(false)
    expect(refusals(pair.a)[0]!.message).toMatch(/verifies signatures with sha256.*makes rsa\/pss-sha1/)
  })
})
