import { createPrivateKey } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from '../../src/cli/cli.ts'
import { readConfig } from '../../src/config/index.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { formatLogEntry, Log } from '../../src/endpoint/log.ts'
import { optionsOfConfig } from '../../src/endpoint/options-of-config.ts'
import { formatStatus } from '../../src/endpoint/status-text.ts'
import { encodePrivateKey, readPrivateKey } from '../../src/pki/private-key.ts'
import { Leaks, watchedCrypto, watchedRandom } from './leaks.ts'
import { loopback } from './pair.ts'

/** Of the user and of whoever guesses; none of them may come out anywhere. */
const passphrase = 'Tr0ub4dor-und-3'
const password = 'correct-Horse-battery'
const guess = 'wrong-Horse-battery'
const psk = 'staple-of-the-Office'
const ppk = 'quantum-Pantomime-of-32-octets-or-more'
const subscriber = { k: '8baf473f2f8fd09487cccbd7097c6862', opc: '8e27b6af0e692e750f32667a3b14605d' }
const imsi = '001010000000001'

let folder: string
const at = (name: string): string => join(folder, name)
const running: Endpoint[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'typeswan-secrets-'))
  writeFileSync(at('passphrase'), passphrase, { mode: 0o600 })
  writeFileSync(at('guess'), guess, { mode: 0o600 })
  const silent = { out: () => {}, err: () => {} }
  const p12 = ['--p12', '--password-file', at('passphrase')]
  for (const args of [
    ['ca', '--name', 'CN=Leak CA', '--out', folder],
    ['server', '--ca', folder, '--name', 'gate.example'],
    ['client', '--ca', folder, '--name', 'bob@example', ...p12],
  ])
    expect(await runCli(['pki', ...args], silent)).toBe(0)
  const key = readPrivateKey(readFileSync(at('bob@example.key')), { setting: 'key' })
  writeFileSync(at('locked.key'), encodePrivateKey(key, passphrase), { mode: 0o600 })
})

afterAll(() => rmSync(folder, { recursive: true }))
afterEach(async () => {
  await Promise.all(running.splice(0).map((endpoint) => endpoint.close()))
})

/** Knows all secrets of the files above. */
function newLeaks(): Leaks {
  const leaks = new Leaks()
  const words = { passphrase, password, guess, psk, ppk }
  for (const [what, word] of Object.entries(words)) leaks.word(`the ${what}`, word)
  for (const [what, hex] of Object.entries(subscriber))
    leaks.octets(`${what} of the subscriber`, Buffer.from(hex, 'hex'))
  for (const name of ['ca.key', 'gate.example.key', 'bob@example.key']) {
    const pem = readFileSync(at(name), 'utf8')
    const { d } = createPrivateKey(pem).export({ format: 'jwk' })
    leaks.octets(name, new Uint8Array(Buffer.from(String(d), 'base64url')))
    for (const line of pem.split('\n').slice(1, 3)) leaks.word(`a line of ${name}`, line)
  }
  return leaks
}

async function start(config: object, leaks: Leaks): Promise<Endpoint> {
  const file = at(`${running.length}.json`)
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 })
  const { tun: _tun, host: _host, leaseFile: _leases, ...options } = optionsOfConfig(readConfig(file))
  const endpoint = await Endpoint.start({
    ...options,
    crypto: watchedCrypto(nodeProvider, leaks),
    random: watchedRandom(leaks),
    listen: { addresses: [loopback], ikePort: 0, natPort: 0 },
    log: new Log((entry) => leaks.write(entry, formatLogEntry(entry)), 'trace'),
  })
  endpoint.on('event', (event) => leaks.write(event))
  running.push(endpoint)
  return endpoint
}

const gateFiles = { key: 'gate.example.key', certificates: ['gate.example.crt'] }
const gate = { id: 'gate.example', address: '127.0.0.1', ...gateFiles }
const mine = { id: 'bob@example', address: '127.0.0.1' }
const tls = { authorities: ['ca.crt'], serverNames: ['gate.example'] }
const passwords = (methods: string[], inner?: string[]) => ({ methods, ...(inner === undefined ? {} : { inner }) })
const eap = (methods: string[], given: string, more: object = {}) => ({
  local: { ...mine, eap: { ...passwords(methods), identity: 'bob', password: given, ...more } },
})

interface Row {
  readonly what: string
  /** Of the connection at the client, and at the gateway. */
  readonly client: { readonly local: object; readonly psk?: string; readonly ppk?: object }
  readonly gateway: { readonly remote?: object; readonly local?: object; readonly psk?: string; readonly ppk?: object }
  readonly refused?: true
}

