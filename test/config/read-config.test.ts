import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConfigProblems, parseConfig, readConfig } from '../../src/config/index.ts'
import { ConfigError } from '../../src/errors.ts'
import { formatIdentity } from '../../src/ike/auth/identity.ts'
import type { LocalAuth, RemoteAuth } from '../../src/ike/config.ts'
import { formatProposal } from '../../src/ike/negotiation/proposal-keywords.ts'
import { formatTrafficSelector } from '../../src/ike/negotiation/traffic-selector.ts'
import { parseIp } from '../../src/ip/address.ts'

const full = `{
  // Comments and trailing commas are fine.
  "listen": { "addresses": ["10.91.1.2"], "port": 500, "natPort": 4500 },
  "tun": { "name": "swan0", "mtu": 1380, "addresses": ["10.91.101.1/32"], "routes": "none" },
  "control": "/run/typeswan.sock",
  "log": "debug",
  "allowWeak": ["sha1"],
  "cookieThreshold": 5,
  "halfOpenLimit": 50, "halfOpenPerAddress": 7, "puzzleThreshold": 80, "puzzleDifficulty": 12, "qcdSecret": "0x000102030405060708090a0b0c0d0e0f",
  "connections": {
    "office": {
      "local": { "address": "10.91.1.2", "id": "client.example.org" },
      "remote": { "address": "10.91.2.2", "port": 1500, "natPort": 14500, "id": "*.example.org" },
      "psk": "correct horse battery staple",
      "proposals": ["aes128gcm16-prfsha256-ecp256", "aes128-sha1-modp2048"],
      "encap": "auto",
      "livenessDelay": 15,
      "keepalive": "500ms",
      "retransmit": { "timeout": "2s", "base": 1.5, "tries": 3 },
      "children": {
        "net": {
          "localTs": ["10.91.101.0/24"],
          "remoteTs": ["10.91.102.0/24[tcp/80]"],
          "espProposals": ["aes128gcm16"],
          "replayWindow": 4096, "tfcPadding": 1200, "workers": { "count": 4, "start": "start" },
          "start": "trap",
          "lifetime": { "soft": { "bytes": 1000, "time": "50m" }, "hard": { "bytes": 2000, "time": "1h" } },
        },
      },
    },
  },
}`

const smallest = {
  connections: {
    office: {
      local: { id: 'client' },
      psk: 'secret',
      children: { net: { localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] } },
    },
  },
}

function problemsOf(text: string): ConfigError[] {
  try {
    parseConfig(text, 'vpn.json')
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigProblems)
    return (error as ConfigProblems).errors
  }
  return []
}

/** `full` with one line's text replaced: `line` counts from 1. */
const changed = (from: string, to: string): { text: string; line: number } => {
  expect(full.split(from)).toHaveLength(2)
  return { text: full.replace(from, to), line: full.slice(0, full.indexOf(from)).split('\n').length }
}

const secretOf = (auth: LocalAuth | RemoteAuth): Uint8Array => (auth.method === 'psk' ? auth.secret : new Uint8Array(0))

