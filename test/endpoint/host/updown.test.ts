import { readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Pushed } from '../../../src/endpoint/host/pushed.ts'
import { type ScriptRunner, systemScript } from '../../../src/endpoint/host/run-command.ts'
import { safe, upDownEnvironments } from '../../../src/endpoint/host/updown/environment.ts'
import { UpDown } from '../../../src/endpoint/host/updown/up-down.ts'
import { parseIdentity } from '../../../src/ike/auth/identity.ts'
import type { IkeSaStatus } from '../../../src/ike/events.ts'
import { parseIp, parseRange } from '../../../src/ip/index.ts'
import { childSa, ikeSa } from './sas.ts'
import { recordingLog, withFolder } from './support.ts'

const pushed: Pushed = {
  role: 'initiator',
  addresses: [parseIp('10.3.0.1'), parseIp('fd00:3::1')],
  dns: [parseIp('10.1.0.53'), parseIp('10.1.0.54'), parseIp('fd00::53')],
  domains: ['corp.example', 'lab.example'],
  subnets: [parseRange('10.1.0.0/16'), parseRange('10.2.0.0/24'), parseRange('fd00:1::/64')],
}
const none: Pushed = { role: 'initiator', addresses: [], dns: [], domains: [], subnets: [] }

const environmentsOf = (ike: Partial<IkeSaStatus>, local: string[], remote: string[], what = pushed) =>
  upDownEnvironments('up', {
    ike: ikeSa(ike),
    child: childSa({ localTs: local, remoteTs: remote }),
    pushed: what,
    device: 'swan0',
  })

describe('the environment of a script', () => {
  test("has strongSwan's names", () => {
    expect(environmentsOf({}, ['10.3.0.1/32'], ['0.0.0.0/0'])[0]).toMatchObject({
      PLUTO_VERSION: '1.1',
      PLUTO_VERB: 'up-client',
      PLUTO_CONNECTION: 'office',
      PLUTO_INTERFACE: 'swan0',
      PLUTO_REQID: '7',
      PLUTO_PROTO: 'esp',
      PLUTO_UNIQUEID: '3',
      PLUTO_ME: '192.0.2.1',
      PLUTO_MY_ID: 'laptop.example',
      PLUTO_MY_CLIENT: '10.3.0.1/32',
      PLUTO_MY_PORT: '0',
      PLUTO_MY_PROTOCOL: '0',
      PLUTO_MY_SOURCEIP: '10.3.0.1',
      PLUTO_MY_SOURCEIP4_1: '10.3.0.1',
      PLUTO_MY_SOURCEIP6_1: 'fd00:3::1',
      PLUTO_PEER: '203.0.113.9',
      PLUTO_PEER_ID: 'gate.example',
      PLUTO_PEER_CLIENT: '0.0.0.0/0',
      PLUTO_DNS4_1: '10.1.0.53',
      PLUTO_DNS4_2: '10.1.0.54',
      PLUTO_DNS6_1: 'fd00::53',
      PLUTO_UDP_ENC: '4500',
      PLUTO_MARK_IN: '',
    })
  })

  test("has racoon's names", () => {
    expect(environmentsOf({}, ['10.3.0.1/32'], ['0.0.0.0/0'])[0]).toMatchObject({
      LOCAL_ADDR: '192.0.2.1',
      LOCAL_PORT: '4500',
      REMOTE_ADDR: '203.0.113.9',
      REMOTE_PORT: '4500',
      INTERNAL_ADDR4: '10.3.0.1',
      INTERNAL_NETMASK4: '255.255.255.255',
      INTERNAL_CIDR4: '32',
      INTERNAL_DNS4: '10.1.0.53',
      INTERNAL_DNS4_LIST: '10.1.0.53 10.1.0.54',
      DEFAULT_DOMAIN: 'corp.example',
      SPLIT_INCLUDE: '10.1.0.0/255.255.0.0 10.2.0.0/255.255.255.0',
      SPLIT_INCLUDE_CIDR: '10.1.0.0/16 10.2.0.0/24',
    })
  })

  test("names the peer's addresses where we gave them", () => {
    const given = environmentsOf({}, ['10.1.0.0/16'], ['10.3.0.1/32'], { ...pushed, role: 'responder' })[0]!
    expect(given).toMatchObject({ PLUTO_PEER_SOURCEIP: '10.3.0.1', PLUTO_PEER_SOURCEIP6_1: 'fd00:3::1' })
    expect(given).not.toHaveProperty('PLUTO_MY_SOURCEIP')
  })

  test('is there for each pair of selectors of one family, with ports, and the smallest prefix around a range', () => {
    const all = environmentsOf({}, ['10.1.0.0/16[tcp/80]', 'fd00::/64'], ['10.2.0.5-10.2.0.9', 'fd01::1/128'], none)
    expect(all.map((one) => [one.PLUTO_VERB, one.PLUTO_MY_CLIENT, one.PLUTO_PEER_CLIENT])).toEqual([
      ['up-client', '10.1.0.0/16', '10.2.0.0/28'],
      ['up-client-v6', 'fd00::/64', 'fd01::1/128'],
    ])
    expect(all[0]).toMatchObject({ PLUTO_MY_PROTOCOL: '6', PLUTO_MY_PORT: '80', PLUTO_PEER_PORT: '0' })
  })

  test('says host where our selector is our own outer address', () => {
    expect(environmentsOf({}, ['192.0.2.1/32'], ['10.2.0.0/16'], none)[0]!.PLUTO_VERB).toBe('up-host')
  })

  test('holds nothing of a peer that a shell would take for more than text', () => {
    expect(safe('C=CH, O=x, CN=a"; rm -rf $HOME `id` \n&|<>*?[](){}!#~^%\\\'')).not.toMatch(/[^A-Za-z0-9 .,:@=+/_-]/)
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        expect(safe(text)).toMatch(/^(?!-)[A-Za-z0-9 .,:@=+/_-]{0,256}$/)
      }),
    )
    const hostile = parseIdentity('type11:#2428726d202d72662f29')
    const [environment] = environmentsOf({ remoteId: hostile }, ['10.3.0.1/32'], ['0.0.0.0/0'])
    for (const value of Object.values(environment!)) expect(value).toMatch(/^[A-Za-z0-9 .,:@=+/_-]*$/)
  })
})

