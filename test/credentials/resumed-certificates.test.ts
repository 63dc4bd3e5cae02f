import { createHash } from 'node:crypto'
import { describe, expect, it, test } from 'vitest'
import { answersOf } from '../../src/credentials/answers.ts'
import { OwnKey } from '../../src/credentials/own-key.ts'
import { Trust, type TrustOptions } from '../../src/credentials/trust.ts'
import { nodeSignatures } from '../../src/crypto/node-signature.ts'
import { parseIdentity } from '../../src/ike/auth/identity.ts'
import type { LocalAuth, RemoteAuth } from '../../src/ike/config.ts'
import { decodeCrl } from '../../src/pki/crl.ts'
import { extension } from '../../src/pki/issue.ts'
import { RevocationCache } from '../../src/pki/revocation-cache.ts'
import { type AuthPair, attempt, nobody, refusals, type Side } from '../ike/auth/answering.ts'
import { crl, DAY, gateway, root, today } from '../pki/authority.ts'

const CRL_URL = 'http://pki.example.org/ca.crl'
const ids = { a: 'a.example.org', b: 'b.example.org' } as const
const ca = root()
const holderOf = (who: 'a' | 'b') =>
  gateway(ca, [ids[who]], { extensions: [extension.crlDistributionPoints(CRL_URL)], key: 'ed25519' })
const holders = { a: holderOf('a'), b: holderOf('b') }

/** What both sides know, and the time; changed between the first handshake and the second. */
interface Now {
  now: number
  readonly cache: RevocationCache
  trust?: Trust
}

const newNow = (): Now => {
  const cache = new RevocationCache()
  cache.keepCrl(CRL_URL, decodeCrl(crl(ca)), today)
  return { now: today, cache }
}

const trustOf = (at: Now, options: Partial<TrustOptions> = {}): Trust =>
  new Trust(
    {
      description: 'the authorities of office',
      authorities: [ca.certificate.der],
      revocation: 'strict',
      ...options,
    },
    {
      now: () => at.now,
      signatures: nodeSignatures,
      hash: (name, data) => new Uint8Array(createHash(name).update(data).digest()),
      random: (length) => new Uint8Array(length),
      cache: at.cache,
    },
  )

const signs = (who: 'a' | 'b'): LocalAuth => ({
  method: 'pubkey',
  credential: new OwnKey({
    description: `${who}.pem`,
    key: holders[who].key,
    certificates: [holders[who].certificate.der],
    provider: nodeSignatures,
  }),
  sendCertificates: 'always',
})

function side(own: 'a' | 'b', at: Now, remote?: RemoteAuth): Side {
  at.trust = trustOf(at)
  // As after a restart, another one may take its place.
  const trust = {
    description: 'the authorities of office',
    answerVerify: (question: never) => at.trust!.answerVerify(question),
    answerRecheck: (question: never) => at.trust!.answerRecheck(question),
  }
  return {
    local: signs(own),
    remote: remote ?? { method: 'pubkey', trust, authorities: at.trust.authorityHashes },
    change: (connection) => ({
      ...connection,
      resumption: true,
      local: { ...connection.local, id: parseIdentity(ids[own]) },
      remote: { ...connection.remote, id: parseIdentity(ids[own === 'a' ? 'b' : 'a']) },
    }),
    otherwise: answersOf({}),
  }
}

/** `a` comes back with its ticket after `change`. */
function comesBack(a: Now, b: Now, change: () => void = () => {}): AuthPair {
  const pair = attempt(side('a', a), side('b', b))
  const ticket = leave(pair)
  change()
  again(pair, ticket)
  return pair
}

/** Gives the ticket. */
function leave(pair: AuthPair): Uint8Array {
  const { ticket } = pair.a.eventsOf('ticket').at(-1)!
  pair.a.perform(pair.a.ike.deleteIke(1, pair.clock.now))
  pair.clock.advance(1_000)
  for (const peer of [pair.a, pair.b]) peer.events.length = 0
  pair.asked.b.length = 0
  return ticket
}

function again(pair: AuthPair, ticket: Uint8Array): void {
  pair.a.perform(pair.a.ike.initiate('office', pair.clock.now, { localAddress: pair.a.address, ticket }))
  pair.clock.advance(5_000)
}

const isBack = ({ a, b }: AuthPair) => [a, b].every((peer) => peer.eventsOf('child-established').length === 1)
const exchanges = ({ a }: AuthPair) =>
  a
    .eventsOf('message')
    .filter(({ direction, response }) => direction === 'out' && !response)
    .map(({ exchange }) => exchange)

const revoke = (at: Now, who: 'a' | 'b') =>
  at.cache.keepCrl(CRL_URL, decodeCrl(crl(ca, [holders[who].certificate])), today)

describe('who resumes a session of a certificate', () => {
  it('is let in while that is good, and known by it', () => {
    const pair = comesBack(newNow(), newNow())
    expect(isBack(pair)).toBe(true)
    expect(exchanges(pair).slice(0, 2)).toEqual(['IKE_SESSION_RESUME', 'IKE_AUTH'])
    expect(pair.b.status()[0]!.auth).toMatchObject({ remote: ['resumption'] })
    expect(pair.asked.b.map(({ question }) => question.kind)).toContain('recheck')
  })

  test.each<[string, (at: Now) => void, string]>([
    ['was revoked', (at) => revoke(at, 'a'), 'was revoked at'],
    [
      'expired',
      (at) => {
        at.now = today + 31 * DAY
      },
      'expired at',
    ],
    [
      'is not known any more',
      (at) => {
        at.trust = trustOf(at)
      },
      'is not known any more',
    ],
  ])('is refused when it %s, and its ticket is void', (_, change, reason) => {
    const b = newNow()
    const first = attempt(side('a', newNow()), side('b', b))
    const ticket = leave(first)
    change(b)
    again(first, ticket)
    expect(refusals(first.b).at(-1)!.message).toContain(reason)
    first.a.events.length = 0
    again(first, ticket)
    expect(first.a.eventsOf('ticket-refused')[0]).toMatchObject({ why: 'TICKET_NACK' })
  })

  it('does not let itself be resumed by a gateway whose certificate was revoked', () => {
    const a = newNow()
    const pair = comesBack(a, newNow(), () => revoke(a, 'b'))
    expect(isBack(pair)).toBe(false)
    expect(refusals(pair.a)[0]!.message).toContain('was revoked at')
    expect(pair.a.eventsOf('ticket-refused')).toHaveLength(1)
  })

  it('may have been started anew meanwhile: what the gateway sent is kept with the ticket', () => {
    const a = newNow()
    const pair = comesBack(a, newNow(), () => {
      a.trust = trustOf(a)
    })
    expect(isBack(pair)).toBe(true)
  })

  it('has still proved nothing where that was so (RFC 7619)', () => {
    const peers: (readonly string[])[] = []
    const plain = side('b', newNow(), nobody)
    const b: Side = {
      ...plain,
      asks: { authorize: true },
      otherwise: (question, ask) => {
        if (question.kind !== 'authorize') return plain.otherwise!(question, ask)
        peers.push(question.peer.methods)
        return { ok: true }
      },
    }
    const pair = attempt({ ...side('a', newNow()), local: nobody }, b)
    again(pair, leave(pair))
    expect(peers).toEqual([['null'], ['resumption', 'null']])
  })
})
