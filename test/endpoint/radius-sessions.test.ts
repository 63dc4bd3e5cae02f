import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { Log, type LogEntry } from '../../src/endpoint/log.ts'
import { optionsOfConfig } from '../../src/endpoint/options-of-config.ts'
import { createMemoryTun } from '../../src/tap-tun/index.ts'
import { parse } from '../config/pki-files.ts'
import { hasFreeradius, startFreeradius } from '../radius/freeradius.ts'
import { loopback } from './pair.ts'

const running: { close(): Promise<unknown> }[] = []

afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.close()
})

async function start(connection: object) {
  const config = parse({ fetch: 'none', connections: { office: connection } })
  const { tun: _tun, host: _host, leaseFile: _leases, ...options } = optionsOfConfig(config)
  const log: LogEntry[] = []
  const tun = createMemoryTun()
  const endpoint = await Endpoint.start({
    ...options,
    tun,
    listen: { addresses: [loopback], ikePort: 0, natPort: 0 },
    log: new Log((entry) => log.push(entry), 'trace'),
  })
  running.push(endpoint)
  return { endpoint, tun, log: () => log.map(({ text }) => text).join('\n') }
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

async function radclient(port: number, kind: 'disconnect' | 'coa', attributes: string): Promise<string> {
  const child = spawn('/usr/bin/radclient', ['-r', '1', '-t', '5', '-x', `127.0.0.1:${port}`, kind, 'to end sessions'])
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stdin.end(`${attributes}\n`)
  await once(child, 'close')
  return output
}

const hasRadclient = existsSync('/usr/bin/radclient')
if (!hasRadclient) process.stderr.write('skipped: /usr/bin/radclient is not here (Debian package freeradius-utils)\n')
const here = hasFreeradius() && hasRadclient

describe.skipIf(!here)('sessions of FreeRADIUS', () => {
  test('are accounted for, and exactly the one that a Disconnect-Request names ends', async () => {
    const user = (name: string, host: number) =>
      `${name} Cleartext-Password := "swordfish"\n  Framed-IP-Address = 10.3.0.${host}, Class = 0x0102${host.toString(16).padStart(2, '0')}\n`
    const server = await startFreeradius(user('alice', 7) + user('bob', 8))
    running.push({ close: () => server.stop() })
    const port = await freePort()
    const at = { address: '127.0.0.1', secret: server.secret }
    const radius = {
      servers: [{ ...at, port: server.authPort }],
      accounting: { servers: [{ ...at, port: server.acctPort }] },
      disconnect: { address: '127.0.0.1', port, clients: [{ address: '127.0.0.1', secret: 'to end sessions' }] },
      nasIdentifier: 'gate',
    }
    const gateway = await start({
      children: { net: { localTs: ['10.1.0.0/16'], remoteTs: ['dynamic'] } },
      local: { id: 'gate.example', key: 'gate.key', certificates: ['gate.pem'], address: '127.0.0.1' },
      remote: { id: '%any', eap: { radius } },
    })
    const { ike, nat: natPort } = gateway.endpoint.paths.ports
    const client = async (identity: string) => {
      const eap = { methods: ['mschapv2'], identity, password: 'swordfish' }
      const started = await start({
        children: { net: { localTs: ['dynamic'], remoteTs: ['10.1.0.0/16'] } },
        local: { id: `${identity}.example`, address: '127.0.0.1', virtualIps: ['0.0.0.0'], eap },
        remote: { address: '127.0.0.1', id: 'gate.example', authorities: ['root.pem'], port: ike, natPort },
      })
      await started.endpoint.initiate('office')
      return started
    }
    const alice = await client('alice')
    const bob = await client('bob')
    const records = () =>
      server
        .detail()
        .split('\n\n')
        .filter((record) => record.includes('Acct-Status-Type'))
    await vi.waitFor(() => expect(records().filter((one) => one.includes('= Start'))).toHaveLength(2), 5000)
    const started = records().find((one) => one.includes('"alice"'))!
    expect(started).toContain('Framed-IP-Address = 10.3.0.7')
    expect(started).toContain('Class = 0x010207')
    expect(started).toContain('NAS-Identifier = "gate"')

    alice.tun.inject(packet([10, 3, 0, 7], [10, 1, 0, 5], 100))
    await vi.waitFor(() => expect(gateway.tun.stats.packetsWritten).toBe(1), 5000)

    expect(await radclient(port, 'disconnect', 'User-Name = "carol"')).toMatch(
      /Disconnect-NAK[\s\S]*Session-Context-Not-Found/,
    )
    expect(await radclient(port, 'coa', 'User-Name = "bob", Session-Timeout = 86400')).toContain('CoA-ACK')
    expect(await radclient(port, 'coa', 'User-Name = "bob", Filter-Id = "x"')).toMatch(
      /CoA-NAK[\s\S]*Unsupported-Attribute/,
    )
    expect(gateway.endpoint.status().ikeSas).toHaveLength(2)
    const ack = await radclient(port, 'disconnect', 'User-Name = "alice", Framed-IP-Address = 10.3.0.7')
    expect(ack).toContain('Disconnect-ACK')
    await vi.waitFor(() => expect(alice.endpoint.status().ikeSas).toEqual([]), 5000)
    expect(bob.endpoint.status().ikeSas).toMatchObject([{ state: 'established' }])
    expect(gateway.log()).toMatch(/RADIUS session \S+ of alice ends: RADIUS asked for it/)

    await vi.waitFor(() => expect(records().some((one) => one.includes('= Stop'))).toBe(true), 5000)
    const stopped = records().find((one) => one.includes('= Stop'))!
    expect(stopped).toContain('User-Name = "alice"')
    expect(stopped).toContain('Acct-Terminate-Cause = Admin-Reset')
    expect(stopped).toContain('Acct-Input-Octets = 100')
    expect(stopped).toContain('Acct-Input-Packets = 1')
    expect(stopped).toContain('Acct-Output-Packets = 0')
    const idOf = (record: string) => /Acct-Session-Id = "(.*)"/.exec(record)?.[1]
    expect(idOf(stopped)).toBe(idOf(started))
    await gateway.endpoint.close()
    await vi.waitFor(() => expect(server.detail()).toContain('Accounting-Off'), 5000)
    expect(records().at(-2)).toContain('Acct-Terminate-Cause = Admin-Reboot')
    expect(gateway.log()).not.toContain('to end sessions')
  })
})

/** IPv4 with no transport header to speak of. */
function packet(from: readonly number[], to: readonly number[], bytes: number): Uint8Array {
  const octets = new Uint8Array(bytes)
  octets.set([0x45, 0, 0, bytes, 0, 0, 0, 0, 64, 253, 0, 0, ...from, ...to])
  let sum = 0
  for (let at = 0; at < 20; at += 2) sum += (octets[at]! << 8) | octets[at + 1]!
  sum = (sum & 0xffff) + (sum >>> 16)
  sum = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff
  octets.set([sum >>> 8, sum & 0xff], 10)
  return octets
}
