import { afterEach, describe, expect, it } from 'vitest'
import { buildUdp, parseIp } from '../../src/ip/index.ts'
import { closePair, type Side, startPair, until } from './pair.ts'

let pair: { west: Side; east: Side } | undefined
afterEach(async () => {
  if (pair !== undefined) await closePair(pair)
  pair = undefined
})

describe('an endpoint whose path takes less', () => {
  it('tells the inner sender, and shows what it goes by', async () => {
    const children = [
      {
        ...{ name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] },
        ...{ path: { mtu: 1000, mss: 'path' as const, df: 'set' as const }, flags: { noEcn: true } },
      },
    ]
    pair = await startPair({ children })
    const { west } = pair
    await west.endpoint.initiate('pair')
    const { states } = west.endpoint.status()
    const outbound = states.find(({ direction }) => direction === 'out')!
    expect(outbound).toMatchObject({
      mode: 'tunnel',
      pathMtu: 1000,
      mssClamp: 'path',
      df: 'set',
      flags: { noEcn: true },
    })
    expect(states.find(({ direction }) => direction === 'in')).toMatchObject({
      pathMtu: null,
      innerMtu: null,
      ecnAlarms: 0,
    })
    const addresses = { source: parseIp('10.1.0.1'), destination: parseIp('10.2.0.1') }
    west.tun.inject(buildUdp({ ...addresses, sourcePort: 1, destinationPort: 2, data: new Uint8Array(1100) }))
    await until(() => west.received.length > 0)
    const error = west.received[0]!
    expect([error[20], error[21], (error[26]! << 8) | error[27]!]).toEqual([3, 4, outbound.innerMtu!.ipv4])
  })

  it('finds that out by itself where it is to, and here that nothing vanishes', async () => {
    pair = await startPair({ probePath: true })
    const { west, east } = pair
    await west.endpoint.initiate('pair')
    const told = ({ entries }: Side) => entries.filter(({ text }) => text.includes('the path of pair/net takes'))
    await until(() => told(west).length > 0)
    expect(told(west)[0]!.text).toMatch(/takes 1500 octets/)
    expect(told(east)).toEqual([])
    expect(east.endpoint.status().states.every(({ integrityFailures }) => integrityFailures === 0)).toBe(true)
  })
})
