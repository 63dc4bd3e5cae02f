import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { runCli } from '../../src/cli/cli.ts'
import { pskConnection } from '../../src/config/connection.ts'
import { openUdp } from '../../src/dgram-ext/index.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { PlatformError } from '../../src/errors.ts'
import { parseIp } from '../../src/ip/index.ts'
import { createMemoryTun } from '../../src/tap-tun/index.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'typeswan-cli-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = []
  const err: string[] = []
  const code = await runCli(args, { out: (text) => out.push(text), err: (text) => err.push(text) })
  return { code, out: out.join('\n'), err: err.join('\n') }
}

const configOf = (changes: object = {}): string => {
  const config = {
    listen: { addresses: ['127.0.0.1'], port: 15_500, natPort: 15_501 },
    control: join(folder, 'control.sock'),
    connections: {
      office: {
        local: { address: '127.0.0.1', id: 'me.example' },
        remote: { address: '192.0.2.1' },
        psk: 'secret of the test',
        children: { net: { localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] } },
      },
    },
    ...changes,
  }
  const path = join(folder, 'config.json')
  writeFileSync(path, JSON.stringify(config, null, 2))
  return path
}

describe('the command', () => {
  test('--version and --help go to standard output with code 0', async () => {
    expect(await run('--version')).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+/), err: '' })
    const help = await run('--help')
    expect(help.code).toBe(0)
    for (const word of ['up', 'status', 'demo', 'Exit codes']) expect(help.out).toContain(word)
  })

  test.each([
    ['no command', []],
    ['an unknown command', ['down']],
    ['an unknown option', ['status', '--loud']],
    ['up without its configuration', ['up']],
    ['a log level that does not exist', ['up', '--config', 'x', '--log-level', 'loud']],
    ['a word too many', ['status', 'now']],
  ])('%s is wrong usage, code 2', async (_name, args) => {
    const { code, out, err } = await run(...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).not.toBe('')
  })
})

describe('typeswan check', () => {
  const weakChild = {
    localTs: ['10.1.0.0/16'],
    remoteTs: ['10.2.0.0/16'],
    espProposals: ['aes128gcm16', 'null-sha256'],
  }
  const connections = (allowWeak: string[]) => ({
    allowWeak,
    connections: {
      office: {
        local: { address: '127.0.0.1', id: 'me.example' },
        remote: { address: '192.0.2.1' },
        psk: 'secret of the test',
        children: { net: weakChild },
      },
    },
  })

  test('says what is weak, where, and what to write in its place', async () => {
    const path = configOf(connections(['null']))
    const { code, out, err } = await run('check', '--config', path)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const line =
      readFileSync(path, 'utf8')
        .split('\n')
        .findIndex((text) => text.includes('null-sha256')) + 1
    expect(out).toContain(
      `warning: ${path}:${line}: connections.office.children.net.espProposals[1]: "null-sha256": null encrypts nothing`,
    )
    expect(out).toContain('better: aes256gcm16 or aes256-sha256')
    expect(out).toContain('1 connections, 1 children, 1 warnings')
  })

  test('of a sound configuration has nothing to say, of a wrong one what up says', async () => {
    expect((await run('check', '--config', configOf())).out).toContain('0 warnings')
    const { code, err } = await run('check', '--config', configOf(connections([])))
    expect(code).toBe(2)
    expect(err).toContain('name "null" in allowWeak')
  })
})