describe('parseConfig', () => {
  it('reads every setting', () => {
    const config = parseConfig(full)
    expect(config).toMatchObject({
      listen: { addresses: [parseIp('10.91.1.2')], ikePort: 500, natPort: 4500 },
      tun: { name: 'swan0', mtu: 1380, addresses: ['10.91.101.1/32'], routes: 'none' },
      controlPath: '/run/typeswan.sock',
      logLevel: 'debug',
      allowWeak: ['sha1'],
      limits: {
        cookieThreshold: 5,
        halfOpenLimit: 50,
        halfOpenPerAddress: 7,
        puzzleThreshold: 80,
        puzzleDifficulty: 12,
      },
      qcdSecret: Uint8Array.from({ length: 16 }, (_, i) => i),
    })
    const [office] = config.connections
    expect(office).toMatchObject({
      name: 'office',
      local: { address: parseIp('10.91.1.2') },
      remote: { address: parseIp('10.91.2.2'), port: 1500, natPort: 14500 },
      encap: 'auto',
      livenessDelayMs: 15_000,
      keepaliveMs: 500,
      retransmit: { baseMs: 2_000, factor: 1.5, tries: 3 },
    })
    expect([office!.local.id, office!.remote.id!].map(formatIdentity)).toEqual(['client.example.org', '*.example.org'])
    expect(new TextDecoder().decode(secretOf(office!.local.auth))).toBe('correct horse battery staple')
    expect(office!.ikeProposals.map(formatProposal)).toEqual(['aes128gcm16-prfsha256-ecp256', 'aes128-sha1-modp2048'])
    const [net] = office!.children
    expect(net).toMatchObject({
      name: 'net',
      mode: 'tunnel',
      replayWindow: 4096,
      tfcPad: 1200,
      workers: { count: 4, max: 8, startAction: 'start' },
      startAction: 'trap',
      lifetime: {
        softBytes: 1000,
        hardBytes: 2000,
        softMs: 3_000_000,
        hardMs: 3_600_000,
        hardPackets: Number.POSITIVE_INFINITY,
      },
    })
    expect(net!.remoteTs.map(formatTrafficSelector)).toEqual(['10.91.102.0/24[tcp/80]'])
  })

  it('fills in every default', () => {
    const config = parseConfig(JSON.stringify(smallest))
    expect(config).toMatchObject({
      listen: { addresses: undefined, ikePort: 500, natPort: 4500 },
      tun: { name: 'typeswan%d', mtu: 1400, addresses: [], routes: 'auto' },
      controlPath: undefined,
      logLevel: 'info',
      limits: {
        cookieThreshold: 30,
        halfOpenLimit: 1000,
        halfOpenPerAddress: 16,
        puzzleThreshold: 0,
        puzzleDifficulty: 16,
      },
    })
    expect(config.connections[0]).toMatchObject({
      remote: { address: undefined, id: undefined, port: 500, natPort: 4500 },
      encap: 'force',
      livenessDelayMs: 30_000,
      keepaliveMs: 20_000,
    })
  })

  it('takes keys as text, hexadecimal and base64', () => {
    const secret = (psk: string) => {
      const office = { ...smallest.connections.office, psk }
      return Array.from(secretOf(parseConfig(JSON.stringify({ connections: { office } })).connections[0]!.local.auth))
    }
    expect(secret('é')).toEqual([0xc3, 0xa9])
    expect(secret('0x00ff')).toEqual([0, 255])
    expect(secret('0sAP8=')).toEqual([0, 255])
  })

  it.each<[string, string, string, string]>([
    ['"swan0"', '"a name that is too long"', 'tun.name', '1 to 15 letters'],
    ['"mtu": 1380', '"mtu": "big"', 'tun.mtu', 'is a string'],
    ['"mtu": 1380', '"mtu": 100', 'tun.mtu', '100 is not allowed'],
    ['"mtu": 1380', '"mtu": 1380.5', 'tun.mtu', 'not a whole number'],
    ['10.91.101.1/32', '10.91.101.1/33', 'tun.addresses[0]', 'above 32'],
    ['"routes": "none"', '"routes": "non"', 'tun.routes', 'did you mean none?'],
    ['"addresses": ["10.91.1.2"]', '"addresses": ["10.91.1.999"]', 'listen.addresses[0]', 'not an IP address'],
    ['"port": 500', '"port": 4500', 'listen.natPort', 'same as port'],
    ['"log"', '"logg"', 'logg', 'is not a setting; did you mean log?'],
    ['["sha1"]', '["sha1", "sha1"]', 'allowWeak[1]', 'twice'],
    ['["sha1"]', '["sha2"]', 'allowWeak[0]', 'did you mean sha1?'],
    ['"client.example.org"', '"*.example.org"', 'connections.office.local.id', 'many identities'],
    ['"client.example.org"', '"%any"', 'connections.office.local.id', 'only be used for the remote side'],
    ['"address": "10.91.2.2"', '"address": "fd00::1"', 'connections.office.remote.address', 'another family'],
    ['"address": "10.91.2.2"', '"address": "gate.example.org"', 'connections.office.remote.address', 'or %any'],
    [
      '"local": { "address": "10.91.1.2"',
      '"local": { "address": "10.91.1.3"',
      'connections.office.local.address',
      'not among listen',
    ],
    ['14500', '1500', 'connections.office.remote.natPort', 'same as port'],
    [
      '"psk": ',
      '"redirect": { "to": "a b" }, "psk": ',
      'connections.office.redirect.to',
      'an IP address or a host name',
    ],
    ['"correct horse battery staple"', '""', 'connections.office.psk', 'is empty'],
    ['"correct horse battery staple"', '"0xabc"', 'connections.office.psk', 'hexadecimal'],
    ['"correct horse battery staple"', '"0s!"', 'connections.office.psk', 'base64'],
    ['"correct horse battery staple"', '{ "path": "x" }', 'connections.office.psk.path', 'allowed: file'],
    ['"correct horse battery staple"', '{ "file": "x" }', 'connections.office.psk.file', 'did not come from a file'],
    ['"correct horse battery staple"', '5', 'connections.office.psk', 'is a number'],
    [
      'aes128gcm16-prfsha256-ecp256',
      'aes128gmc16-prfsha256-ecp256',
      'connections.office.proposals[0]',
      'did you mean aes128gcm16',
    ],
    ['aes128-sha1-modp2048', 'aes128-sha1-modp1024', 'connections.office.proposals[1]', 'name "modp1024" in allowWeak'],
    ['"auto"', '"maybe"', 'connections.office.encap', 'allowed: yes, auto, no'],
    ['"500ms"', '"soon"', 'connections.office.keepalive', 'such as 500ms, 30s'],
    ['"livenessDelay": 15', '"livenessDelay": -1', 'connections.office.livenessDelay', '-1 is not allowed'],
    ['"base": 1.5', '"base": 0', 'connections.office.retransmit.base', 'from 1 to 10'],
    [
      '"localTs": ["10.91.101.0/24"]',
      '"localTs": ["10.91.101.0/40"]',
      'connections.office.children.net.localTs[0]',
      '0 to 32',
    ],
    ['"localTs": ["10.91.101.0/24"]', '"localTs": []', 'connections.office.children.net.localTs', 'is empty'],
    ['10.91.102.0/24[tcp/80]', 'fd00::/64', 'connections.office.children.net.remoteTs', 'same address family'],
    [
      '10.91.102.0/24[tcp/80]',
      '10.91.102.0/24[tpc]',
      'connections.office.children.net.remoteTs[0]',
      'did you mean tcp',
    ],
    ['"aes128gcm16"]', '"aes128gcm16-sha256"]', 'connections.office.children.net.espProposals[0]', 'own integrity'],
    ['4096', '31', 'connections.office.children.net.replayWindow', '32 to 1048576'],
    ['4096', '1048577', 'connections.office.children.net.replayWindow', '32 to 1048576'],
    ['1200', '65536', 'connections.office.children.net.tfcPadding', '0 to 65535'],
    ['"count": 4', '"count": 257', 'connections.office.children.net.workers.count', '1 to 256'],
    ['"count": 4', '"max": -1', 'connections.office.children.net.workers.max', '0 to 256'],
    ['"start": "trap"', '"start": "always"', 'connections.office.children.net.start', 'none, start, trap'],
    ['"bytes": 1000', '"bytes": 3000', 'connections.office.children.net.lifetime.soft.bytes', 'above the hard limit'],
    ['"soft"', '"sofft"', 'connections.office.children.net.lifetime.sofft', 'did you mean soft?'],
    ['"net": {', '"my net": {', 'connections.office.children.my net', 'letters, digits'],
    ['"office": {', '"office": 5, "x": {', 'connections.office', 'is a number'],
  ])('%s as %s: %s, %s', (from, to, setting, message) => {
    const { text, line } = changed(from, to)
    const problem = problemsOf(text).find((one) => one.setting === setting)
    expect(problem?.message).toContain(message)
    expect(problem?.message).toContain(`vpn.json:${line}: ${setting}: `)
    expect(problem).toMatchObject({ file: 'vpn.json', line })
  })

  it('names the line of a mode that nothing carries', () => {
    const { text, line } = changed('"start": "trap"', '"mode": "transport"')
    const [problem] = problemsOf(text)
    expect(problem).toMatchObject({ setting: 'connections.office.children.net.mode', line })
    expect(problem?.message).toContain('allowed: tunnel')
    expect(parseConfig(text, 'vpn.json', { carriesTransport: true }).connections[0]?.children[0]?.mode).toBe(
      'transport',
    )
  })

  it('may have a connection without children where its IKE_SA stands alone', () => {
    const { children: _, ...alone } = smallest.connections.office
    const withChildless = (childless: string) => JSON.stringify({ connections: { office: { ...alone, childless } } })
    for (const childless of ['prefer', 'force'])
      expect(parseConfig(withChildless(childless)).connections[0]?.children).toEqual([])
    const [problem] = problemsOf(withChildless('allow'))
    expect(problem?.setting).toBe('connections.office.children')
    expect(problem?.message).toContain('childless')
  })

  it('needs a peer address to start by itself', () => {
    const { text } = changed('"address": "10.91.2.2"', '"address": "%any"')
    const [problem] = problemsOf(text)
    expect(problem).toMatchObject({ setting: 'connections.office.children.net.start', line: 26 })
    expect(problem?.message).toContain('allowed: none')
  })

  it('tells what is missing, at the line of the object that lacks it', () => {
    const text = '{\n  "connections": {\n    "office": {\n      "children": { "net": {} }\n    }\n  }\n}'
    expect(problemsOf(text).map(({ setting, line }) => [setting, line])).toEqual([
      ['connections.office.psk', 3],
      ['connections.office.local.id', 3],
      ['connections.office.children.net.localTs', 4],
      ['connections.office.children.net.remoteTs', 4],
    ])
  })

  it('tells all problems at once, by line', () => {
    const text = full.replace('"debug"', '"loud"').replace('4096', '1').replace('aes128gcm16-prfsha256-ecp256', 'rot13')
    expect(problemsOf(text).map(({ line }) => line)).toEqual([6, 15, 25])
  })

  it.each(['[]', '5', 'null'])('tells what the file as a whole must be: %s', (text) => {
    const [problem] = problemsOf(text)
    expect(problem?.line).toBe(1)
    expect(problem?.message).toMatch(/allowed: an object with listen, tun, .*connections/)
  })

  it('finds a name that stands twice', () => {
    const text = '{\n"log": "info",\n"log": "debug",\n"connections": {}\n}'
    const [first] = problemsOf(text)
    expect(first).toMatchObject({ setting: 'log', line: 3 })
    expect(first?.message).toContain('first in line 2')
  })

  it.each([
    ['{\n  "log": "info"\n  "connections": {}\n}', 3, 'comma expected'],
    ['{\n  "log": \n}', 3, 'value expected'],
    ['', 1, 'value expected'],
    ['{ "log": "info" } {}', 1, 'end of file expected'],
  ])('tells the line where %j stops being JSON', (text, line, message) => {
    const [problem] = problemsOf(text)
    expect(problem?.line).toBe(line)
    expect(problem?.message).toContain(message)
  })

  it('is not confused by names that every object has', () => {
    const text = full.replace('"office"', '"constructor"').replace('"log": "debug"', '"__proto__": 5, "toString": 1')
    expect(problemsOf(text).map(({ setting }) => setting)).toContain('toString')
    expect(problemsOf(full.replace('"office"', '"constructor"'))).toEqual([])
  })

  it('never shows a key', () => {
    for (const psk of ['0xhunter2', '0shunter2!', ['hunter2'], { file: 'x', text: 'hunter2' }]) {
      const office = { ...smallest.connections.office, psk }
      const problems = problemsOf(JSON.stringify({ connections: { office } }))
      expect(problems).not.toEqual([])
      expect(problems.map(({ message }) => message).join()).not.toContain('hunter2')
    }
  })

  it('gives a configuration or ConfigProblems, whatever is in the file', () => {
    const values = fc.constantFrom(
      'null',
      '5',
      '"x"',
      '[]',
      '{}',
      'true',
      '-1',
      '[["x"]]',
      '{"a":{"b":1}}',
      '}',
      '',
      '"%any"',
    )
    const places = [...full.matchAll(/"[^"]*"|\d+|\[[^\]]*\]/g)]
    fc.assert(
      fc.property(fc.nat(places.length - 1), values, (at, value) => {
        const place = places[at]!
        const text = full.slice(0, place.index) + value + full.slice(place.index + place[0].length)
        for (const problem of problemsOf(text)) expect(problem).toBeInstanceOf(ConfigError)
      }),
      { numRuns: 300 },
    )
  })
})

describe('a cut file', () => {
  it('is refused at every length, with a line within it', () => {
    const end = full.trimEnd().length
    for (let length = 0; length < end; length += 7) {
      const text = full.slice(0, length)
      const problems = problemsOf(text)
      expect(problems).not.toEqual([])
      for (const { line } of problems) expect(line).toBeLessThanOrEqual(text.split('\n').length)
    }
  })
})

describe('readConfig', () => {
  it('reads a file, and a key from a file beside it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'typeswan-config-'))
    try {
      const office = { ...smallest.connections.office, psk: { file: 'key' } }
      writeFileSync(join(folder, 'vpn.json'), `\uFEFF${JSON.stringify({ connections: { office } })}`)
      writeFileSync(join(folder, 'key'), 'secret \r\n')
      const [connection] = readConfig(join(folder, 'vpn.json')).connections
      expect(new TextDecoder().decode(secretOf(connection!.remote.auth))).toBe('secret ')
      rmSync(join(folder, 'key'))
      expect(() => readConfig(join(folder, 'vpn.json'))).toThrow(/psk\.file: cannot read .*key \(ENOENT\)/)
      writeFileSync(join(folder, 'key'), '\n')
      expect(() => readConfig(join(folder, 'vpn.json'))).toThrow(/psk\.file: the file is empty/)
      writeFileSync(join(folder, 'vpn.json'), Uint8Array.of(0xff))
      expect(() => readConfig(join(folder, 'vpn.json'))).toThrow(/not UTF-8/)
      expect(() => readConfig(join(folder, 'none.json'))).toThrow(/none\.json \(ENOENT\)/)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('the example of the README', () => {
  it('is a configuration', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
    const example = /<!-- configuration example -->\n```json\n(.*?)```/s.exec(readme)?.[1]
    const key = new TextEncoder().encode('from a file\n')
    const { connections } = parseConfig(example ?? '', 'README.md', { readSecretFile: () => key })
    expect(connections.map(({ name }) => name)).toEqual(['office'])
  })
})

describe('the published schema', () => {
  const schema = JSON.parse(readFileSync(new URL('../../src/config/schema.json', import.meta.url), 'utf8'))

  it('is a JSON Schema of draft 2020-12 in which every object says what it takes', () => {
    const ajv = new Ajv2020({ allowUnionTypes: true, strictRequired: false })
    expect(ajv.validateSchema(schema)).toBe(true)
    const objects: string[] = []
    const visit = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return
      if ('properties' in value && typeof value.properties === 'object') {
        if (!('additionalProperties' in value)) objects.push(path)
      }
      for (const [name, member] of Object.entries(value)) visit(member, `${path}/${name}`)
    }
    visit(schema, '')
    expect(objects).toEqual([])
  })

  it('has the defaults that reading uses', () => {
    const { connection, child } = schema.$defs
    const written = {
      ...smallest,
      log: schema.properties.log.default,
      tun: Object.fromEntries(
        ['name', 'mtu', 'addresses', 'routes'].map((name) => [name, schema.properties.tun.properties[name].default]),
      ),
      cookieThreshold: schema.properties.cookieThreshold.default,
      halfOpenLimit: schema.properties.halfOpenLimit.default,
      halfOpenPerAddress: schema.properties.halfOpenPerAddress.default,
      puzzleThreshold: schema.properties.puzzleThreshold.default,
      puzzleDifficulty: schema.properties.puzzleDifficulty.default,
      allowWeak: schema.properties.allowWeak.default,
      listen: Object.fromEntries(
        ['port', 'natPort'].map((name) => [name, schema.properties.listen.properties[name].default]),
      ),
      connections: {
        office: {
          ...smallest.connections.office,
          remote: Object.fromEntries(
            ['address', 'port', 'natPort'].map((name) => [name, connection.properties.remote.properties[name].default]),
          ),
          retransmit: Object.fromEntries(
            ['timeout', 'base', 'tries'].map((name) => [
              name,
              connection.properties.retransmit.properties[name].default,
            ]),
          ),
          ...Object.fromEntries(
            ['encap', 'livenessDelay', 'keepalive'].map((name) => [name, connection.properties[name].default]),
          ),
          children: {
            net: {
              ...smallest.connections.office.children.net,
              ...Object.fromEntries(['replayWindow', 'start'].map((name) => [name, child.properties[name].default])),
            },
          },
        },
      },
    }
    expect(parseConfig(JSON.stringify(written))).toEqual(parseConfig(JSON.stringify(smallest)))
  })
})
