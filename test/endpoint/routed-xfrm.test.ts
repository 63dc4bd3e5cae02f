import { describe, expect, test } from 'vitest'
import { SplitRoutes } from '../../src/endpoint/host/split-routes.ts'
import { Log } from '../../src/endpoint/log.ts'
import { RouteTable } from '../../src/endpoint/route-table.ts'
import { RoutedXfrm } from '../../src/endpoint/routed-xfrm.ts'
import { parseIp, parseRange } from '../../src/ip/index.ts'
import { RecordingXfrm } from '../../src/testing/index.ts'
import type { XfrmPolicyConfig } from '../../src/xfrm/port.ts'

function routedXfrm(): { xfrm: RoutedXfrm; routes: SplitRoutes; calls: string[]; settled: () => Promise<void> } {
  const calls: string[] = []
  const ip = async (args: readonly string[]): Promise<string> => {
    calls.push(args.join(' '))
    return ''
  }
  const table = new RouteTable({ device: 'tun0', ip, log: new Log(() => {}), localAddresses: () => [] })
  const routes = new SplitRoutes(table)
  return { xfrm: new RoutedXfrm(new RecordingXfrm(), routes), routes, calls, settled: () => routes.settled() }
}

const anyPort = { first: 0, last: 65_535 }

function policy(index: number, direction: 'in' | 'out', destination: string, peer = '192.0.2.1'): XfrmPolicyConfig {
  const [saddr, daddr] = [parseIp('192.0.2.9'), parseIp(peer)]
  return {
    index,
    direction,
    selector: {
      source: parseRange('10.1.0.0/16'),
      destination: parseRange(destination),
      protocol: 0,
      sourcePort: anyPort,
      destinationPort: anyPort,
    },
    action: 'allow',
    priority: 1,
    templates: [{ saddr, daddr, proto: 50, mode: 'tunnel', reqid: 1 }],
    label: 'test',
  }
}

test('only outbound policies bring a route', async () => {
  const { xfrm, calls, settled } = routedXfrm()
  xfrm.newPolicy(policy(1, 'in', '10.2.0.0/16'))
  xfrm.newPolicy(policy(2, 'out', '10.2.0.0/16'))
  await settled()
  expect(calls).toEqual(['route add 10.2.0.0/16 dev tun0'])
})

test('a bypass policy brings none', async () => {
  const { xfrm, calls, settled } = routedXfrm()
  xfrm.newPolicy({ ...policy(1, 'out', '10.2.0.0/16'), templates: [] })
  await settled()
  expect(calls).toEqual([])
})

test('a policy whose peer moved keeps its route', async () => {
  const { xfrm, calls, settled } = routedXfrm()
  xfrm.newPolicy(policy(1, 'out', '10.2.0.0/16'))
  xfrm.updPolicy(policy(1, 'out', '10.2.0.0/16', '198.51.100.1'))
  await settled()
  expect(calls).toEqual(['route add 10.2.0.0/16 dev tun0'])
  xfrm.delPolicy(1)
  await settled()
  expect(calls[1]).toBe('route del 10.2.0.0/16 dev tun0')
})

test('a trap and the CHILD_SA that it brought up share the route, which goes with the last of them', async () => {
  const { xfrm, calls, settled } = routedXfrm()
  xfrm.newPolicy(policy(1, 'out', '10.2.0.0/16'))
  xfrm.newPolicy(policy(2, 'out', '10.2.0.0/16'))
  xfrm.delPolicy(2)
  await settled()
  expect(calls).toHaveLength(1)
  xfrm.delPolicy(1)
  await settled()
  expect(calls).toHaveLength(2)
})

describe('networks that the peer said are behind it', () => {
  const networks = [parseRange('10.2.0.0/16'), parseRange('192.0.2.53'), parseRange('fd00::/8')]

  test('are all that is routed of a policy for every address', async () => {
    const { xfrm, routes, calls, settled } = routedXfrm()
    xfrm.newPolicy(policy(1, 'out', '0.0.0.0/0', '198.51.100.1'))
    routes.restrict(1, networks)
    await settled()
    expect(calls).toEqual(['route add 10.2.0.0/16 dev tun0', 'route add 192.0.2.53/32 dev tun0'])
    xfrm.delPolicy(1)
    await settled()
    expect(calls.slice(2).sort()).toEqual(['route del 10.2.0.0/16 dev tun0', 'route del 192.0.2.53/32 dev tun0'])
  })

  test('leave the policies of others alone', async () => {
    const { xfrm, routes, calls, settled } = routedXfrm()
    xfrm.newPolicy(policy(1, 'out', '10.0.0.0/8'))
    routes.restrict(2, networks)
    await settled()
    expect(calls).toEqual(['route add 10.0.0.0/8 dev tun0'])
  })

  test('that change move the routes, and those that stay are not touched', async () => {
    const { xfrm, routes, calls, settled } = routedXfrm()
    xfrm.newPolicy(policy(1, 'out', '10.0.0.0/8'))
    routes.restrict(1, [parseRange('10.2.0.0/16'), parseRange('10.3.0.0/16')])
    await settled()
    calls.length = 0
    routes.restrict(1, [parseRange('10.3.0.0/16'), parseRange('10.4.0.0/16')])
    await settled()
    expect(calls).toEqual(['route add 10.4.0.0/16 dev tun0', 'route del 10.2.0.0/16 dev tun0'])
  })
})

test('a new route waits for the addresses that it may name', async () => {
  let assigned = false
  const ip = async (args: readonly string[]) => {
    expect(assigned).toBe(true)
    expect(args.join(' ')).toBe('route add 10.2.0.0/16 dev tun0 src 10.1.0.7')
    return ''
  }
  const localAddresses = () => (assigned ? [parseIp('10.1.0.7')] : [])
  const ready = async () => {
    await Promise.resolve()
    assigned = true
  }
  const table = new RouteTable({ device: 'tun0', ip, log: new Log(() => {}), localAddresses, ready })
  table.add({ destination: parseRange('10.2.0.0/16'), source: parseRange('10.1.0.0/16'), peer: parseIp('192.0.2.1') })
  await table.settled()
  expect.assertions(2)
})
