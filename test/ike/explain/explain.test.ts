import { describe, expect, it } from 'vitest'
import { pskConnection } from '../../../src/config/connection.ts'
import { parseIdentity } from '../../../src/ike/auth/identity.ts'
import type { Proposal } from '../../../src/ike/codec/index.ts'
import {
  explainAuthenticationFailed,
  explainNoConnection,
  explainNoConnectionAt,
  explainPeerRefusedAuthentication,
  explainWrongIdentity,
} from '../../../src/ike/explain/explain-auth.ts'
import {
  explainPeerRefusedProposal,
  explainRefusedProposal,
  explainUnknownKeGroup,
} from '../../../src/ike/explain/explain-proposal.ts'
import { explainPeerRefusedTs, explainRefusedTs } from '../../../src/ike/explain/explain-ts.ts'
import { encodeProposals } from '../../../src/ike/negotiation/proposal.ts'
import { parseProposal } from '../../../src/ike/negotiation/proposal-keywords.ts'
import { parseTrafficSelector, toTrafficSelector } from '../../../src/ike/negotiation/traffic-selector.ts'
import { parseIp } from '../../../src/ip/address.ts'

const connection = pskConnection({
  name: 'office',
  psk: 'never shown',
  localAddress: '10.0.0.1',
  remoteAddress: '10.0.0.2',
  localId: 'client.example.org',
  remoteId: 'server.example.org',
  proposals: ['aes256gcm16-prfsha384-ecp384', 'aes128-sha256-ecp256'],
  children: [
    { name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'], espProposals: ['aes128gcm16-ecp256'] },
    { name: 'web', localTs: ['10.1.0.1[tcp/80]'], remoteTs: ['10.3.0.0/16'], espProposals: ['aes128gcm16'] },
  ],
})
const [net] = connection.children
const offerIke = (...texts: string[]) =>
  encodeProposals(
    texts.map((text) => parseProposal(text, 'IKE')),
    1,
    new Uint8Array(0),
  )
const offerEsp = (...texts: string[]) =>
  encodeProposals(
    texts.map((text) => parseProposal(text, 'ESP')),
    3,
    Uint8Array.of(1, 2, 3, 4),
  )
const ts = (...texts: string[]) => texts.map((text) => toTrafficSelector(parseTrafficSelector(text)))

/** ms of CPU time of the quickest of many runs, which other load hardly touches. */
function cheapest(run: () => void): number {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < 30; i++) {
    const before = process.cpuUsage().user
    run()
    best = Math.min(best, (process.cpuUsage().user - before) / 1000)
  }
  return best
}

