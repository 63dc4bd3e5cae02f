import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes/index.ts'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import type { XfrmStateConfig } from '../../src/xfrm/port.ts'
import { establishedPair, leftConnection, makePair, type Pair, rightConnection } from './support.ts'

const statesOf = (pair: Pair, side: 'xfrmA' | 'xfrmB', direction: 'in' | 'out'): XfrmStateConfig[] =>
  [...pair[side].states.values()].filter((state) => state.direction === direction)

describe('IKE_SA_INIT and IKE_AUTH', () => {
  it('establish an IKE_SA and its first CHILD_SA on both sides', () => {
    const pair = establishedPair()
    const [ofA] = pair.a.ike.status()
    const [ofB] = pair.b.ike.status()
    expect(ofA).toMatchObject({
      state: 'established',
      role: 'initiator',
      suite: 'aes128gcm16-prfsha256-x25519',
      encap: true,
    })
    expect(ofB).toMatchObject({ state: 'established', role: 'responder', SPIi: ofA!.SPIi, SPIr: ofA!.SPIr })
    expect(ofA!.children[0]).toMatchObject({
      localTs: ['10.1.0.0/16'],
      remoteTs: ['10.2.0.0/16'],
      suite: 'aes128gcm16',
    })
    expect(ofB!.children[0]).toMatchObject({ spiIn: ofA!.children[0]!.spiOut, spiOut: ofA!.children[0]!.spiIn })
  })

  it('give both sides the same keys, crosswise', () => {
    const pair = establishedPair()
    for (const [from, to] of [
      ['xfrmA', 'xfrmB'],
      ['xfrmB', 'xfrmA'],
    ] as const) {
      const [outbound] = statesOf(pair, from, 'out')
      const [inbound] = statesOf(pair, to, 'in')
      expect(outbound!.encr).toEqual(inbound!.encr)
      expect(outbound!.spi).toBe(inbound!.spi)
      expect(outbound!.encr.key.some((octet) => octet !== 0)).toBe(true)
    }
  })

  it('float to port 4500, and tell xfrm the ports', () => {
    const pair = establishedPair()
    expect(pair.network.sent.map(({ from, to }) => [from.port, to.port])).toEqual([
      [500, 500],
      [500, 500],
      [4500, 4500],
      [4500, 4500],
    ])
    expect(statesOf(pair, 'xfrmA', 'out')[0]!.encap).toEqual({ sport: 4500, dport: 4500 })
  })

  it('install policies in all three directions with one reqid', () => {
    const { xfrmA } = establishedPair()
    const policies = [...xfrmA.policies.values()]
    expect(policies.map(({ direction }) => direction).sort()).toEqual(['fwd', 'in', 'out'])
    const reqids = new Set(
      [...policies.flatMap(({ templates }) => templates), ...xfrmA.states.values()].map(({ reqid }) => reqid),
    )
    expect(reqids.size).toBe(1)
    expect(xfrmA.larval.size).toBe(0)
  })

  it('repeat to the octet with the same seeds', () => {
    const run = () => establishedPair().network.sent.map(({ payload }) => toHex(payload))
    expect(run()).toEqual(run())
  })

  it.each([
    ['aes256gcm16-prfsha384-ecp384', 'aes256gcm16'],
    ['chacha20poly1305-prfsha512-x25519', 'chacha20poly1305'],
    ['aes256-sha256-modp2048', 'aes256-sha256'],
    ['aes192-sha384-ecp521', 'aes192-sha512'],
    ['aes128gcm16-prfsha256-ecp256', 'aes128gcm16-esn'],
  ])('work with %s and %s', (ike, esp) => {
    const child = (config: typeof leftConnection) => config.children.map((one) => ({ ...one, espProposals: [esp] }))
    const pair = establishedPair({
      a: { proposals: [ike], children: child(leftConnection) },
      b: { proposals: [ike], children: child(rightConnection) },
    })
    expect(statesOf(pair, 'xfrmA', 'out')[0]!.encr.key).toEqual(statesOf(pair, 'xfrmB', 'in')[0]!.encr.key)
    expect(statesOf(pair, 'xfrmA', 'out')[0]!.integ).toEqual(statesOf(pair, 'xfrmB', 'in')[0]!.integ)
    expect(statesOf(pair, 'xfrmA', 'out')[0]!.esn).toBe(esp.endsWith('esn'))
  })

  it('are the same octets over either provider', () => {
    const run = (crypto: CryptoProvider) =>
      establishedPair({ crypto }).network.sent.map(({ payload }) => toHex(payload))
    expect(run(nodeProvider)).toEqual(run(nobleProvider))
  })

  it('retry with the group that the responder wants', () => {
    const pair = establishedPair({
      a: { proposals: ['aes128gcm16-prfsha256-x25519-ecp256'] },
      b: { proposals: ['aes128gcm16-prfsha256-ecp256'] },
    })
    expect(pair.a.ike.status()[0]!.suite).toBe('aes128gcm16-prfsha256-ecp256')
    expect(pair.a.eventsOf('message').map(({ payloads }) => payloads.join())).toContain('N(INVALID_KE_PAYLOAD)')
  })

  it('return a cookie when the responder asks for one, also before another group', () => {
    const pair = establishedPair({
      a: { proposals: ['aes128gcm16-prfsha256-x25519-ecp256'] },
      b: { proposals: ['aes128gcm16-prfsha256-ecp256'] },
      limits: { cookieThreshold: 0 },
    })
    const answers = pair.a
      .eventsOf('message')
      .filter(({ direction }) => direction === 'in')
      .map(({ payloads }) => payloads[0])
    expect(answers.slice(0, 3)).toEqual(['N(COOKIE)', 'N(INVALID_KE_PAYLOAD)', 'SA'])
  })

  it('narrow the traffic selectors to what both sides have', () => {
    const pair = establishedPair({
      b: {
        children: [{ name: 'net', localTs: ['10.2.3.0/24'], remoteTs: ['10.1.0.0/16'], espProposals: ['aes128gcm16'] }],
      },
    })
    expect(pair.a.ike.status()[0]!.children[0]!.remoteTs).toEqual(['10.2.3.0/24'])
    expect(pair.b.ike.status()[0]!.children[0]!.localTs).toEqual(['10.2.3.0/24'])
  })
})

