import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canOpenTun } from '../../src/tap-tun/index.ts'

const run = promisify(execFile)
const namespace = `typeswan-tun-${process.pid}`
// In the project, because the bundled child looks for koffi from where it lies.
const folder = fileURLToPath(new URL('../../node_modules/.cache/typeswan/', import.meta.url))
const child = `${folder}${namespace}.mjs`

const missing = whyNot()
const title =
  missing === '' ? 'Linux TUN in a network namespace' : `Linux TUN in a network namespace (skipped: ${missing})`

function whyNot(): string {
  const can = canOpenTun()
  if (!can.ok) return can.reason
  try {
    // Only a trial: the tests may be filtered out, and then nothing must stay behind.
    execFileSync('ip', ['netns', 'add', namespace], { stdio: 'pipe' })
    execFileSync('ip', ['netns', 'del', namespace], { stdio: 'pipe' })
    return ''
  } catch (error) {
    return `no network namespace: ${(error as Error).message.split('\n').join(' ')}`
  }
}

const hasPing = missing === '' && commandExists('ping', ['-V'])

function commandExists(command: string, args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

async function scenario<T>(name: string): Promise<T> {
  const args = ['netns', 'exec', namespace, process.execPath, child, name]
  const { stdout } = await run('ip', args, { timeout: 40_000 })
  return JSON.parse(stdout) as T
}

beforeAll(async () => {
  if (missing !== '') return
  execFileSync('ip', ['netns', 'add', namespace])
  execFileSync('ip', ['-n', namespace, 'link', 'set', 'lo', 'up'])
  mkdirSync(folder, { recursive: true })
  await build({
    entryPoints: [fileURLToPath(new URL('./netns-child.ts', import.meta.url))],
    outfile: child,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['koffi'],
  })
})

afterAll(() => {
  if (missing !== '') return
  execFileSync('ip', ['netns', 'del', namespace])
  rmSync(child, { force: true })
})

describe.skipIf(missing !== '')(title, () => {
  it('carries IPv4 and IPv6 packets both ways', async () => {
    const found = await scenario<{ replies: number; replies6: number; stats: Record<string, number> }>('udpEcho')
    expect(found).toMatchObject({ replies: 200, replies6: 200, stats: { writeDrops: 0, readDrops: 0, readErrors: 0 } })
    expect(found.stats.packetsWritten).toBeGreaterThanOrEqual(400)
  })

  it.skipIf(!hasPing)('answers ping over IPv4 and IPv6 (needs ping)', async () => {
    expect(await scenario('ping')).toEqual(['3', '3'])
  })

  it('keeps headroom and tailroom around what it reads', async () => {
    expect(await scenario('room')).toEqual({ offset: 100, length: 1028, behind: true })
  })

  it('lets promises of a packet handler go on at once', async () => {
    const { ms } = await scenario<{ ms: number }>('ticks')
    expect(ms).toBeLessThan(50)
  })

  it('leaves packets in the kernel until there is a handler', async () => {
    expect(await scenario('kernelQueue')).toEqual({ lengths: [361] })
  })

  it('reads at most 64 packets in one turn of the event loop', async () => {
    const { longest } = await scenario<{ longest: number }>('fairness')
    expect(longest).toBeGreaterThan(1)
    expect(longest).toBeLessThanOrEqual(64)
  })

  it('reports a removed interface once and does not spin', async () => {
    const found = await scenario<{ busyMs: number }>('removed')
    expect(found).toMatchObject({ code: 'TUN_GONE', failures: 1, written: false })
    expect(found.busyMs).toBeLessThan(60)
  })

  it('removes the interface on close and takes no packet afterwards', async () => {
    expect(await scenario('closed')).toEqual({ written: false, gone: true, drops: 1 })
  })

  it('counts a packet that a device which is down refused', async () => {
    expect(await scenario('writeDown')).toEqual({ taken: false, drops: 1 })
  })

  it('takes no packet that ends outside the buffer', async () => {
    expect(await scenario('writeOutside')).toEqual([false, false, false, true])
  })

  it('lets the kernel number interfaces, and tells why a name cannot be had', async () => {
    expect(await scenario('names')).toEqual({
      names: ['typeswan0', 'typeswan1'],
      busy: 'TUN_BUSY',
      loopback: 'TUN_CREATE',
      bad: 'USAGE',
    })
  })

  it('reads in a worker thread too', async () => {
    expect(await scenario('worker')).toEqual({ replies: 50 })
  })

  it('tells an ordinary user what is missing', async () => {
    const found = await scenario<{ can: { reason: string } }>('ordinaryUser')
    expect(found).toMatchObject({ can: { ok: false }, open: 'TUN_PERMISSION', setup: 'NETWORK_PERMISSION' })
    expect(found.can.reason).toContain('CAP_NET_ADMIN')
  })
})

interface SetupFindings {
  during: Record<'link' | 'addresses' | 'routes' | 'table' | 'routes6', string>
  problems: string[]
  after: unknown
}

describe.skipIf(missing !== '')(title.replace('TUN', 'network setup'), () => {
  it('sets MTU, addresses and routes, and takes them back', async () => {
    const { during, problems, after } = await scenario<SetupFindings>('setup')
    expect(during.link).toMatch(/[<,]UP[,>].* mtu 1300 /)
    expect(during.addresses).toMatch(/10\.77\.0\.1\/24/)
    expect(during.addresses).toMatch(/fd77::1\/64/)
    expect(during.addresses).toMatch(/10\.78\.0\.1\/32/)
    expect(during.routes).toMatch(/10\.99\.0\.0\/16 dev t0 .*src 10\.77\.0\.1 metric 50/)
    expect(during.table).toMatch(/10\.100\.0\.0\/16 dev t0/)
    expect(during.routes6).toMatch(/fd99::\/32 dev t0/)
    expect(problems).toEqual([])
    expect(after).toEqual({ addresses: '', routes: '', table: '', routes6: false })
  })

  it('names the command and undoes the steps before it when a route exists', async () => {
    const { failure, left } = await scenario<{ failure: { code: string; message: string }; left: string }>(
      'routeExists',
    )
    expect(failure.code).toBe('NETWORK_EXISTS')
    expect(failure.message).toMatch(
      /^ip -4 route add 10\.99\.0\.0\/16 dev t0: RTNETLINK answers: File exists: it exists/,
    )
    expect(left).toBe('')
  })

  it('has nothing to report when the interface went away before the undo', async () => {
    expect(await scenario('undoAfterClose')).toEqual({ problems: [] })
  })

  it('says so when the interface does not exist', async () => {
    expect(await scenario('noDevice')).toBe('NO_DEVICE')
  })
})
