import { readdirSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { HostSide } from '../../../src/endpoint/host/host-side.ts'
import type { Pushed } from '../../../src/endpoint/host/pushed.ts'
import { VirtualAddresses } from '../../../src/endpoint/host/virtual-addresses.ts'
import type { IkeEvent } from '../../../src/ike/events.ts'
import { formatRange, parseIp, parseRange } from '../../../src/ip/index.ts'
import { childSa, ikeSa } from './sas.ts'
import { recordingLog, recordingRunner, withFolder } from './support.ts'

const pushed: Pushed = {
  role: 'initiator',
  addresses: [parseIp('10.3.0.1'), parseIp('fd00:3::1')],
  dns: [parseIp('10.1.0.53'), parseIp('10.9.0.53')],
  domains: ['corp.example'],
  subnets: [parseRange('10.1.0.0/16')],
}
const sa = { id: 3, connection: 'office' }

async function start(folder: string) {
  const { log, texts } = recordingLog()
  const { run, calls } = recordingRunner()
  const ip = async (args: readonly string[]) => {
    calls.push(['ip', ...args].join(' '))
    return ''
  }
  const addresses = new VirtualAddresses({ device: 'swan0', ip, log })
  const routes = {
    restrict: (reqid: number, networks: readonly Parameters<typeof formatRange>[0][] | undefined) => {
      calls.push(`split ${reqid} ${networks?.map(formatRange).join(' ')}`)
    },
    settled: async () => {},
  }
  const dnsmasq = { serversFile: `${folder}/servers`, pidFile: `${folder}/pid` }
  const host = await HostSide.open(
    { device: 'swan0', log, addresses, routes },
    {
      dns: { backend: 'dnsmasq', dnsmasq },
      updown: new Map([['office', { path: '/updown', timeoutMs: 1_000 }]]),
      stateFolder: `${folder}/state`,
      run,
      runScript: async (_path, { PLUTO_VERB, PLUTO_MY_SOURCEIP }) => {
        calls.push(`${PLUTO_VERB} ${PLUTO_MY_SOURCEIP}`)
        return { code: 0, timedOut: false, stderr: '' }
      },
    },
  )
  const tell = (...events: IkeEvent[]) => {
    for (const event of events) host.notice(event)
  }
  return { host, tell, calls, texts }
}

const established: IkeEvent = { kind: 'ike-established', sa, details: ikeSa({}) }
const childUp: IkeEvent = { kind: 'child-established', sa, child: childSa({}) }
const closed: IkeEvent = { kind: 'ike-closed', sa, reason: 'peer' }

describe('the machine around an IKE_SA', () => {
  test('gets addresses, split networks with the name server, and then the script; all is taken back in the end', () =>
    withFolder(async (folder) => {
      const { host, tell, calls } = await start(folder)
      tell(established)
      host.configured(sa, pushed)
      tell(childUp)
      await host.settled()
      expect(calls).toEqual([
        'split 7 10.1.0.0/16 10.9.0.53/32',
        'ip -4 address replace 10.3.0.1/32 dev swan0',
        'ip -6 address replace fd00:3::1/128 dev swan0 nodad',
        'up-client 10.3.0.1',
      ])
      calls.length = 0
      tell({ kind: 'child-closed', sa, child: childSa({}), reason: 'peer' }, closed)
      await host.settled()
      expect(calls).toEqual([
        'split 7 undefined',
        'ip -4 address del 10.3.0.1/32 dev swan0',
        'ip -6 address del fd00:3::1/128 dev swan0',
        'down-client 10.3.0.1',
      ])
      expect(readdirSync(`${folder}/state`)).toEqual([])
    }))

  test('keeps an address while another IKE_SA has it', () =>
    withFolder(async (folder) => {
      const { host, tell, calls } = await start(folder)
      tell(established)
      host.configured(sa, pushed)
      const next = { id: 4, connection: 'office' }
      tell({ kind: 'ike-established', sa: next, details: ikeSa({ sa: next }) })
      host.configured(next, pushed)
      tell(closed)
      await host.settled()
      expect(calls.filter((call) => call.startsWith('ip'))).toHaveLength(2)
      tell({ kind: 'ike-closed', sa: next, reason: 'peer' })
      await host.settled()
      expect(calls.filter((call) => call.startsWith('ip'))).toHaveLength(4)
    }))

  test('hears of a CHILD_SA with fresh keys only when it has other selectors', () =>
    withFolder(async (folder) => {
      const { host, tell, calls } = await start(folder)
      const [old, same] = [childSa({}), childSa({ spiIn: 8 })]
      const other = childSa({ spiIn: 9, remoteTs: ['10.9.0.0/16'] })
      tell(established, childUp, { kind: 'child-rekeyed', sa, old, child: same })
      await host.settled()
      expect(calls).toEqual(['up-client undefined'])
      tell({ kind: 'child-rekeyed', sa, old: same, child: other })
      await host.settled()
      expect(calls).toEqual(['up-client undefined', 'down-client undefined', 'up-client undefined'])
    }))

  test('hears of a configuration that changes: down with the old, up with the new', () =>
    withFolder(async (folder) => {
      const { host, tell, calls } = await start(folder)
      tell(established)
      host.configured(sa, pushed)
      tell(childUp)
      await host.settled()
      calls.length = 0
      host.configured(sa, { ...pushed, addresses: [parseIp('10.3.0.2')] })
      await host.settled()
      expect(calls.filter((call) => call.includes('client'))).toEqual(['down-client 10.3.0.1', 'up-client 10.3.0.2'])
    }))

  test('is as before when the endpoint closes without a word of the peer', () =>
    withFolder(async (folder) => {
      const { host, tell, calls } = await start(folder)
      tell(established)
      host.configured(sa, pushed)
      tell(childUp)
      await host.settled()
      calls.length = 0
      await host.close()
      expect(calls).toContain('down-client 10.3.0.1')
      expect(calls).toContain('ip -4 address del 10.3.0.1/32 dev swan0')
    }))

  test('gives nothing of itself to the machine as responder: what it assigned is the peer’s', () =>
    withFolder(async (folder) => {
      const { host, tell, calls } = await start(folder)
      tell(established)
      host.configured(sa, { ...pushed, role: 'responder' })
      tell(childUp)
      await host.settled()
      expect(calls).toEqual(['up-client undefined'])
    }))
})

describe('a start after a crash', () => {
  const left = (pid: number, started: string | undefined, changes: unknown) =>
    JSON.stringify({ version: 1, pid, started, changes })
  const changes = [
    { kind: 'dns', backend: 'resolvconf', device: 'swan7' },
    { kind: 'firewall', tool: 'nft', device: 'swan7' },
    { kind: 'dns', backend: 'resolvconf', device: '-x; reboot' },
  ]

  test('takes back what the killed endpoint did, and nothing that its file does not hold well', () =>
    withFolder(async (folder) => {
      const stateFolder = folder
      writeFileSync(`${folder}/applied-999999999.json`, left(999_999_999, '5', changes))
      writeFileSync(`${folder}/applied-7.json`, 'not JSON')
      const { log, texts } = recordingLog()
      const { run, calls } = recordingRunner()
      const addresses = new VirtualAddresses({ device: 'swan0', ip: async () => '', log })
      await HostSide.open({ device: 'swan0', log, addresses, routes: undefined }, { stateFolder, run })
      expect(calls).toEqual([
        'resolvconf -f -d swan7',
        'nft -f - < "add table inet typeswan_swan7\\ndelete table inet typeswan_swan7\\n"',
      ])
      expect(readdirSync(folder)).toEqual([])
      expect(texts('warn')).toEqual([expect.stringContaining('applied-7.json cannot be read')])
    }))

  test('leaves what was done in another network namespace to an endpoint there', () =>
    withFolder(async (folder) => {
      const elsewhere = { version: 1, pid: 999_999_999, started: '5', network: 'net:[1]', changes }
      writeFileSync(`${folder}/applied-999999999.json`, JSON.stringify(elsewhere))
      const { log } = recordingLog()
      const { run, calls } = recordingRunner()
      const addresses = new VirtualAddresses({ device: 'swan0', ip: async () => '', log })
      await HostSide.open({ device: 'swan0', log, addresses, routes: undefined }, { stateFolder: folder, run })
      expect(calls).toEqual([])
      expect(readdirSync(folder)).toEqual(['applied-999999999.json'])
    }))

  test('leaves what another endpoint has that runs', () =>
    withFolder(async (folder) => {
      const { log } = recordingLog()
      const first = recordingRunner()
      const parts = {
        device: 'swan0',
        log,
        addresses: new VirtualAddresses({ device: 'swan0', ip: async () => '', log }),
      }
      const dns = { backend: 'dnsmasq', dnsmasq: { serversFile: `${folder}/s`, pidFile: `${folder}/p` } } as const
      const running = await HostSide.open({ ...parts, routes: undefined }, { stateFolder: folder, dns, run: first.run })
      running.configured(sa, pushed)
      await running.settled()
      const second = recordingRunner()
      await HostSide.open({ ...parts, routes: undefined }, { stateFolder: folder, run: second.run })
      expect(second.calls).toEqual([])
      expect(readdirSync(folder)).toContain(`applied-${process.pid}.json`)
      await running.close()
      expect(readdirSync(folder)).not.toContain(`applied-${process.pid}.json`)
    }))
})
