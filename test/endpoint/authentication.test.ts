import { afterEach, describe, expect, test } from 'vitest'
import type { EndpointConfig } from '../../src/config/index.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { Log, type LogEntry } from '../../src/endpoint/log.ts'
import { optionsOfConfig } from '../../src/endpoint/options-of-config.ts'
import { parse } from '../config/pki-files.ts'
import { loopback } from './pair.ts'

const running: Endpoint[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((endpoint) => endpoint.close()))
})

async function start(config: EndpointConfig, entries: LogEntry[]): Promise<Endpoint> {
  const { tun: _tun, host: _host, leaseFile: _leases, ...options } = optionsOfConfig(config)
  const endpoint = await Endpoint.start({
    ...options,
    listen: { addresses: [loopback], ikePort: 0, natPort: 0 },
    log: new Log((entry) => entries.push(entry), 'trace'),
  })
  running.push(endpoint)
  return endpoint
}

/** Connects a client to a gateway, each of settings as in a file; what they logged is in `log`. */
async function connect(client: object, gateway: object, settings: object = {}) {
  const entries = { client: [] as LogEntry[], gateway: [] as LogEntry[] }
  const children = { net: { localTs: ['10.2.0.0/16'], remoteTs: ['10.1.0.0/16'] } }
  const mirrored = { net: { localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] } }
  const own = { local: { address: '127.0.0.1' } }
  const merge = (base: object, extra: object) => ({ ...base, ...extra })
  const withLocal = ({ local, ...rest }: { local?: object }) => ({ ...rest, local: merge(own.local, local ?? {}) })
  const server = await start(
    parse({ ...settings, fetch: 'none', connections: { office: { children, ...withLocal(gateway) } } }),
    entries.gateway,
  )
  const { ike: port, nat: natPort } = server.paths.ports
  const { remote, ...rest } = withLocal(client) as { remote?: object }
  const called = { remote: { address: '127.0.0.1', port, natPort, ...remote }, ...rest }
  const initiator = await start(
    parse({ fetch: 'none', connections: { office: { children: mirrored, ...called } } }),
    entries.client,
  )
  const outcome = initiator.initiate('office')
  return { outcome, server, log: (side: 'client' | 'gateway') => entries[side].map(({ text }) => text).join('\n') }
}

const gate = { id: 'gate.example', key: 'gate.key', certificates: ['gate.pem'] }
const alice = { id: 'alice@example', key: 'alice.key', certificates: ['alice.pem'] }
const byRoot = { authorities: ['root.pem'] }
const expected = { id: 'gate.example', ...byRoot }
const anybody = { id: '%any', ...byRoot }
const eapUsers = { bob: { password: 'swordfish' } }
const bob = { id: 'bob', eap: { methods: ['mschapv2'], identity: 'bob', password: { file: 'password' } } }

describe('with the settings of a file', () => {
  test('two certificates, one with an intermediate authority', async () => {
    const { outcome } = await connect({ local: alice, remote: expected }, { local: gate, remote: anybody })
    expect(await outcome).toMatchObject({ child: { name: 'net' } })
  })

  test('raw public keys of both', async () => {
    const bare = (id: string, key: string) => ({ local: { id, key } })
    const { outcome } = await connect(
      { ...bare('alice@example', 'alice.key'), remote: { id: 'alice@example', publicKeys: ['alice.pub'] } },
      { ...bare('alice@example', 'alice.key'), remote: { id: 'alice@example', publicKeys: ['alice.pub'] } },
    )
    expect(await outcome).toMatchObject({ child: { name: 'net' } })
  })

  test.each(['mschapv2', 'md5', 'gtc'])('a password by EAP %s, the gateway with a certificate', async (method) => {
    const { outcome } = await connect(
      { local: { ...bob, eap: { ...bob.eap, methods: [method] } }, remote: expected },
      { local: gate, remote: { id: '%any', eap: { methods: [method] } } },
      { eapUsers },
    )
    expect(await outcome).toMatchObject({ child: { name: 'net' } })
  })

  test.each(['ttls', 'peap'])('a password inside of EAP-%s', async (method) => {
    const inside = { methods: [method], authorities: ['root.pem'], serverNames: ['gate.example'] }
    const { outcome } = await connect(
      { local: { id: 'anonymous@example', eap: { ...bob.eap, ...inside } }, remote: expected },
      { local: gate, remote: { id: '%any', eap: { methods: [method] } } },
      { eapUsers },
    )
    expect(await outcome).toMatchObject({ child: { name: 'net' } })
  })

  test('a certificate by EAP-TLS', async () => {
    const tls = { methods: ['tls'], authorities: ['root.pem'], serverNames: ['gate.example'] }
    const { outcome } = await connect(
      { local: { ...alice, auth: 'eap', eap: tls }, remote: expected },
      { local: gate, remote: { id: '%any', eap: { methods: ['tls'], authorities: ['root.pem'] } } },
    )
    expect(await outcome).toMatchObject({ child: { name: 'net' } })
  })

  test('a certificate first, then a password', async () => {
    const { outcome } = await connect(
      { local: { ...alice, further: [bob] }, remote: expected },
      { local: gate, remote: { ...anybody, further: [{ id: '%any', eap: { methods: ['mschapv2'] } }] } },
      { eapUsers },
    )
    expect(await outcome).toMatchObject({ child: { name: 'net' } })
  })

  test('nothing but EAP that proves both sides', async () => {
    const unsafe = { eapOnlyUnsafe: true }
    const { outcome } = await connect(
      { local: { ...bob, eap: { ...bob.eap, ...unsafe } }, remote: { id: 'gate.example', auth: 'eap-only' } },
      {
        local: { id: 'gate.example', auth: 'eap-only' },
        remote: { id: '%any', eap: { methods: ['mschapv2'], ...unsafe } },
      },
      { eapUsers },
    )
    expect(await outcome).toMatchObject({ child: { name: 'net' } })
  })
})

describe('who is refused', () => {
  const old = { id: 'old@example', key: 'old.key', certificates: ['old.pem'] }
  const gone = { id: 'gone@example', key: 'gone.key', certificates: ['gone.pem'] }
  const wrong = { ...bob, eap: { ...bob.eap, password: 'not the password' } }

  test.each<[string, object, object, string]>([
    ['an expired certificate', old, anybody, 'old@example'],
    ['a revoked certificate', gone, { ...anybody, crls: ['root.crl'] }, 'was revoked'],
    ['a certificate with another name', { ...alice, id: 'mallory@example' }, anybody, 'mallory@example'],
    ['a certificate of another authority', alice, { id: '%any', authorities: ['stranger.pem'] }, 'CN=Root'],
    [
      'a user who says to be another one',
      { ...bob, id: 'boss@example' },
      { id: 'boss@example', eap: { methods: ['mschapv2'], users: ['boss'] } },
      'bob is not among the users',
    ],
    ['a wrong password', wrong, { id: '%any', eap: { methods: ['mschapv2'] } }, 'EAP'],
  ])('%s: with its reason in our log, and AUTHENTICATION_FAILED alone at the peer', async (_, local, remote, why) => {
    const { outcome, log } = await connect({ local, remote: expected }, { local: gate, remote }, { eapUsers })
    const error: unknown = await outcome.catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'AUTHENTICATION_FAILED' })
    expect(log('gateway')).toContain(why)
    for (const side of ['client', 'gateway'] as const) {
      expect(log(side)).not.toContain('swordfish')
      expect(log(side)).not.toContain('not the password')
    }
  })
})
