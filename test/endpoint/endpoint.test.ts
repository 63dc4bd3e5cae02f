import { afterEach, describe, expect, test } from 'vitest'
import { pskConnection } from '../../src/config/connection.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { NegotiationError } from '../../src/endpoint/negotiation-error.ts'
import { formatStatus } from '../../src/endpoint/status-text.ts'
import { explainRefusal } from '../../src/ike/explain/refusal-text.ts'
import { buildUdp, parseIp } from '../../src/ip/index.ts'
import { type Change, closePair, eventsOf, ping, type Side, startPair, until } from './pair.ts'

let pair: { west: Side; east: Side }

afterEach(() => closePair(pair))

async function establishedPair(west: Change = {}, east: Change = {}): Promise<{ west: Side; east: Side }> {
  pair = await startPair(west, east)
  await pair.west.endpoint.initiate('pair')
  await until(() => pair.east.endpoint.status().ikeSas[0]?.children.length === 1)
  return pair
}

async function refusedPair(west: Change, east: Change): Promise<NegotiationError> {
  pair = await startPair(west, east)
  const error = await pair.west.endpoint.initiate('pair').catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(NegotiationError)
  return error as NegotiationError
}

describe('two endpoints on loopback', () => {
  test('establish, and ping in both directions', async () => {
    const { west, east } = await establishedPair()
    expect(await ping(west, '10.1.0.1', '10.2.0.1')).toBeDefined()
    expect(await ping(east, '10.2.0.1', '10.1.0.1')).toBeDefined()
    const [sa] = west.endpoint.status().ikeSas
    expect(sa).toMatchObject({ state: 'established', role: 'initiator', localId: 'west.example', encap: true })
    expect(sa!.children[0]).toMatchObject({ name: 'net', packetsIn: 2, packetsOut: 2 })
  })

  test('initiate resolves to what was established', async () => {
    pair = await startPair()
    const { sa, details, child } = await pair.west.endpoint.initiate('pair')
    expect(sa.connection).toBe('pair')
    expect(details.role).toBe('initiator')
    expect(child).toMatchObject({ name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] })
  })

  test('carry a thousand packets', async () => {
    const { west, east } = await establishedPair()
    const packet = buildUdp({
      source: parseIp('10.1.0.1'),
      destination: parseIp('10.2.0.1'),
      sourcePort: 1000,
      destinationPort: 2000,
      data: new Uint8Array(1200).fill(0x5a),
    })
    for (let sent = 0; sent < 1000; ) {
      for (const end = sent + 50; sent < end; sent++) west.tun.inject(packet)
      await until(() => east.received.length === sent)
    }
    expect(east.received).toHaveLength(1000)
    expect(east.received[999]).toEqual(packet)
    expect(east.endpoint.status().ikeSas[0]!.children[0]).toMatchObject({ packetsIn: 1000, bytesIn: 1000 * 1228 })
  })

  test('packets outside the traffic selectors are dropped and counted', async () => {
    const { west } = await establishedPair()
    expect(await ping(west, '10.1.0.1', '10.9.0.1', 50)).toBeUndefined()
    expect(west.endpoint.status().xfrmStats.XfrmOutPolBlock).toBe(1)
  })

  test.each(['west', 'east'] as const)('%s deletes the IKE_SA, and nothing is left on either side', async (name) => {
    const { west, east } = await establishedPair()
    const deleting = pair[name].endpoint
    deleting.deleteIke(deleting.status().ikeSas[0]!.id)
    await until(() => west.endpoint.status().ikeSas.length + east.endpoint.status().ikeSas.length === 0)
    for (const side of [west, east]) {
      expect(eventsOf(side, 'ike-closed')).toMatchObject([{ reason: side === pair[name] ? 'local' : 'peer' }])
      const { states, policies } = side.endpoint.status()
      expect({ states, policies }).toEqual({ states: [], policies: [] })
    }
  })

  test('closing an endpoint deletes the SAs at its peer', async () => {
    const { west, east } = await establishedPair()
    await west.endpoint.close()
    expect(eventsOf(east, 'ike-closed')).toMatchObject([{ reason: 'peer' }])
    expect(east.endpoint.status().states).toEqual([])
  })

  test('a CHILD_SA is deleted alone, and its policies with it', async () => {
    const { west, east } = await establishedPair()
    const [sa] = west.endpoint.status().ikeSas
    west.endpoint.deleteChild(sa!.id, Number.parseInt(sa!.children[0]!.spiIn, 16))
    await until(() => eventsOf(east, 'child-closed').length === 1 && eventsOf(west, 'child-closed').length === 1)
    expect(west.endpoint.status().ikeSas).toHaveLength(1)
    expect(west.endpoint.status().policies).toEqual([])
    expect(east.endpoint.status().states).toEqual([])
  })

  test('a packet that meets a trap brings the tunnel up and is delivered', async () => {
    const children = [
      { name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'], startAction: 'trap' as const },
    ]
    pair = await startPair({ children })
    expect(pair.west.endpoint.status().ikeSas).toEqual([])
    expect(await ping(pair.west, '10.1.0.1', '10.2.0.1')).toBeDefined()
    expect(pair.west.endpoint.status().ikeSas).toMatchObject([{ state: 'established' }])
  })

  test('a connection that starts by itself needs no call', async () => {
    const children = [
      { name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'], startAction: 'start' as const },
    ]
    pair = await startPair({ children })
    await until(() => pair.west.endpoint.status().ikeSas[0]?.children.length === 1)
    expect(await ping(pair.east, '10.2.0.1', '10.1.0.1')).toBeDefined()
  })
})

describe('a refused negotiation ends cleanly and explains itself on both sides', () => {
  function expectNothingLeft(): void {
    for (const side of [pair.west, pair.east]) {
      const { states, policies } = side.endpoint.status()
      expect({ states, policies }).toEqual({ states: [], policies: [] })
    }
  }

  test('another pre-shared key', async () => {
    const error = await refusedPair({}, { psk: 'another' })
    expect(error.code).toBe('AUTHENTICATION_FAILED')
    expect(error.refusal).toMatchObject({ by: 'peer', localId: 'west.example' })
    await until(() => pair.east.endpoint.status().ikeSas.length === 0)
    expect(eventsOf(pair.east, 'refused')).toMatchObject([
      { refusal: { kind: 'authentication-failed', by: 'local', remoteId: 'west.example' } },
    ])
    expect(pair.east.entries.some(({ text }) => text.includes('authentication-failed'))).toBe(true)
    expectNothingLeft()
    // Event, error, log and status say the same.
    for (const side of [pair.west, pair.east]) {
      const [event] = eventsOf(side, 'refused')
      const text = explainRefusal(event!.refusal)
      expect(side.endpoint.status().refusals).toMatchObject([{ text, count: 1, refusal: event!.refusal }])
      expect(side.entries.some((entry) => entry.text.includes(text))).toBe(true)
      expect(formatStatus(side.endpoint.status())).toContain(text.split('\n').at(-1))
    }
    expect(error.message).toContain(explainRefusal(eventsOf(pair.west, 'refused')[0]!.refusal))
  })

  test('no common IKE proposal', async () => {
    const error = await refusedPair(
      { proposals: ['aes128gcm16-prfsha256-x25519'] },
      { proposals: ['aes256gcm16-prfsha384-ecp384'] },
    )
    expect(error.code).toBe('NO_PROPOSAL_CHOSEN')
    expect(error.refusal).toMatchObject({ by: 'peer', what: 'IKE', configured: ['aes128gcm16-prfsha256-x25519'] })
    // The request is sent again while a better answer may come.
    expect(eventsOf(pair.east, 'refused').slice(0, 1)).toMatchObject([
      {
        refusal: {
          by: 'local',
          offered: ['aes128gcm16-prfsha256-x25519'],
          configured: ['aes256gcm16-prfsha384-ecp384'],
        },
      },
    ])
    expectNothingLeft()
  })

  test('no common ESP proposal', async () => {
    const child = (suite: string, local: string, remote: string) => [
      { name: 'net', localTs: [local], remoteTs: [remote], espProposals: [suite] },
    ]
    const error = await refusedPair(
      { children: child('aes128gcm16', '10.1.0.0/16', '10.2.0.0/16') },
      { children: child('chacha20poly1305', '10.2.0.0/16', '10.1.0.0/16') },
    )
    expect(error.code).toBe('NO_PROPOSAL_CHOSEN')
    expect(error.refusal).toMatchObject({ by: 'peer', what: 'CHILD' })
    expectNothingLeft()
  })

  test('no common traffic selector', async () => {
    const error = await refusedPair(
      { children: [{ name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.7.0.0/16'] }] },
      {},
    )
    expect(error.code).toBe('TS_UNACCEPTABLE')
    expect(eventsOf(pair.east, 'refused')).toMatchObject([
      {
        refusal: { by: 'local', offeredTSr: ['10.7.0.0/16'], configuredLocal: ['10.2.0.0/16'] },
      },
    ])
    expectNothingLeft()
  })

  test('a peer that does not answer', async () => {
    pair = await startPair({ port: 9, natPort: 9 })
    await expect(pair.west.endpoint.initiate('pair')).rejects.toMatchObject({ refusal: { kind: 'no-answer' } })
    expectNothingLeft()
  })
})

describe('starting and ending', () => {
  const listen = { addresses: [parseIp('127.0.0.1')], ikePort: 0, natPort: 0 }

  test('two connections of one name are refused', async () => {
    pair = await startPair()
    const one = pskConnection({ name: 'twin', psk: 'x', localAddress: '127.0.0.1', children: [] })
    await expect(Endpoint.start({ connections: [one, one], listen })).rejects.toThrow('twin')
  })

  test('a name that is not configured, or a peer without an address, cannot be called', async () => {
    pair = await startPair()
    await expect(pair.west.endpoint.initiate('nobody')).rejects.toThrow('nobody')
    await expect(pair.east.endpoint.initiate('pair')).rejects.toThrow('no remote address')
  })

  test('a local address that is not listened on is named', async () => {
    pair = await startPair({ localAddress: '127.0.0.2', localId: 'west.example' })
    await expect(pair.west.endpoint.initiate('pair')).rejects.toMatchObject({ code: 'NOT_LISTENING' })
  })

  test('a closed endpoint takes no calls, and may be closed again', async () => {
    pair = await startPair()
    await pair.west.endpoint.close()
    await pair.west.endpoint.close()
    await expect(pair.west.endpoint.initiate('pair')).rejects.toThrow('closed')
  })

  test('closing ends a negotiation that waits for its peer', async () => {
    pair = await startPair({ port: 9, natPort: 9, retransmit: { baseMs: 60_000 } })
    const outcome = pair.west.endpoint.initiate('pair').catch((error: unknown) => error)
    await until(() => pair.west.endpoint.status().ikeSas.length === 1)
    await pair.west.endpoint.close()
    expect(await outcome).toMatchObject({ name: 'NegotiationError' })
  })

  test('a listener that calls back meets the events in their order', async () => {
    pair = await startPair()
    const { endpoint } = pair.west
    const kinds: string[] = []
    endpoint.on('event', (event) => {
      if (event.kind === 'ike-established') endpoint.deleteIke(event.sa.id)
    })
    endpoint.on('event', (event) => {
      if (event.kind !== 'message') kinds.push(event.kind)
    })
    await endpoint.initiate('pair').catch(() => undefined)
    await until(() => endpoint.status().ikeSas.length === 0)
    expect(kinds).toEqual(['ike-established', 'child-established', 'child-closed', 'ike-closed'])
  })

  test('garbage on both ports is counted, and the tunnel goes on', async () => {
    const { west, east } = await establishedPair()
    const { ike, nat } = east.endpoint.paths.ports
    const from = { address: parseIp('127.0.0.1'), port: west.endpoint.paths.ports.nat }
    for (let length = 0; length < 200; length++) {
      for (const port of [ike, nat]) {
        const garbage = Uint8Array.from({ length }, (_, i) => (i * 31 + length * 7) & 0xff)
        west.endpoint.paths.sendRaw(from, { address: from.address, port }, garbage)
      }
    }
    expect(await ping(west, '10.1.0.1', '10.2.0.1')).toBeDefined()
    const { xfrmStats, udp } = east.endpoint.status()
    expect(xfrmStats.XfrmInNoStates).toBeGreaterThan(100)
    expect(udp.invalidReceived).toBeGreaterThan(0)
    expect(east.entries.filter(({ level }) => level === 'error')).toEqual([])
    // Lines about the 200 and more drops of a kind are few.
    expect(east.entries.filter(({ text }) => text.includes('dropped')).length).toBeLessThan(40)
  })
})
