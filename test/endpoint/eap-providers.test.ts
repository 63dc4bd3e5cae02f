import { afterEach, describe, expect, test } from 'vitest'
import { EapMethods } from '../../src/credentials/eap.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { akaPrime, softwareAuc, softwareUsim } from '../../src/eap/index.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { Log, type LogEntry } from '../../src/endpoint/log.ts'
import { optionsOfConfig } from '../../src/endpoint/options-of-config.ts'
import type { ConnectionConfig } from '../../src/ike/config.ts'
import { parse } from '../config/pki-files.ts'
import { type Freeradius, hasFreeradius, startFreeradius } from '../radius/freeradius.ts'
import { loopback } from './pair.ts'

const running: { close(): Promise<unknown> }[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((endpoint) => endpoint.close()))
})

async function start(connection: object, change: (connection: ConnectionConfig) => ConnectionConfig = (same) => same) {
  const config = parse({ fetch: 'none', connections: { office: connection } })
  const { tun: _tun, host: _host, leaseFile: _leases, ...options } = optionsOfConfig(config)
  const log: LogEntry[] = []
  const endpoint = await Endpoint.start({
    ...options,
    connections: options.connections.map(change),
    listen: { addresses: [loopback], ikePort: 0, natPort: 0 },
    log: new Log((entry) => log.push(entry), 'trace'),
  })
  running.push(endpoint)
  return { endpoint, log: () => log.map(({ text }) => text).join('\n') }
}

const gate = { id: 'gate.example', key: 'gate.key', certificates: ['gate.pem'], address: '127.0.0.1' }
const children = { net: { localTs: ['10.1.0.0/16'], remoteTs: ['dynamic'] } }
const mirrored = { net: { localTs: ['dynamic'], remoteTs: ['10.1.0.0/16'] } }
const gateTo = ({ endpoint }: { readonly endpoint: Endpoint }) => {
  const { ike: port, nat: natPort } = endpoint.paths.ports
  return { address: '127.0.0.1', id: 'gate.example', authorities: ['root.pem'], port, natPort }
}

describe('a provider of the program', () => {
  test('gives vectors for EAP-AKA’, and a USIM answers: an ePDG for a bench', async () => {
    const key = { k: new Uint8Array(16).fill(3), opc: new Uint8Array(16).fill(4) }
    const imsi = '0001010000000001@nai.epc.mnc001.mcc001.3gppnetwork.org'
    const random = (length: number) => globalThis.crypto.getRandomValues(new Uint8Array(length))
    const base = { crypto: nodeProvider, random, setting: 'the program' }
    const auc = softwareAuc(nodeProvider, random, new Map([[imsi, { ...key, sqn: 0 }]]))
    const usim = softwareUsim(nodeProvider, { ...key, sqn: 900 })
    const server = new EapMethods({ ...base, server: { methods: [akaPrime], credentials: auc } })
    const peer = new EapMethods({ ...base, peer: { methods: [akaPrime], credentials: usim, identity: imsi } })

    // What a file cannot say, the program puts in the place of what it says.
    const psk = 'in its place comes EAP'
    const gateway = await start(
      { children, local: gate, remote: { id: '%any', eap: { methods: ['tls'], authorities: ['root.pem'] } } },
      (connection) => ({
        ...connection,
        remote: { ...connection.remote, auth: { method: 'eap', methods: server } },
      }),
    )
    const phone = await start(
      {
        children: mirrored,
        psk,
        local: { id: imsi, address: '127.0.0.1' },
        remote: { ...gateTo(gateway), auth: 'pubkey' },
      },
      (connection) => ({ ...connection, local: { ...connection.local, auth: { method: 'eap', methods: peer } } }),
    )
    expect(await phone.endpoint.initiate('office')).toMatchObject({ child: { name: 'net' } })
    expect(gateway.endpoint.status().ikeSas).toMatchObject([{ state: 'established' }])
  })
})

describe.skipIf(!hasFreeradius())('with FreeRADIUS behind the gateway', () => {
  const password = 'correct horse'
  const secretOf = (server: Freeradius) => ({ address: '127.0.0.1', port: server.authPort, secret: server.secret })

  test('a client gets in and gets its address there, and a wrong password does not', async () => {
    const server = await startFreeradius(`alice Cleartext-Password := "${password}"\n  Framed-IP-Address = 10.3.0.7\n`)
    running.push({ close: () => server.stop() })
    const remote = { id: '%any', eap: { radius: { servers: [secretOf(server)], nasIdentifier: 'gate' } } }
    const gateway = await start({ children, local: gate, remote })
    const client = async (given: string) => {
      const eap = { methods: ['mschapv2'], identity: 'alice', password: given }
      const local = { id: 'laptop.example', address: '127.0.0.1', virtualIps: ['0.0.0.0'], eap }
      return start({ children: mirrored, local, remote: gateTo(gateway) })
    }
    const good = await client(password)
    expect(await good.endpoint.initiate('office')).toMatchObject({ child: { name: 'net' } })
    expect(JSON.stringify(good.endpoint.status())).toContain('10.3.0.7')

    const bad = await client('hunter2')
    await expect(bad.endpoint.initiate('office')).rejects.toThrow('error 691')
    expect(gateway.log()).toContain('RADIUS refused alice')
    for (const { log } of [gateway, good, bad]) {
      for (const said of [password, 'hunter2', server.secret]) expect(log()).not.toContain(said)
    }
  })
})