describe('typeswan up', () => {
  test('tells every problem of a wrong configuration with its line, code 2, and starts nothing', async () => {
    const path = configOf({ listen: { port: 'five hundred' }, lisen: {} })
    const { code, err } = await run('up', '--config', path)
    expect(code).toBe(2)
    expect(err).toMatch(/config\.json:\d+: listen\.port: /)
    expect(err).toMatch(/config\.json:\d+: .*lisen/)
    expect(err).toContain('allowed: ')
    expect(existsSync(join(folder, 'control.sock'))).toBe(false)
  })

  test('a file that is not there is code 2', async () => {
    const { code, err } = await run('up', '--config', join(folder, 'none.json'))
    expect(code).toBe(2)
    expect(err).toContain('none.json')
  })

  test('ends with code 1 and closes when its device is taken away', async () => {
    const { start } = Endpoint
    vi.spyOn(Endpoint, 'start').mockImplementationOnce(async (options) => {
      const endpoint = await start.call(Endpoint, { ...options, tun: createMemoryTun() })
      const gone = new PlatformError('TUN_GONE', 'cannot read from swan0', 'restart')
      setTimeout(() => endpoint.emit('failure', gone), 1)
      return endpoint
    })
    const { code, err } = await run('up', '--config', configOf())
    expect(code).toBe(1)
    expect(err).toContain('typeswan: cannot read from swan0: restart')
    expect(existsSync(join(folder, 'control.sock'))).toBe(false)
  })

  test('--record writes a recording, with the secrets only when they are asked for', async () => {
    vi.restoreAllMocks()
    const { start } = Endpoint
    vi.spyOn(Endpoint, 'start').mockImplementation(async (options) => {
      const endpoint = await start.call(Endpoint, { ...options, tun: createMemoryTun() })
      setTimeout(() => endpoint.emit('failure', new PlatformError('TUN_GONE', 'gone', 'restart')), 1)
      return endpoint
    })
    const path = join(folder, 'recording.jsonl')
    const secret = Buffer.from('secret of the test').toString('hex')
    await run('up', '--config', configOf(), '--record', path)
    expect(readFileSync(path, 'utf8')).toMatch(/^\{"format":"typeswan-ike-recording"/)
    expect(readFileSync(path, 'utf8')).not.toContain(secret)
    await run('up', '--config', configOf(), '--record', path, '--record-secrets')
    expect(readFileSync(path, 'utf8')).toContain(secret)
    vi.restoreAllMocks()
    const { code, err } = await run('up', '--config', configOf(), '--record', join(folder, 'none', 'file'))
    expect([code, err]).toEqual([1, expect.stringContaining('name a file that this user may write')])
  })

  test('a port in use is one line with the remedy, code 1, and leaves no control socket', async () => {
    const blocker = await openUdp({ address: parseIp('127.0.0.1'), port: 0 })
    const listen = { addresses: ['127.0.0.1'], port: blocker.local.port, natPort: 15_501 }
    const { code, out, err } = await run('up', '--config', configOf({ listen }))
    await blocker.close()
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err.split('\n')).toHaveLength(1)
    expect(err).toContain('another process has this port')
    expect(existsSync(join(folder, 'control.sock'))).toBe(false)
  })
})

describe('typeswan status', () => {
  test('without an endpoint says how to start one, code 3', async () => {
    const { code, out, err } = await run('status', '--control', join(folder, 'none.sock'))
    expect({ code, out }).toEqual({ code: 3, out: '' })
    expect(err).toContain('typeswan up')
  })

  test('prints tables, or the same as one JSON object without any key', async () => {
    const control = join(folder, 'control.sock')
    const endpoint = await Endpoint.start({
      connections: [
        pskConnection({
          name: 'office',
          psk: 'secret of the test',
          localAddress: '127.0.0.1',
          remoteAddress: '192.0.2.1',
          children: [{ name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'], startAction: 'trap' }],
        }),
      ],
      listen: { addresses: [parseIp('127.0.0.1')], ikePort: 0, natPort: 0 },
      controlPath: control,
    })
    const table = await run('status', '--control', control)
    const json = await run('status', '--json', '--control', control)
    await endpoint.close()
    expect([table.code, json.code]).toEqual([0, 0])
    expect(table.out).toContain('No IKE_SA.')
    expect(table.out).toMatch(/out +10\.1\.0\.0\/16 +10\.2\.0\.0\/16 +any +allow/)
    const status = JSON.parse(json.out)
    expect(status).toMatchObject({
      connections: ['office'],
      ikeSas: [],
      tun: null,
      listen: { addresses: ['127.0.0.1'] },
    })
    expect(status.policies).toMatchObject([{ direction: 'out', label: 'office/net' }])
    expect(json.out).not.toContain('secret')
  })
})
