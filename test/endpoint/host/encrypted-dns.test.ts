import { describe, expect, test } from 'vitest'
import { AppliedState } from '../../../src/endpoint/host/applied-state.ts'
import type { DnsBackend } from '../../../src/endpoint/host/dns/dns-backend.ts'
import { DnsKeeper } from '../../../src/endpoint/host/dns/dns-keeper.ts'
import { resolvconfBackend } from '../../../src/endpoint/host/dns/resolvconf.ts'
import { resolvedBackend } from '../../../src/endpoint/host/dns/resolved.ts'
import type { Pushed } from '../../../src/endpoint/host/pushed.ts'
import type { CommandRunner } from '../../../src/endpoint/host/run-command.ts'
import { upDownEnvironments } from '../../../src/endpoint/host/updown/environment.ts'
import { parseIp } from '../../../src/ip/index.ts'
import { childSa, ikeSa } from './sas.ts'
import { recordingLog, recordingRunner, withFolder } from './support.ts'

const resolver = (name: string, alpn: string[], port?: number) => ({
  ...{ name, alpn, port, dohPath: undefined, priority: 1, digests: [] },
  addresses: [parseIp('10.1.0.53'), parseIp('fd00::53')],
})

const pushed = (...encryptedDns: ReturnType<typeof resolver>[]): Pushed => ({
  role: 'initiator',
  addresses: [],
  dns: [parseIp('10.1.0.1')],
  domains: ['corp.example'],
  subnets: [],
  encryptedDns,
})

const keep = async (make: (run: CommandRunner) => DnsBackend, ...all: Pushed[]) =>
  withFolder(async (folder) => {
    const { log, texts } = recordingLog()
    const { run, calls } = recordingRunner()
    const state = new AppliedState(folder, log)
    const keeper = new DnsKeeper({ backend: make(run), files: undefined, device: 'swan0', log, state })
    all.forEach((one, at) => {
      keeper.assign(at, 'office', one)
    })
    await keeper.settled()
    return { keeper, calls, texts: texts() }
  })

describe('resolvers that are asked over TLS (RFC 9464)', () => {
  test('take the place of plain ones at systemd-resolved, with the name that their certificate has to have', async () => {
    const { calls } = await keep(resolvedBackend, pushed(resolver('dns.example', ['dot'], 8853)))
    expect(calls).toEqual([
      'resolvectl dnsovertls swan0 yes',
      'resolvectl dns swan0 10.1.0.53:8853#dns.example [fd00::53]:8853#dns.example',
      'resolvectl domain swan0 ~corp.example',
      'resolvectl default-route swan0 no',
    ])
  })

  test('are only tried beside a gateway without them, and taken back when they go', async () => {
    const { keeper, calls } = await keep(resolvedBackend, pushed(resolver('dns.example', ['dot'])), pushed())
    expect(calls.slice(-4, -2)).toEqual([
      'resolvectl dnsovertls swan0 opportunistic',
      'resolvectl dns swan0 10.1.0.53#dns.example fd00::53#dns.example 10.1.0.1',
    ])
    keeper.release(0)
    await keeper.settled()
    expect(calls.slice(-4, -2)).toEqual(['resolvectl revert swan0', 'resolvectl dns swan0 10.1.0.1'])
  })

  test('are told as not used where the backend or the protocol cannot', async () => {
    const plain = await keep(resolvconfBackend, pushed(resolver('dns.example', ['dot'])))
    expect(plain.texts.join('\n')).toContain('the encrypted resolvers dns.example are not asked: resolvconf cannot')
    expect(plain.calls.join('\n')).toContain('nameserver 10.1.0.1')
    const https = await keep(resolvedBackend, pushed(resolver('dns.example', ['h2'])))
    expect(https.texts.join('\n')).toContain('only DNS over TLS is carried here: dns.example (h2)')
    expect(https.calls).not.toContainEqual(expect.stringContaining('dnsovertls'))
  })

  test('stand in the environment of scripts, with the netmask, name servers of NetBIOS and the user of EAP', () => {
    const all = {
      ...pushed(resolver('dns.example', ['dot', 'h2'])),
      addresses: [parseIp('10.3.0.7')],
      netmask: parseIp('255.255.0.0'),
      nbns: [parseIp('10.1.0.9')],
    }
    const environment = (what: Pushed) =>
      upDownEnvironments('up', {
        ike: ikeSa({ auth: { local: ['psk'], remote: ['eap'], eapIdentity: 'bob; rm' } }),
        child: childSa({}),
        pushed: what,
        device: 'swan0',
      })[0]
    expect(environment(all)).toMatchObject({
      TYPESWAN_ENCDNS1_NAME: 'dns.example',
      TYPESWAN_ENCDNS1_ADDRESSES: '10.1.0.53 fd00::53',
      TYPESWAN_ENCDNS1_ALPN: 'dot h2',
      INTERNAL_NETMASK4: '255.255.0.0',
      INTERNAL_CIDR4: '16',
      INTERNAL_WINS4_LIST: '10.1.0.9',
      PLUTO_XAUTH_ID: 'bob_ rm',
    })
    expect(environment({ ...all, netmask: undefined })).toMatchObject({
      INTERNAL_NETMASK4: '255.255.255.255',
      INTERNAL_CIDR4: '32',
    })
  })
})
