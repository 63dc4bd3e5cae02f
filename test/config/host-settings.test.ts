import { describe, expect, test } from 'vitest'
import { type ConfigProblems, type EndpointConfig, parseConfig } from '../../src/config/index.ts'
import { formatIp, formatRange, parseIp } from '../../src/ip/index.ts'

const office = {
  local: { id: 'client' },
  psk: 'secret',
  children: { net: { localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] } },
}

const read = (settings: object, connection: object = {}): EndpointConfig =>
  parseConfig(JSON.stringify({ ...settings, connections: { office: { ...office, ...connection } } }), 'vpn.json', {
    folder: '/etc/vpn',
  })

function problemsOf(settings: object, connection: object = {}): string[] {
  try {
    read(settings, connection)
    return []
  } catch (error) {
    return (error as ConfigProblems).errors.map(({ message }) => message)
  }
}

describe('what is done to the machine', () => {
  test('has defaults: what is there for names and rules, no scripts', () => {
    expect(read({}).host).toEqual({
      dns: { backend: 'auto', dnsmasq: undefined },
      firewall: 'auto',
      updown: new Map(),
      stateFolder: '/run/typeswan',
    })
    expect(read({}).leaseFile).toBe('/var/lib/typeswan/leases')
  })

  test('is set in short words or in objects, with paths relative to the file', () => {
    const { host, leaseFile } = read(
      {
        ...{ dns: { serversFile: 'dnsmasq.servers', pidFile: '/run/d.pid' }, firewall: 'none' },
        ...{ updown: 'bin/updown', stateFolder: '/run/x', leaseFile: 'leases' },
      },
      {},
    )
    expect(host).toEqual({
      dns: { backend: 'auto', dnsmasq: { serversFile: '/etc/vpn/dnsmasq.servers', pidFile: '/run/d.pid' } },
      firewall: 'none',
      updown: new Map([['office', { path: '/etc/vpn/bin/updown', timeoutMs: 10_000 }]]),
      stateFolder: '/run/x',
    })
    expect(leaseFile).toBe('/etc/vpn/leases')
    expect(read({ dns: 'resolved' }).host.dns.backend).toBe('resolved')
  })

  test('has a script of its own for a connection before that for all', () => {
    const { updown } = read({ updown: '/a' }, { updown: { script: '/b', timeout: '3s' } }).host
    expect(updown.get('office')).toEqual({ path: '/b', timeoutMs: 3_000 })
  })

  test.each<[object, string]>([
    [{ dns: 'bind' }, 'dns: "bind" is not allowed; allowed: auto, resolved'],
    [{ dns: 'dnsmasq' }, 'dns: needs the file that dnsmasq reads'],
    [{ dns: { backend: 'dnsmasc' } }, 'did you mean dnsmasq?'],
    [{ firewall: 'yes' }, 'firewall: "yes" is not known; allowed: auto, none'],
    [{ updown: { timeout: '1s' } }, 'updown.script: is missing'],
    [{ updown: '' }, 'updown: is empty'],
  ])('%j is refused', (settings, message) => {
    expect(problemsOf(settings).join()).toContain(message)
  })
})

describe('pools', () => {
  const pool = {
    addresses: ['10.3.0.0/24', 'fd00:3::10-fd00:3::20'],
    dns: ['10.1.0.53'],
    subnets: ['10.1.0.0/16'],
    domains: ['corp.example'],
    static: { 'Alice.example': '10.3.0.7', 'bob@example': ['10.9.0.1', 'fd00:3::11'] },
  }

  test('are read with what peers are told, and a connection names them', () => {
    const config = read({ pools: { clients: pool } }, { remote: { pools: ['clients'] } })
    const [clients] = config.pools
    expect(clients!.ranges.map(formatRange)).toEqual(['10.3.0.0/24', 'fd00:3::10-fd00:3::20'])
    expect(clients).toMatchObject({ name: 'clients', dns: [parseIp('10.1.0.53')], domains: ['corp.example'] })
    expect(clients!.reserved!.map(({ identity, address }) => [identity, formatIp(address)])).toEqual([
      ['alice.example', '10.3.0.7'],
      ['bob@example', '10.9.0.1'],
      ['bob@example', 'fd00:3::11'],
    ])
    expect(config.connections[0]!.remote.pools).toEqual(['clients'])
  })

  test('know a user of EAP by its exact name', () => {
    const clients = { static: { Bert: '10.3.0.7', Carl: '10.3.0.8' } }
    const config = read({ pools: { clients }, eapUsers: { Bert: { password: 'x' } } })
    expect(config.pools[0]!.reserved!.map(({ identity }) => identity)).toEqual(['Bert', 'carl'])
  })

  test.each<[object, string]>([
    [{ addresses: ['10.3.0.0/33'] }, 'pools.clients.addresses[0]: "10.3.0.0/33"'],
    [{ dns: ['10.1.0.53'] }, 'pools.clients.addresses: is missing'],
    [{ ...pool, domains: ['a b'] }, 'pools.clients.domains[0]: "a b" is not a domain name'],
    [{ ...pool, dns: [] }, 'pools.clients: need a DNS server'],
    [{ ...pool, subnets: ['10.1.0.1-10.1.0.9'] }, 'pools.clients.subnets[0]: "10.1.0.1-10.1.0.9" is not one prefix'],
    [{ ...pool, wins: ['fd00::1'] }, 'pools.clients.wins[0]: "fd00::1" is not an IPv4 address'],
    [{ ...pool, static: { x: '10.3.0.999' } }, 'pools.clients.static.x: '],
  ])('%j is refused', (clients, message) => {
    expect(problemsOf({ pools: { clients } }).join()).toContain(message)
  })

  test('may not overlap', () => {
    const pools = { one: { addresses: ['10.3.0.0/24'] }, two: { addresses: ['10.3.0.128/25'] } }
    expect(problemsOf({ pools }).join()).toContain('pools.two: ')
  })

  test('that a connection names must be there', () => {
    const [problem] = problemsOf({ pools: { clients: pool } }, { remote: { pools: ['client'] } })
    expect(problem).toContain('connections.office.remote.pools[0]: there is no pool "client"; did you mean clients?')
  })
})

describe('virtual addresses', () => {
  test('are read, and stay out where they are not wanted', () => {
    const asked = read({}, { local: { id: 'client', virtualIps: ['0.0.0.0', '::'] } })
    expect(asked.connections[0]!.local.virtualIps!.map(formatIp)).toEqual(['0.0.0.0', '::'])
    expect(read({}).connections[0]!.local).not.toHaveProperty('virtualIps')
  })

  test('are one of each family', () => {
    const [problem] = problemsOf({}, { local: { id: 'client', virtualIps: ['0.0.0.0', '10.3.0.1'] } })
    expect(problem).toContain('connections.office.local.virtualIps: has two of IPv4')
  })
})
