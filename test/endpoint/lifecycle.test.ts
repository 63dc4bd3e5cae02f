import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { askControl } from '../../src/endpoint/control-client.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { Log, type LogEntry } from '../../src/endpoint/log.ts'
import { Opened } from '../../src/endpoint/opened.ts'
import { UdpPaths } from '../../src/endpoint/udp-paths.ts'
import { PlatformError } from '../../src/errors.ts'
import { createMemoryTun } from '../../src/tap-tun/index.ts'
import { eventsOf, loopback, startPair } from './pair.ts'

let folder: string
let endpoint: Endpoint | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'typeswan-lifecycle-'))
})

afterEach(async () => {
  vi.restoreAllMocks()
  await endpoint?.close()
  endpoint = undefined
  rmSync(folder, { recursive: true })
})

const listen = { addresses: [loopback], ikePort: 0, natPort: 0 }

describe('an endpoint', () => {
  test('that is asked for its status while it starts answers with the whole status, after the start', async () => {
    const controlPath = join(folder, 'control.sock')
    const open = UdpPaths.open
    let answer: Promise<unknown> | undefined
    vi.spyOn(UdpPaths, 'open').mockImplementationOnce(async (...options) => {
      answer = askControl(controlPath, { command: 'status' })
      await new Promise((resolve) => setTimeout(resolve, 20))
      return open.apply(UdpPaths, options)
    })
    endpoint = await Endpoint.start({ connections: [], listen, controlPath })
    expect(await answer).toMatchObject({ connections: [], ikeSas: [], listen: { addresses: ['127.0.0.1'] } })
  })

  test('tells when its device is taken away, and still closes', async () => {
    let takeAway: (error: PlatformError) => void = () => {}
    const tun = {
      ...createMemoryTun(),
      onFailure(handler: (error: PlatformError) => void) {
        takeAway = handler
      },
    }
    const entries: LogEntry[] = []
    const log = new Log((entry) => entries.push(entry))
    endpoint = await Endpoint.start({ connections: [], listen, tun, log })
    const failures: PlatformError[] = []
    endpoint.on('failure', (error) => failures.push(error))
    const gone = new PlatformError('TUN_GONE', 'cannot read from swan0', 'restart')
    takeAway(gone)
    expect(failures).toEqual([gone])
    expect(entries.filter(({ level }) => level === 'error')).toMatchObject([{ subject: 'device', text: gone.message }])
    await endpoint.close()
  })
})

describe('an endpoint that closes', () => {
  test('takes up no peer that begins anew because its IKE_SA was deleted', async () => {
    const pair = await startPair()
    await pair.west.endpoint.initiate('pair')
    let again: Promise<unknown> | undefined
    pair.west.endpoint.on('event', (event) => {
      if (event.kind === 'child-closed') again = pair.west.endpoint.initiate('pair').catch((error: Error) => error)
    })
    // The device takes its time, as one of the kernel does.
    vi.spyOn(pair.east.tun, 'close').mockImplementation(() => new Promise((resolve) => setTimeout(resolve, 200)))
    await pair.east.endpoint.close()
    expect(again).toBeDefined()
    expect(eventsOf(pair.east, 'ike-established')).toHaveLength(1)
    await pair.west.endpoint.close()
    expect(await again).toBeInstanceOf(Error)
  })
})

describe('what was opened', () => {
  test('is closed the last one first, also when one of them refuses', async () => {
    const closed: number[] = []
    const entries: LogEntry[] = []
    const opened = new Opened(new Log((entry) => entries.push(entry)))
    for (const number of [1, 2, 3]) {
      opened.add({
        close: async () => {
          closed.push(number)
          if (number === 2) throw new Error('it sticks')
        },
      })
    }
    await opened.close()
    expect(closed).toEqual([3, 2, 1])
    expect(entries).toMatchObject([{ level: 'error', text: 'it sticks' }])
  })
})
