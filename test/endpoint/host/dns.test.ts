import { readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AppliedState } from '../../../src/endpoint/host/applied-state.ts'
import { chooseDns, type DnsSettings } from '../../../src/endpoint/host/dns/choose.ts'
import { checkedGroup } from '../../../src/endpoint/host/dns/dns-backend.ts'
import { DnsKeeper } from '../../../src/endpoint/host/dns/dns-keeper.ts'
import { dnsmasqBackend, withBlock } from '../../../src/endpoint/host/dns/dnsmasq.ts'
import { resolvconfBackend } from '../../../src/endpoint/host/dns/resolvconf.ts'
import { resolvedBackend } from '../../../src/endpoint/host/dns/resolved.ts'
import type { Pushed } from '../../../src/endpoint/host/pushed.ts'
import { parseIp } from '../../../src/ip/index.ts'
import { recordingLog, recordingRunner, withFolder } from './support.ts'

const split = { servers: ['10.1.0.53', 'fd00::53'], domains: ['corp.example'] }
const everything = { servers: ['10.2.0.53'], domains: [] }

describe('systemd-resolved', () => {
  test('is told servers and routing domains of the link, and is not asked for other names', async () => {
    const { run, calls } = recordingRunner()
    await resolvedBackend(run).apply('swan0', [split])
    expect(calls).toEqual([
      'resolvectl dns swan0 10.1.0.53 fd00::53',
      'resolvectl domain swan0 ~corp.example',
      'resolvectl default-route swan0 no',
    ])
  })

  test('gets every name when one of the peers named no domain', async () => {
    const { run, calls } = recordingRunner()
    await resolvedBackend(run).apply('swan0', [split, everything])
    expect(calls).toEqual([
      'resolvectl dns swan0 10.1.0.53 fd00::53 10.2.0.53',
      'resolvectl domain swan0 ~corp.example ~.',
      'resolvectl default-route swan0 yes',
    ])
  })

  test('is taken back by reverting the link; a link that is gone was taken back', async () => {
    const { run, calls } = recordingRunner(() => ({ code: 1, stderr: 'Failed to resolve interface "swan0"' }))
    await resolvedBackend(run).revert('swan0')
    expect(calls).toEqual(['resolvectl revert swan0'])
  })

  test('that refuses is an error with its words', async () => {
    const { run } = recordingRunner(() => ({ code: 1, stderr: 'Access denied' }))
    await expect(resolvedBackend(run).apply('swan0', [split])).rejects.toThrow('Access denied')
    await expect(resolvedBackend(run).revert('swan0')).rejects.toThrow('Access denied')
  })
})

describe('resolvconf', () => {
  test('is given lines of a resolv.conf on its standard input', async () => {
    const { run, calls } = recordingRunner()
    await resolvconfBackend(run).apply('swan0', [split])
    await resolvconfBackend(run).revert('swan0')
    const lines = 'search corp.example\nnameserver 10.1.0.53\nnameserver fd00::53\n'
    expect(calls).toEqual([`resolvconf -a swan0 < ${JSON.stringify(lines)}`, 'resolvconf -f -d swan0'])
  })

  test("is taken back without -f where that is not known (Debian's own)", async () => {
    const { run, calls } = recordingRunner((line) => (line.includes('-f') ? { code: 99 } : {}))
    await resolvconfBackend(run).revert('swan0')
    expect(calls).toEqual(['resolvconf -f -d swan0', 'resolvconf -d swan0'])
  })
})

describe('dnsmasq', () => {
  test('has the servers of each domain in its file, beside the lines of others', () =>
    withFolder(async (folder) => {
      const files = { serversFile: `${folder}/servers`, pidFile: `${folder}/pid` }
      writeFileSync(files.serversFile, 'server=192.0.2.53\n')
      const backend = dnsmasqBackend(files)
      await backend.apply('swan0', [split, everything])
      const ours =
        '# typeswan swan0 begin\nserver=/corp.example/10.1.0.53\nserver=/corp.example/fd00::53\nserver=10.2.0.53\n# typeswan swan0 end\n'
      expect(readFileSync(files.serversFile, 'utf8')).toBe(`server=192.0.2.53\n${ours}`)
      await backend.revert('swan0')
      expect(readFileSync(files.serversFile, 'utf8')).toBe('server=192.0.2.53\n')
    }))

  test('is not signalled when the process of its pid file is another program', () =>
    withFolder(async (folder) => {
      const files = { serversFile: `${folder}/servers`, pidFile: `${folder}/pid` }
      writeFileSync(files.pidFile, `${process.pid}\n`)
      const signalled: number[] = []
      await dnsmasqBackend(files, (pid) => signalled.push(pid)).apply('swan0', [split])
      expect(signalled).toEqual([])
    }))

  test('has one block for each device, and what others wrote stays in order', () => {
    const line = fc.stringMatching(/^server=[a-z0-9./]{1,20}$/)
    fc.assert(
      fc.property(fc.array(line), fc.array(line, { minLength: 1 }), fc.array(line), (others, ours, theirs) => {
        const before = others.map((one) => `${one}\n`).join('')
        const both = withBlock(withBlock(withBlock(before, 'b', theirs), 'a', ['server=x']), 'a', ours)
        expect(both.match(/# typeswan a begin/g)).toHaveLength(1)
        expect(withBlock(both, 'a', [])).toBe(withBlock(before, 'b', theirs))
        expect(withBlock(withBlock(both, 'a', []), 'b', [])).toBe(before)
      }),
    )
  })
})

describe('what a peer pushes', () => {
  test('is used only as far as it is addresses and names', () => {
    const hostile = ['corp.example.', 'a b', '~.', 'x\nserver=6.6.6.6', '/evil/', '', '-f', 'ok_1.example', '10.0.0.1']
    const { group, refused } = checkedGroup({ servers: ['10.1.0.53', '--help', 'x'], domains: hostile })
    expect(group).toEqual({ servers: ['10.1.0.53'], domains: ['corp.example', 'ok_1.example'] })
    expect(refused).toHaveLength(9)
  })

  test('never has a line end, a slash or a leading mark in it, whatever it was', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.domain())), (domains) => {
        for (const domain of checkedGroup({ servers: [], domains }).group.domains) {
          expect(domain).toMatch(/^[a-z0-9_][a-z0-9_.-]*$/)
        }
      }),
    )
  })
})