describe('a refused proposal', () => {
  it('shows both sides, the nearest pair and what to add', () => {
    const offered = offerIke('aes128-sha512-x25519', 'aes256gcm16-prfsha384-ecp256')
    const refusal = explainRefusedProposal({ what: 'IKE', connection, offered })
    expect(refusal).toMatchObject({
      kind: 'no-proposal-chosen',
      by: 'local',
      what: 'IKE',
      offered: ['aes128-sha512-x25519', 'aes256gcm16-prfsha384-ecp256'],
      configured: ['aes256gcm16-prfsha384-ecp384', 'aes128-sha256-ecp256'],
      nearest: {
        configured: 'aes256gcm16-prfsha384-ecp384',
        offered: 'aes256gcm16-prfsha384-ecp256',
        differ: ['key exchange'],
      },
    })
    expect(refusal.message).toContain('key exchange (offered ecp256, configured ecp384)')
    expect(refusal.hint).toMatch(/^connections\.office\.proposals: add /)
  })

  it('suggests one suite: of each type what is configured already, else the first strong one', () => {
    const offered = offerIke('aes128gcm16-aes256gcm16-prfsha1-prfsha512-modp1024-modp3072')
    const { hint } = explainRefusedProposal({ what: 'IKE', connection, offered })
    expect(hint).toBe('connections.office.proposals: add aes256gcm16-prfsha512-modp3072')
  })

  it('names allowWeak when only weak algorithms are offered', () => {
    const { hint } = explainRefusedProposal({ what: 'IKE', connection, offered: offerIke('aes128-sha1-modp1024') })
    expect(hint).toContain('add aes128-sha1-modp1024 and name sha1, modp1024 in allowWeak')
  })

  it('sends the operator to the peer when nothing offered is available here', () => {
    const [good] = offerIke('aes256gcm16-prfsha384-ecp384')
    const transforms = good!.transforms.map((one) => (one.type === 4 ? { ...one, id: 25 } : one))
    const refusal = explainRefusedProposal({ what: 'IKE', connection, offered: [{ ...good!, transforms }] })
    expect(refusal.offered).toEqual(['aes256gcm16-prfsha384-ecp192'])
    expect(refusal.hint).toContain('configure the peer')
  })

  it('names the child, and leaves PFS out of account in IKE_AUTH', () => {
    const offered = offerEsp('aes256gcm16')
    const subject = { what: 'CHILD', connection, child: net!, offered } as const
    expect(explainRefusedProposal(subject).nearest?.differ).toEqual(['encryption', 'key exchange'])
    const inAuth = explainRefusedProposal({ ...subject, ignoreKe: true })
    expect(inAuth.nearest?.differ).toEqual(['encryption'])
    expect(inAuth.configured).toEqual(['aes128gcm16'])
    expect(inAuth.hint).toBe('connections.office.children.net.espProposals: add aes256gcm16')
  })

  it('stays small and quick whatever a peer offers', () => {
    const transforms = Array.from({ length: 255 }, (_, id) => ({ type: (id % 9) + 1, id: 1000 + id, attributes: [] }))
    const offered: Proposal[] = Array.from({ length: 255 }, (_, number) => ({
      number,
      protocol: 1,
      spi: new Uint8Array(0),
      transforms,
    }))
    const refusal = explainRefusedProposal({ what: 'IKE', connection, offered })
    expect(refusal.offered).toHaveLength(17)
    expect(refusal.offered.at(-1)).toBe('and 239 more')
    expect(explainRefusedProposal({ what: 'IKE', connection, offered: [] })).toMatchObject({ offered: [] })
  })

  // Anybody may ask for an explanation. Naming unknown groups by search cost 15 ms here, and parsing suggestions as much again.
  it('costs little for groups and suites that nobody knows', () => {
    const [good] = offerIke('aes256gcm16-prfsha384-ecp384')
    const others = good!.transforms.filter(({ type }) => type !== 4)
    const groups = Array.from({ length: 61 }, (_, id) => ({ type: 4, id: 1024 + id, attributes: [] }))
    const unknown = Array.from({ length: 16 }, () => ({ ...good!, transforms: [...others, ...groups] }))
    const unfit = Array.from({ length: 16 }, () => ({ ...good!, transforms: others }))
    for (const offered of [unknown, unfit]) {
      expect(cheapest(() => explainRefusedProposal({ what: 'IKE', connection, offered }))).toBeLessThan(5)
    }
  })

  it('by the peer shows what we offered and names our setting', () => {
    const refusal = explainPeerRefusedProposal({ what: 'CHILD', connection, child: net!, ignoreKe: true })
    expect(refusal).toMatchObject({ by: 'peer', what: 'CHILD', offered: [], configured: ['aes128gcm16'] })
    expect(refusal.hint).toMatch(/^connections\.office\.children\.net\.espProposals/)
  })

  it('by INVALID_KE_PAYLOAD names the group that the peer wants', () => {
    const refusal = explainUnknownKeGroup({ what: 'IKE', connection, group: 31 })
    expect(refusal.message).toContain('x25519')
    expect(refusal.hint).toBe('connections.office.proposals: add aes256gcm16-prfsha384-x25519')
    expect(explainUnknownKeGroup({ what: 'IKE', connection, group: 20 }).message).toContain('again')
    expect(explainUnknownKeGroup({ what: 'IKE', connection, group: 4711 }).hint).toContain('configure the peer')
  })
})