const rows: readonly Row[] = [
  {
    what: 'a pre-shared key and a PPK',
    client: { local: mine, psk, ppk: { id: 'q', secret: ppk, required: true } },
    gateway: { local: { id: gate.id, address: '127.0.0.1' }, psk, ppk: { id: 'q', secret: ppk, required: true } },
  },
  {
    what: 'another pre-shared key',
    client: { local: mine, psk: guess },
    gateway: { local: { id: gate.id, address: '127.0.0.1' }, psk },
    refused: true,
  },
  ...[
    { what: 'EAP-MSCHAPv2', method: 'mschapv2' },
    { what: 'EAP-MD5', method: 'md5' },
    { what: 'EAP-GTC', method: 'gtc' },
    { what: 'EAP-TTLS with PAP', method: 'ttls', inner: ['pap'] },
    { what: 'EAP-TTLS with MSCHAPv2', method: 'ttls', inner: ['mschapv2'] },
    { what: 'PEAP', method: 'peap', inner: ['mschapv2'] },
  ].flatMap(({ what, method, inner }) => {
    const isOnTls = inner !== undefined
    const gateway = {
      remote: { eap: { ...passwords([method], inner), ...(isOnTls ? { ...gateFiles, authorities: ['ca.crt'] } : {}) } },
    }
    const more = isOnTls ? { ...tls, inner } : {}
    return [
      { what, client: eap([method], password, more), gateway },
      { what: `${what} with a wrong password`, client: eap([method], guess, more), gateway, refused: true as const },
    ]
  }),
  ...[subscriber, { ...subscriber, opc: subscriber.k }].map((usim, at) => ({
    what: at === 0 ? 'EAP-AKA' : 'EAP-AKA with the key of another operator',
    client: {
      local: { ...mine, eap: { methods: ['aka'], identity: `0${imsi}`, usim: { ...usim, sqnFile: `usim${at}.sqn` } } },
    },
    gateway: { remote: { eap: { methods: ['aka'] } } },
    ...(at === 0 ? {} : { refused: true as const }),
  })),
  {
    what: 'a key under a passphrase',
    client: {
      local: {
        ...mine,
        key: { file: 'locked.key', passphrase: { file: 'passphrase' } },
        certificates: ['bob@example.crt'],
      },
    },
    gateway: { remote: { authorities: ['ca.crt'] } },
  },
  {
    what: 'PKCS #12 in EAP-TLS',
    client: {
      local: {
        ...mine,
        eap: { methods: ['tls'], ...tls, pkcs12: { file: 'bob@example.p12', passphrase: { file: 'passphrase' } } },
      },
    },
    gateway: { remote: { eap: { methods: ['tls'], ...gateFiles, authorities: ['ca.crt'] } } },
  },
]

const net = { net: { localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] } }
const mirrored = { net: { localTs: ['10.2.0.0/16'], remoteTs: ['10.1.0.0/16'] } }

describe('at the level trace, in events, errors and status, nothing is told of', () => {
  test.each(rows)('$what', async ({ client, gateway, refused }) => {
    const leaks = newLeaks()
    const eapUsers = { bob: { password } }
    const { remote, ...rest } = gateway
    const served = { local: gate, remote: { id: '%any', ...remote }, children: mirrored, ...rest }
    const aka = { akaSubscribers: { [imsi]: subscriber }, akaSqnFile: 'centre.sqn' }
    const server = await start({ fetch: 'none', eapUsers, ...aka, connections: { office: served } }, leaks)
    const { ike: port, nat: natPort } = server.paths.ports
    const called = { address: '127.0.0.1', id: gate.id, port, natPort }
    const trust = client.psk === undefined ? { authorities: ['ca.crt'] } : {}
    const home = { ...client, remote: { ...called, ...trust }, children: net }
    const peer = await start({ fetch: 'none', connections: { home } }, leaks)
    const outcome = await peer.initiate('home').then(
      (established) => ({ established }),
      (error: unknown) => ({ error }),
    )
    leaks.write(outcome)
    for (const endpoint of [server, peer]) leaks.write(endpoint.status(), formatStatus(endpoint.status()), endpoint)
    expect('error' in outcome ? String(outcome.error) : 'established').toMatch(
      refused ? /refused|authentication/i : /^established$/,
    )
    if (refused === undefined) await peer.renew({ connection: 'home' })
    expect(leaks.counts.octets).toBeGreaterThan(10)
    expect(leaks.counts.text).toContain('IKE_AUTH')
    expect(leaks.found()).toEqual([])
  })
})