describe('the choice', () => {
  const { run } = recordingRunner()
  const dnsmasq = { serversFile: '/x', pidFile: '/y' }
  const choose = (settings: Partial<DnsSettings>, commands: string[], runs = true) =>
    chooseDns({ backend: 'auto', dnsmasq: undefined, ...settings }, run, {
      hasCommand: (command) => commands.includes(command),
      exists: () => runs,
    })?.name

  test('by itself takes dnsmasq whose file is named, then resolved that runs, then resolvconf, then none', () => {
    expect(choose({ dnsmasq }, ['resolvectl'])).toBe('dnsmasq')
    expect(choose({}, ['resolvectl', 'resolvconf'])).toBe('resolved')
    expect(choose({}, ['resolvectl', 'resolvconf'], false)).toBe('resolvconf')
    expect(choose({}, [])).toBeUndefined()
    expect(choose({ backend: 'none', dnsmasq }, ['resolvectl'])).toBeUndefined()
  })

  test('of one that is not there is an error that says what to do', () => {
    expect(() => choose({ backend: 'resolved' }, [])).toThrow('install systemd-resolved')
    expect(() => choose({ backend: 'resolvconf' }, [])).toThrow('install openresolv')
    expect(() => choose({ backend: 'dnsmasq' }, [])).toThrow('dns.serversFile')
  })
})

describe('the keeper', () => {
  const pushed = (server: string, ...domains: string[]): Pushed => ({
    role: 'initiator',
    addresses: [],
    dns: [parseIp(server)],
    domains,
    subnets: [],
  })
  const keep = (folder: string, fail: () => boolean = () => false) => {
    const { log, texts } = recordingLog()
    const { run, calls } = recordingRunner(() => (fail() ? { code: 1, stderr: 'no' } : {}))
    const state = new AppliedState(folder, log)
    const keeper = new DnsKeeper({ backend: resolvconfBackend(run), files: undefined, device: 'swan0', log, state })
    return { keeper, calls, texts, state: () => readIfThere(`${folder}/applied-${process.pid}.json`) }
  }
  const readIfThere = (path: string) => {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      return undefined
    }
  }

  test('has what all peers pushed, and takes back only with the last', () =>
    withFolder(async (folder) => {
      const { keeper, calls, state } = keep(folder)
      keeper.assign(1, 'a', pushed('10.1.0.53', 'a.example'))
      keeper.assign(2, 'b', pushed('10.2.0.53', 'b.example'))
      await keeper.settled()
      expect(calls.at(-1)).toContain('search a.example b.example')
      expect(state()).toContain('"backend":"resolvconf"')
      keeper.release(1)
      await keeper.settled()
      expect(calls.at(-1)).toContain('search b.example')
      keeper.release(2)
      await keeper.settled()
      expect(calls.at(-1)).toBe('resolvconf -f -d swan0')
      expect(state()).toBeUndefined()
    }))

  test('does nothing when an IKE_SA takes the place of another with the same', () =>
    withFolder(async (folder) => {
      const { keeper, calls } = keep(folder)
      keeper.assign(1, 'a', pushed('10.1.0.53', 'a.example'))
      await keeper.settled()
      keeper.assign(2, 'a', pushed('10.1.0.53', 'a.example'))
      keeper.release(1)
      await keeper.settled()
      expect(calls).toHaveLength(1)
    }))

  test('leaves the machine alone when none of the pushed domains is one', () =>
    withFolder(async (folder) => {
      const { keeper, calls, texts } = keep(folder)
      keeper.assign(1, 'a', pushed('10.1.0.53', 'x\ny'))
      await keeper.settled()
      expect(calls).toEqual([])
      expect(texts('warn')).toEqual([expect.stringContaining('"x\\ny" is no domain name')])
    }))

  test('goes on after a failure, and takes back what may have been done half', () =>
    withFolder(async (folder) => {
      let broken = true
      const { keeper, calls, texts, state } = keep(folder, () => broken)
      keeper.assign(1, 'a', pushed('10.1.0.53'))
      await keeper.settled()
      expect(texts('error')).toEqual([expect.stringContaining('failed: no')])
      expect(state()).toBeDefined()
      broken = false
      await keeper.close()
      expect(calls.at(-1)).toBe('resolvconf -f -d swan0')
      expect(state()).toBeUndefined()
    }))
})
