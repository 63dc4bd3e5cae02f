import { describe, expect, it } from 'vitest'
import { parseIp } from '../../src/ip/address.ts'
import { createPair, createPeer, simulationProvider, VirtualTraffic } from '../../src/testing/index.ts'

describe('a pair', () => {
  it('connects and carries packets both ways', () => {
    const { a, b, clock, connect } = createPair()
    connect()
    const traffic = new VirtualTraffic(a, b)
    traffic.send()
    clock.advance(1000)
    expect(traffic.report()).toMatchObject({ aToB: { delivered: 1 }, bToA: { delivered: 1 } })
  })

  it('connects through a NAT', () => {
    const { a, b, nat, connect } = createPair({ nat: { filtering: 'address-dependent' } })
    connect()
    expect(a.ikeSa.natLocal).toBe(true)
    expect([...b.ikeSa.remote.address]).toEqual([...nat!.outside])
  })

  it('takes settings for both sides, for one, and for the child', () => {
    const { a, b, connect } = createPair({
      both: { proposals: ['aes256gcm16-prfsha384-ecp384'] },
      b: { name: 'other' },
      child: { espProposals: ['aes256gcm16'] },
    })
    connect()
    expect(b.ikeSa).toMatchObject({ sa: { connection: 'other' }, suite: 'aes256gcm16-prfsha384-ecp384' })
    expect(a.ikeSa.children).toMatchObject([{ name: 'net', suite: 'aes256gcm16' }])
  })

  it('says why it does not connect', () => {
    const { connect } = createPair({ a: { psk: 'wrong' } })
    expect(connect).toThrow(/failed: .*auth/i)
    expect(createPair({ network: { loss: 1 } }).connect).toThrow('nothing came of it in 60000 ms')
  })

  it('is the same to the octet for the same seed', () => {
    const run = (seed: string) => {
      const { network, connect } = createPair({ seed })
      connect()
      return network.sent.map(({ payload }) => Buffer.from(payload).toString('hex'))
    }
    expect(run('one')).toEqual(run('one'))
    expect(run('one')).not.toEqual(run('two'))
  })
})

describe('a lone peer', () => {
  it('answers anybody with the key', () => {
    const { peer, network, clock } = createPeer({ psk: 'of the test' })
    const other = createPeer({
      on: network,
      address: '198.51.100.2',
      psk: 'of the test',
      remoteAddress: '192.0.2.1',
      children: [{ name: 'net', localTs: ['10.2.0.0/16'], remoteTs: ['10.1.0.0/16'] }],
    }).peer
    other.initiate('peer')
    clock.advance(1000)
    expect(peer.ikeSa.children).toMatchObject([{ localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] }])
    expect([...peer.ikeSa.remote.address]).toEqual([...parseIp('198.51.100.2')])
  })
})

describe('the simulation provider', () => {
  it.each(['aes128gcm16-prfsha256-x25519', 'aes256-sha512-modp2048', 'chacha20poly1305-prfsha384-ecp521'])(
    'sets up %s',
    (proposal) => {
      const { a, b, clock, connect } = createPair({ crypto: simulationProvider, both: { proposals: [proposal] } })
      connect()
      expect(a.ikeSa.suite).toBe(proposal)
      const traffic = new VirtualTraffic(a, b)
      traffic.send()
      clock.advance(1000)
      expect(traffic.report().aToB.delivered).toBe(1)
    },
  )
})