/** What people write where it does not belong. */
const mistakes: readonly [string, (password: string) => object | string][] = [
  ['a user without an object', (word) => ({ eapUsers: { bob: word } })],
  ['a user with another word', (word) => ({ eapUsers: { bob: { pass: word } } })],
  ['a key that is a list', (word) => connection({ psk: [word] })],
  ['a key in an object', (word) => connection({ psk: { value: word } })],
  ['a key as octets', (word) => connection({ psk: `0x${word}` })],
  ['a key as base64', (word) => connection({ psk: `0s${word}` })],
  ['a key among what is local', (word) => connection({ local: { psk: word } })],
  [
    'a password instead of the name of a file',
    (word) => connection({ local: { key: { file: 'x', passphrase: 7, hint: word } } }),
  ],
  ['a passphrase that does not open it', () => connection({ local: locked({ file: 'guess' }) })],
  ['a container that it does not open', () => connection({ local: container({ file: 'guess' }) })],
  ['no passphrase', () => connection({ local: { key: 'locked.key', certificates: ['bob@example.crt'] } })],
  [
    'a secret of RADIUS that is a list',
    (word) => connection({ remote: { eap: { radius: { servers: [{ secret: [word] }] } } } }),
  ],
  ['a PPK that is too much', (word) => connection({ ppk: { id: 1, secret: { text: word } } })],
  ['a string without an end', (word) => `{ "connections": { "office": { "psk": "${word}`],
  ['a string of two lines', (word) => `{ "eapUsers": { "bob": { "password": "${word}\n" } } }`],
  ['no comma after it', (word) => `{ "eapUsers": { "bob": { "password": "${word}" "x": 1 } } }`],
  ['no quotation marks', (word) => `{ "eapUsers": { "bob": { "password": ${word} } } }`],
]
const connection = (more: object): object => ({ connections: { office: { children: net, ...more } } })
const locked = (passphraseOf: object) => ({
  key: { file: 'locked.key', passphrase: passphraseOf },
  certificates: ['bob@example.crt'],
})
const container = (passphraseOf: object) => ({ pkcs12: { file: 'bob@example.p12', passphrase: passphraseOf } })

async function command(leaks: Leaks, ...args: string[]): Promise<number> {
  const write = (text: string) => leaks.write(text)
  return await runCli(args, { out: write, err: write })
}

describe('the command tells nothing of a secret', () => {
  test.each(mistakes)('in a configuration with %s', async (_, make) => {
    const leaks = newLeaks()
    const made = make(password)
    writeFileSync(at('wrong.json'), typeof made === 'string' ? made : JSON.stringify(made, null, 1), { mode: 0o600 })
    expect(await command(leaks, 'up', '--config', at('wrong.json'), '--log-level', 'trace')).toBe(2)
    try {
      readConfig(at('wrong.json'))
    } catch (error) {
      leaks.write(error)
    }
    expect(leaks.counts.text).toContain('wrong.json')
    expect(leaks.found()).toEqual([])
  })

  test('of typeswan pki', async () => {
    const leaks = newLeaks()
    const shown = at('bob@example.p12')
    await command(leaks, 'pki', 'show', shown, '--password-file', at('passphrase'))
    await command(leaks, 'pki', 'show', shown, '--password-file', at('passphrase'), '--json')
    await command(leaks, 'pki', 'show', shown, '--password-file', at('guess'))
    await command(leaks, 'pki', 'show', at('locked.key'), '--password-file', at('guess'))
    await command(leaks, 'pki', 'show', at('ca.key'))
    const made = ['--name', 'carol@example', '--p12', '--password-file', at('passphrase')]
    await command(leaks, 'pki', 'client', '--ca', folder, ...made)
    await command(leaks, 'pki', 'client', '--ca', folder, ...made, '--json', '--force')
    expect(leaks.counts.text).toContain('private key')
    expect(leaks.found()).toEqual([])
  })
})

describe('the search', () => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => (i * 37 + 11) % 256)

  test.each<[string, unknown]>([
    ['text', `psk=${psk};`],
    ['a property', { deep: { secret: psk } }],
    ['hexadecimal', Buffer.from(key).toString('hex')],
    ['hexadecimal with spaces, in capitals', Buffer.from(key).toString('hex').toUpperCase().replaceAll(/../g, '$& ')],
    ['the beginning', `${Buffer.from(key).toString('hex').slice(0, 24)}...`],
    ['base64', Buffer.from(key).toString('base64')],
    ['an array', { key }],
    ['a list', [...key]],
    ['a password in base64', Buffer.from(psk).toString('base64')],
    ['the cause of an error', new Error('no', { cause: new Error(psk) })],
  ])('finds a secret as %s', (_, written) => {
    const leaks = new Leaks()
    leaks.word('found', psk)
    leaks.octets('found', key)
    leaks.write(written)
    expect(leaks.found()).toEqual(['found'])
  })
})
