import { expect, it } from 'vitest'
import { buildUdp, parseIp } from '../../src/ip/index.ts'
import { createPair } from '../../src/testing/create-pair.ts'
import { simulationProvider } from '../../src/testing/simulation-provider.ts'

const packet = (bytes: number) =>
  buildUdp({
    ...{ source: parseIp('10.1.0.1'), destination: parseIp('10.2.0.1'), sourcePort: 1, destinationPort: 2 },
    data: new Uint8Array(bytes - 28),
  })

it('a gateway finds out where long packets vanish, keeps to it, and tells inner senders', () => {
  const pair = createPair({ crypto: simulationProvider, network: { mtu: 1300, fragments: 'drop' } })
  const { a, b, clock } = pair
  pair.connect()
  const arrived: number[] = []
  const told: Uint8Array[] = []
  b.onInner((one) => arrived.push(one.length))
  a.onInner((one) => told.push(one))
  expect(a.inject(packet(1350))).toBe('sent')
  clock.advance(1_000)
  expect(arrived).toEqual([])
  a.probePaths()
  clock.advance(60_000)
  const outbound = [...a.databases.states()].find(({ direction }) => direction === 'out')!
  expect(outbound.pathMtu).toBeGreaterThan(1280)
  expect(outbound.pathMtu).toBeLessThanOrEqual(1308)
  expect(a.inject(packet(1350))).toBe('XfrmOutStateModeError')
  const mtu = (told[0]![26]! << 8) | told[0]![27]!
  expect(a.inject(packet(mtu))).toBe('sent')
  clock.advance(1_000)
  expect(arrived).toEqual([mtu])
})
