import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from '../../src/cli/cli.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { Log } from '../../src/endpoint/log.ts'
import type { EndpointOptions } from '../../src/endpoint/options.ts'
import { optionsOfConfig } from '../../src/endpoint/options-of-config.ts'
import * as typeswan from '../../src/index.ts'
import { compileExample, exampleNamed } from '../support/examples.ts'
import { loopback } from './pair.ts'

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
const running: Endpoint[] = []
const lines: string[] = []
const signals = process.listeners('SIGTERM')
let folder: string
const at = (name: string): string => join(folder, name)

/** In the place of the machine's sockets, device and terminal. */
async function start(options: EndpointOptions): Promise<Endpoint> {
  const { host: _host, leaseFile: _leases, tun: _tun, ...rest } = options
  const log = new Log(({ text }) => lines.push(text))
  const listen = { addresses: [loopback], ikePort: 0, natPort: 0 }
  const endpoint = await Endpoint.start({ ...rest, listen, log })
  running.push(endpoint)
  return endpoint
}

/** The commands, the configuration and the program of the README, as they stand there. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'typeswan-readme-'))
  const silent = { out: () => {}, err: () => {} }
  const pki = (...args: string[]) => runCli(['pki', ...args], silent)
  await pki('ca', '--name', 'C=CH, O=Example, CN=Example CA', '--out', at('ca'))
  await pki('server', '--ca', at('ca'), '--name', 'vpn.example.org')
  for (const user of ['alice', 'carol']) await pki('client', '--ca', at('ca'), '--name', `${user}@example.org`)
  writeFileSync(at('bob.password'), 'swordfish\n')
  writeFileSync(at('gateway.json'), exampleNamed(readme, 'gateway', 'json'))
  const readConfig = (file: string) => typeswan.readConfig(at(file))
  const modules = { typeswan: async () => ({ ...typeswan, Endpoint: { start }, readConfig }) }
  const run = await compileExample(exampleNamed(readme, 'policy', 'ts'), modules)
  await run()
})

afterAll(async () => {
  for (const one of process.listeners('SIGTERM')) if (!signals.includes(one)) process.off('SIGTERM', one)
  await Promise.all(running.map((endpoint) => endpoint.close()))
  rmSync(folder, { recursive: true })
})

/** Dials in, as the README's road warrior does, and resolves to its inner addresses and the name of the CHILD_SA at the gateway. */
async function dialIn(local: object): Promise<{ readonly addresses: readonly string[]; readonly child: string }> {
  const { ike: port, nat: natPort } = running[0]!.paths.ports
  const called = { address: '127.0.0.1', id: 'vpn.example.org', port, natPort, authorities: ['ca/ca.crt'] }
  const own = { address: '127.0.0.1', virtualIps: ['0.0.0.0'], ...local }
  const children = { net: { localTs: ['dynamic'], remoteTs: ['0.0.0.0/0'] } }
  writeFileSync(
    at('client.json'),
    JSON.stringify({ fetch: 'none', connections: { office: { local: own, remote: called, children } } }),
  )
  const client = await start(optionsOfConfig(typeswan.readConfig(at('client.json'))))
  await client.initiate('office')
  const addresses = client.status().ikeSas[0]!.virtualIps
  const sa = running[0]!.status().ikeSas.find(({ assignedIps }) => String(assignedIps) === String(addresses))
  return { addresses, child: sa!.children[0]!.name }
}

const certificateOf = (id: string) => ({ id, key: `ca/${id}.key`, certificates: [`ca/${id}.crt`] })

describe('the gateway of the README that decides for each user', () => {
  test('gives the address of the database, and the child', async () => {
    expect(await dialIn(certificateOf('alice@example.org'))).toEqual({ addresses: ['10.3.0.10'], child: 'net' })
  })

  test.each([
    ['is locked', { id: 'bob', eap: { methods: ['mschapv2'], password: 'swordfish' } }, 'the account is locked'],
    ['is not in the database', certificateOf('carol@example.org'), 'no such user'],
  ])('keeps out who %s, says why in its log, and not to the peer', async (_, local, why) => {
    const from = lines.length
    const error: unknown = await dialIn(local).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'AUTHENTICATION_FAILED' })
    expect(String(error)).not.toContain(why)
    expect(lines.slice(from).join('\n')).toContain(why)
  })
})