describe('refusals are explained on both sides, and nothing is left', () => {
  const refused = (changes: Parameters<typeof makePair>[0]) => {
    const pair = makePair(changes)
    pair.a.initiate('office')
    pair.clock.advance(5000)
    expect(pair.a.ike.isIdle()).toBe(true)
    expect(pair.b.ike.isIdle()).toBe(true)
    for (const xfrm of [pair.xfrmA, pair.xfrmB])
      expect([xfrm.states.size, xfrm.larval.size, xfrm.policies.size]).toEqual([0, 0, 0])
    return { ofA: pair.a.eventsOf('refused')[0]!.refusal, ofB: pair.b.eventsOf('refused')[0]!.refusal }
  }

  it('a wrong pre-shared key', () => {
    const { ofA, ofB } = refused({ b: { psk: 'battery horse' } })
    expect(ofA).toMatchObject({ kind: 'authentication-failed', by: 'peer' })
    expect(ofB).toMatchObject({ kind: 'authentication-failed', by: 'local', remoteId: 'left.example.org' })
  })

  it('an identity that no connection expects', () => {
    const { ofA, ofB } = refused({ b: { remoteId: 'someone-else.example.org' } })
    expect(ofA).toMatchObject({ kind: 'authentication-failed', by: 'peer' })
    expect(ofB).toMatchObject({ kind: 'no-connection', by: 'local', remoteId: 'left.example.org' })
  })

  it('no common IKE proposal', () => {
    const { ofA, ofB } = refused({ b: { proposals: ['aes256gcm16-prfsha384-ecp384'] } })
    expect(ofA).toMatchObject({
      kind: 'no-proposal-chosen',
      by: 'peer',
      what: 'IKE',
      configured: ['aes128gcm16-prfsha256-x25519'],
    })
    expect(ofB).toMatchObject({
      kind: 'no-proposal-chosen',
      by: 'local',
      offered: ['aes128gcm16-prfsha256-x25519'],
      configured: ['aes256gcm16-prfsha384-ecp384'],
    })
  })

  it('no common ESP proposal', () => {
    const child = {
      name: 'net',
      localTs: ['10.2.0.0/16'],
      remoteTs: ['10.1.0.0/16'],
      espProposals: ['chacha20poly1305'],
    }
    const { ofA, ofB } = refused({ b: { children: [child] } })
    expect(ofA).toMatchObject({ kind: 'no-proposal-chosen', by: 'peer', what: 'CHILD' })
    expect(ofB).toMatchObject({
      kind: 'no-proposal-chosen',
      by: 'local',
      offered: ['aes128gcm16'],
      configured: ['chacha20poly1305'],
    })
  })

  it('no common traffic selector', () => {
    const child = { name: 'net', localTs: ['10.9.0.0/16'], remoteTs: ['10.1.0.0/16'], espProposals: ['aes128gcm16'] }
    const { ofA, ofB } = refused({ b: { children: [child] } })
    expect(ofA).toMatchObject({ kind: 'ts-unacceptable', by: 'peer', configuredRemote: ['10.2.0.0/16'] })
    expect(ofB).toMatchObject({
      kind: 'ts-unacceptable',
      by: 'local',
      offeredTSr: ['10.2.0.0/16'],
      configuredLocal: ['10.9.0.0/16'],
    })
  })

  it('a responder whose key is wrong is told by the initiator', () => {
    const pair = makePair({
      adjustB: (connection) => ({
        ...connection,
        local: { ...connection.local, auth: { method: 'psk', secret: Uint8Array.of(1) } },
      }),
    })
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.a.eventsOf('refused')[0]!.refusal).toMatchObject({ kind: 'authentication-failed', by: 'local' })
    expect(pair.b.eventsOf('refused')[0]!.refusal).toMatchObject({ kind: 'authentication-failed', by: 'peer' })
    expect([pair.a.ike.isIdle(), pair.b.ike.isIdle()]).toEqual([true, true])
    expect(pair.xfrmB.states.size).toBe(0)
  })
})