describe('refused traffic selectors', () => {
  it('name the setting of the side that does not fit', () => {
    const refusal = explainRefusedTs({ connection, offeredTSi: ts('10.9.0.0/16'), offeredTSr: ts('10.1.0.0/24') })
    expect(refusal).toMatchObject({
      kind: 'ts-unacceptable',
      by: 'local',
      offeredTSi: ['10.9.0.0/16'],
      offeredTSr: ['10.1.0.0/24'],
      configuredLocal: ['10.1.0.0/16', '10.1.0.1/32[tcp/80]'],
      configuredRemote: ['10.2.0.0/16', '10.3.0.0/16'],
      hint: 'connections.office.children.net.remoteTs: add 10.9.0.0/16',
    })
    const local = explainRefusedTs({ connection, offeredTSi: ts('10.3.0.0/24'), offeredTSr: ts('10.8.0.0/16') })
    expect(local.hint).toBe('connections.office.children.web.localTs: add 10.8.0.0/16')
    const both = explainRefusedTs({
      connection,
      child: net!,
      offeredTSi: ts('10.9.0.0/16'),
      offeredTSr: ts('10.8.0.0/16'),
    })
    expect(both.hint).toContain('add 10.8.0.0/16 to localTs and 10.9.0.0/16 to remoteTs')
  })

  it('are cut when a peer offers hundreds', () => {
    const offeredTSi = Array.from({ length: 255 }, () => ts('10.9.0.0/16')[0]!)
    const refusal = explainRefusedTs({
      connection,
      offeredTSi,
      offeredTSr: [{ tsType: 9, unknown: true, protocol: 0, data: new Uint8Array(0) }],
    })
    expect(refusal.offeredTSi).toHaveLength(17)
    expect(refusal.offeredTSr).toEqual(['TS type 9'])
  })

  it('by the peer show what we offered', () => {
    expect(explainPeerRefusedTs({ connection, child: net! })).toMatchObject({
      by: 'peer',
      offeredTSi: ['10.1.0.0/16'],
      offeredTSr: ['10.2.0.0/16'],
    })
  })
})

describe('a refused authentication', () => {
  const remoteId = parseIdentity('server.example.org')

  it('tells a wrong key from another method', () => {
    expect(explainAuthenticationFailed({ connection, remoteId, method: 2 })).toMatchObject({
      by: 'local',
      method: 'psk',
      remoteId: 'server.example.org',
      hint: expect.stringContaining('connections.office.psk'),
    })
    expect(explainAuthenticationFailed({ connection, remoteId, method: 14 }).message).toContain('DIGITAL_SIGNATURE')
    expect(explainAuthenticationFailed({ connection, remoteId, method: undefined }).message).toContain('EAP')
    expect(explainAuthenticationFailed({ connection, remoteId, method: 99 }).method).toBe('authentication method 99')
  })

  it('by the peer says what the peer must have', () => {
    const refusal = explainPeerRefusedAuthentication({ connection })
    expect(refusal).toMatchObject({ by: 'peer', localId: 'client.example.org', remoteId: undefined })
    expect(refusal.hint).toContain('server.example.org')
  })

  it('for another identity says which was expected', () => {
    const refusal = explainWrongIdentity({ connection, remoteId: parseIdentity('other.example.org') })
    expect(refusal.message).toContain('it is other.example.org, expected is server.example.org')
    expect(refusal.hint).toMatch(/^connections\.office\.remote\.id/)
  })

  it('never shows the key', () => {
    const all = [
      explainAuthenticationFailed({ connection, remoteId, method: 2 }),
      explainPeerRefusedAuthentication({ connection }),
      explainWrongIdentity({ connection, remoteId }),
    ]
    expect(JSON.stringify(all)).not.toContain('never shown')
  })
})

describe('a peer without a connection', () => {
  it('shows each candidate with what does not fit', () => {
    const refusal = explainNoConnection({
      candidates: [connection],
      remoteId: parseIdentity('stranger'),
      localId: parseIdentity('gate.example.org'),
    })
    expect(refusal).toMatchObject({ kind: 'no-connection', localId: 'gate.example.org', remoteId: 'stranger' })
    expect(refusal.configured).toEqual(['office: remote.id is server.example.org, local.id is client.example.org'])
    expect(refusal.hint).toBe('connections.office.remote.id: stranger, or %any for every peer that has the key')
  })

  it('that asks for another identity of ours is told apart', () => {
    const refusal = explainNoConnection({
      candidates: [connection],
      remoteId: parseIdentity('server.example.org'),
      localId: parseIdentity('gate'),
    })
    expect(refusal.hint).toMatch(/^connections\.office\.local\.id: gate/)
  })

  it('at an address that nothing is configured for shows the addresses', () => {
    const refusal = explainNoConnectionAt({
      connections: [connection],
      local: parseIp('10.0.0.1'),
      remote: parseIp('192.0.2.7'),
    })
    expect(refusal).toMatchObject({ remoteId: '192.0.2.7', configured: ['office: 10.0.0.1 with 10.0.0.2'] })
    expect(refusal.hint).toContain('remote.address: 192.0.2.7')
  })
})
