import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runCli } from '../../src/cli/cli.ts'
import { readConfig } from '../../src/config/index.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { NegotiationError } from '../../src/endpoint/negotiation-error.ts'
import { optionsOfConfig } from '../../src/endpoint/options-of-config.ts'
import type { IkeEvent } from '../../src/ike/events.ts'
import { loopback } from '../endpoint/pair.ts'

let folder: string
let running: Endpoint[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'typeswan-pki-'))
  await pki('ca', '--name', 'C=CH, O=Example, CN=Example CA', '--out', ca())
  await pki('server', '--ca', ca(), '--name', 'vpn.example.org')
  await pki('client', '--ca', ca(), '--name', 'alice@example.org')
  await pki('crl', '--ca', ca())
})

afterEach(async () => {
  await Promise.all(running.map((endpoint) => endpoint.close()))
  running = []
  rmSync(folder, { recursive: true })
})

const ca = (): string => join(folder, 'ca')

async function pki(...args: string[]): Promise<void> {
  const err: string[] = []
  const code = await runCli(['pki', ...args], { out: () => {}, err: (text) => err.push(text) })
  expect({ code, err }).toEqual({ code: 0, err: [] })
}

/** A configuration file beside the folder of the authority, as the README has it. */
async function start(name: string, connection: object): Promise<{ endpoint: Endpoint; events: IkeEvent[] }> {
  const file = join(folder, `${name}.json`)
  writeFileSync(file, JSON.stringify({ connections: { office: connection } }))
  const { tun: _tun, host: _host, leaseFile: _leases, ...options } = optionsOfConfig(readConfig(file))
  const endpoint = await Endpoint.start({ ...options, listen: { addresses: [loopback], ikePort: 0, natPort: 0 } })
  const events: IkeEvent[] = []
  endpoint.on('event', (event) => events.push(event))
  running.push(endpoint)
  return { endpoint, events }
}

async function connect(expectedId: string): Promise<{ outcome: unknown; gatewaySaw: string[] }> {
  const gateway = await start('gateway', {
    local: {
      address: '127.0.0.1',
      id: 'vpn.example.org',
      key: 'ca/vpn.example.org.key',
      certificates: ['ca/vpn.example.org.crt'],
    },
    remote: {
      address: '%any',
      id: '*@example.org',
      authorities: ['ca/ca.crt'],
      crls: ['ca/ca.crl'],
      revocation: 'strict',
    },
    children: { net: { localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] } },
  })
  const { ike: port, nat: natPort } = gateway.endpoint.paths.ports
  const client = await start('client', {
    local: {
      address: '127.0.0.1',
      id: 'alice@example.org',
      key: 'ca/alice@example.org.key',
      certificates: ['ca/alice@example.org.crt'],
    },
    remote: { address: '127.0.0.1', port, natPort, id: expectedId, authorities: ['ca/ca.crt'] },
    children: { net: { localTs: ['10.2.0.0/16'], remoteTs: ['10.1.0.0/16'] } },
  })
  const outcome = await client.endpoint.initiate('office').catch((error: unknown) => error)
  const gatewaySaw = gateway.events.flatMap((event) => (event.kind === 'refused' ? [event.refusal.message] : []))
  return { outcome, gatewaySaw }
}

test('what `typeswan pki` makes connects a gateway and a client', async () => {
  const { outcome } = await connect('vpn.example.org')
  expect(outcome).toMatchObject({ child: { name: 'net' } })
})

test('a client whose certificate was revoked is refused, and only the gateway knows why', async () => {
  await pki('crl', '--ca', ca(), '--revoke', join(ca(), 'alice@example.org.crt'), '--reason', 'keyCompromise')
  const { outcome, gatewaySaw } = await connect('vpn.example.org')
  expect(outcome).toBeInstanceOf(NegotiationError)
  expect((outcome as Error).message).toMatch(/AUTHENTICATION_FAILED/)
  expect((outcome as Error).message).not.toMatch(/revoked/)
  expect(gatewaySaw.join()).toMatch(/CN=alice@example\.org" was revoked at .*\(keyCompromise\), says the CRL of/)
})