describe('retransmission', () => {
  it('survives the loss of any one datagram of the handshake', () => {
    for (let lost = 0; lost < 4; lost++) {
      const pair = makePair()
      let count = 0
      pair.network.path = (datagram) => (count++ === lost ? [] : [datagram])
      pair.a.initiate('office')
      pair.clock.advance(30_000)
      expect(pair.a.eventsOf('child-established'), `datagram ${lost} lost`).toHaveLength(1)
      expect(pair.b.eventsOf('child-established')).toHaveLength(1)
      expect(pair.xfrmB.states.size).toBe(2)
    }
  })

  it('answers every duplicate from the stored response, without doing the work again', () => {
    const pair = makePair()
    pair.network.path = (datagram) => [datagram, datagram, datagram]
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.b.eventsOf('ike-established')).toHaveLength(1)
    expect(pair.xfrmA.states.size).toBe(2)
    expect(pair.xfrmB.states.size).toBe(2)
  })

  it('gives up after 165 s with an explanation', () => {
    const pair = makePair()
    pair.network.path = () => []
    pair.a.initiate('office')
    pair.clock.advance(164_000)
    expect(pair.a.ike.isIdle()).toBe(false)
    expect(pair.a.eventsOf('retransmit')).toHaveLength(5)
    pair.clock.advance(2_000)
    expect(pair.a.eventsOf('refused')[0]!.refusal).toMatchObject({ kind: 'no-answer', by: 'peer' })
    expect(pair.a.ike.isIdle()).toBe(true)
    expect(pair.a.ike.nextTimeoutAt()).toBe(Number.POSITIVE_INFINITY)
  })
})
