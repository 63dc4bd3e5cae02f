import { afterEach, describe, expect, test, vi } from 'vitest'
import { IkeEndpoint } from '../../src/ike/ike-endpoint.ts'
import { closePair, eventsOf, loopback, ping, type Side, startPair, until } from './pair.ts'

let pair: { west: Side; east: Side }

afterEach(async () => {
  vi.restoreAllMocks()
  await closePair(pair)
})

const trap = [{ name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'], startAction: 'trap' as const }]
const errorsOf = (side: Side) => side.entries.filter(({ level }) => level === 'error').map(({ text }) => text)

describe('a child that starts by itself', () => {
  test('comes back when a lifetime of its own has ended', async () => {
    const start = { name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'], startAction: 'start' as const }
    pair = await startPair({ children: [{ ...start, lifetime: { hardPackets: 2 } }] })
    await until(() => eventsOf(pair.west, 'child-established').length === 1)
    for (let i = 0; i < 3; i++) await ping(pair.west, '10.1.0.1', '10.2.0.1', 300)
    await until(() => eventsOf(pair.west, 'child-established').length === 2)
    expect(eventsOf(pair.west, 'child-closed')[0]!.reason).toBe('expired')
    expect(await ping(pair.west, '10.1.0.1', '10.2.0.1')).toBeDefined()
  })
})

describe('asking for a child again', () => {
  test('while it is set up, and when it stands, leads to the same one', async () => {
    pair = await startPair()
    const { endpoint } = pair.west
    const outcomes = await Promise.all([endpoint.initiate('pair'), endpoint.initiate('pair')])
    outcomes.push(await endpoint.initiate('pair'))
    expect(new Set(outcomes.map(({ sa, child }) => `${sa.id} ${child!.spiIn}`)).size).toBe(1)
    expect(endpoint.status().ikeSas).toMatchObject([{ children: [{ name: 'net' }] }])
  })

  test('is not disturbed by the refusal of another one', async () => {
    const child = (name: string, localTs: string, remoteTs: string) => ({
      name,
      localTs: [localTs],
      remoteTs: [remoteTs],
    })
    const first = child('net', '10.1.0.0/16', '10.2.0.0/16')
    pair = await startPair(
      { children: [first, child('bad', '10.1.0.0/16', '10.7.0.0/16'), child('good', '10.3.0.0/16', '10.4.0.0/16')] },
      { children: [child('net', '10.2.0.0/16', '10.1.0.0/16'), child('good', '10.4.0.0/16', '10.3.0.0/16')] },
    )
    const { endpoint } = pair.west
    await endpoint.initiate('pair')
    const [bad, good] = await Promise.allSettled([endpoint.initiate('pair', 'bad'), endpoint.initiate('pair', 'good')])
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'TS_UNACCEPTABLE' } })
    expect(good).toMatchObject({ status: 'fulfilled', value: { child: { name: 'good' } } })
  })

  test('of a connection without children is a mistake of the caller', async () => {
    pair = await startPair({ children: [] })
    await expect(pair.west.endpoint.initiate('pair')).rejects.toThrow('no children')
  })
})

describe('a trap whose peer agrees to less', () => {
  test('delivers the packet that it held, and lets none out that the peer did not agree to', async () => {
    const narrower = [{ name: 'net', localTs: ['10.2.0.0/24'], remoteTs: ['10.1.0.0/16'] }]
    pair = await startPair({ children: trap }, { children: narrower })
    const { west, east } = pair
    expect(await ping(west, '10.1.0.1', '10.2.0.1')).toBeDefined()
    expect(await ping(west, '10.1.0.1', '10.2.9.1', 50)).toBeUndefined()
    expect(west.endpoint.status().xfrmStats.XfrmOutPolBlock).toBe(1)
    expect(west.endpoint.status().ikeSas).toMatchObject([{ children: [{ packetsOut: 1 }] }])
    expect(eventsOf(east, 'child-established')).toHaveLength(1)
  })
})

describe('a mistake of ours in the core', () => {
  test('met by a packet is logged, and the endpoint goes on', async () => {
    pair = await startPair({ children: trap })
    const { west } = pair
    vi.spyOn(IkeEndpoint.prototype, 'acquire').mockImplementationOnce(() => {
      throw new Error('a mistake')
    })
    expect(await ping(west, '10.1.0.1', '10.2.0.1', 50)).toBeUndefined()
    expect(errorsOf(west)).toEqual([expect.stringContaining('a mistake')])
    await west.endpoint.initiate('pair')
    expect(await ping(west, '10.1.0.1', '10.2.0.1')).toBeDefined()
  })

  test('met by a timer is logged, and the endpoint goes on', async () => {
    pair = await startPair({ port: 9, natPort: 9 })
    const { west } = pair
    vi.spyOn(IkeEndpoint.prototype, 'handleTimeouts').mockImplementationOnce(() => {
      throw new Error('a mistake')
    })
    const outcome = west.endpoint.initiate('pair').catch((error: unknown) => error)
    await until(() => errorsOf(west).length === 1)
    expect(await outcome).toMatchObject({ refusal: { kind: 'no-answer' } })
  })
})

describe('dummy packets', () => {
  test('go to the peer, which drops them, and to no state that is not there', async () => {
    pair = await startPair()
    const { west, east } = pair
    const { child } = await west.endpoint.initiate('pair')
    const taken = () => {
      const [state] = east.endpoint.status().states.filter(({ direction }) => direction === 'in')
      return [state!.packets, state!.bytes]
    }
    for (let i = 0; i < 3; i++) expect(west.endpoint.sendDummy(child!.spiOut, loopback, 500)).toBe(true)
    await until(() => taken()[0] === 3)
    expect([taken(), east.received]).toEqual([[3, 0], []])
    expect(west.endpoint.sendDummy(child!.spiOut, loopback, 70_000)).toBe(false)
    expect(west.endpoint.sendDummy(child!.spiIn, loopback, 500)).toBe(false)
    expect(west.endpoint.sendDummy(1, loopback, 500)).toBe(false)
  })
})