describe('scripts', () => {
  const start = (run: ScriptRunner, timeoutMs = 5_000, path = '/etc/updown') => {
    const { log, texts } = recordingLog()
    const settings = new Map([['office', { path, timeoutMs }]])
    return { updown: new UpDown({ settings, device: 'swan0', log, run }), texts }
  }
  const child = childSa({ localTs: ['10.3.0.1/32'], remoteTs: ['10.1.0.0/16'] })
  const follow = async () => {}

  test('of one connection run one after the other, when the addresses are there', async () => {
    const seen: string[] = []
    let running = 0
    const { updown } = start(async (_path, { PLUTO_VERB }) => {
      expect(++running).toBe(1)
      await new Promise((resolve) => setTimeout(resolve, 2))
      running--
      seen.push(PLUTO_VERB!)
      return { code: 0, timedOut: false, stderr: '' }
    })
    updown.notify('up', ikeSa({}), child, none, async () => {
      seen.push('addresses')
    })
    updown.notify('down', ikeSa({}), child, none, follow)
    await updown.settled()
    expect(seen).toEqual(['addresses', 'up-client', 'down-client'])
  })

  test('of connections without the setting are not run', async () => {
    const { updown } = start(() => expect.unreachable())
    updown.notify('up', ikeSa({ sa: { id: 1, connection: 'other' } }), child, none, follow)
    await updown.settled()
  })

  test('get an environment and no arguments, and what they say in their errors is in the log', () =>
    withFolder(async (folder) => {
      const path = `${folder}/updown`
      writeFileSync(path, `#!/bin/sh\necho "$# $PLUTO_VERB $HOME" > ${folder}/seen\necho wrong >&2\nexit 3\n`, {
        mode: 0o755,
      })
      const { updown, texts } = start(systemScript, 5_000, path)
      updown.notify('up', ikeSa({}), child, none, follow)
      await updown.settled()
      expect(readFileSync(`${folder}/seen`, 'utf8')).toBe('0 up-client \n')
      expect(texts('warn')).toEqual([`${path} up-client ended with 3\nwrong`])
    }))

  test('that take too long are ended with all that they began', () =>
    withFolder(async (folder) => {
      const path = `${folder}/updown`
      writeFileSync(path, `#!/bin/sh\n(sleep 1; echo late > ${folder}/late) &\nsleep 60\n`, { mode: 0o755 })
      const { updown, texts } = start(systemScript, 100, path)
      updown.notify('up', ikeSa({}), child, none, follow)
      await updown.settled()
      expect(texts('warn')).toEqual([`${path} up-client was ended after 0.1 s`])
      await new Promise((resolve) => setTimeout(resolve, 1_200))
      expect(() => readFileSync(`${folder}/late`)).toThrow('ENOENT')
    }))

  test('that leave something running in the background are not waited for', () =>
    withFolder(async (folder) => {
      const path = `${folder}/updown`
      writeFileSync(path, '#!/bin/sh\nsleep 3 &\nexit 0\n', { mode: 0o755 })
      const { updown, texts } = start(systemScript, 10_000, path)
      const begin = performance.now()
      updown.notify('up', ikeSa({}), child, none, follow)
      await updown.settled()
      expect(performance.now() - begin).toBeLessThan(2_500)
      expect(texts()).toEqual([`${path} up-client ended with 0`])
    }))

  test('that are not there are told', async () => {
    const { updown, texts } = start(systemScript, 1_000, '/nonexistent/updown')
    updown.notify('up', ikeSa({}), child, none, follow)
    await updown.settled()
    expect(texts('warn')).toEqual([expect.stringContaining('ENOENT')])
  })
})
