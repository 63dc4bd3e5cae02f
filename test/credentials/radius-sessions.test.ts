import { afterEach, describe, expect, it, vi } from 'vitest'
import type { CompanionWorld } from '../../src/credentials/companion.ts'
import { type RadiusAdmission, RadiusIkeSession } from '../../src/credentials/radius-session.ts'
import { type RadiusDisconnect, RadiusSessions } from '../../src/credentials/radius-sessions.ts'
import type { CloseReason, IkeEvent, IkeSaStatus } from '../../src/ike/events.ts'
import { parseIp } from '../../src/ip/address.ts'
import {
  RadiusAccounting,
  type RadiusRequest,
  type RadiusSession,
  RadiusType,
  radiusSession,
} from '../../src/radius/index.ts'

const nas = { identifier: 'gate' }
const remote = { address: parseIp('192.0.2.7'), port: 4500 }
const timeless = radiusSession([])

function bench(disconnects: readonly RadiusDisconnect[] = [], isNamed = false) {
  let now = 0
  const asked: RadiusRequest[] = []
  const ended: number[] = []
  const lines: string[] = []
  const traffic = { inputOctets: 0, inputPackets: 0, outputOctets: 0, outputPackets: 0 }
  const ask = async (request: RadiusRequest) => {
    asked.push(request)
    return { ok: false as const, message: 'nobody is there' }
  }
  const accounting = new RadiusAccounting(ask, nas, () => 1000)
  const random = (length: number) => new Uint8Array(length).fill(0xab)
  const sessions = new RadiusSessions({
    ...{ random, disconnects, now: () => now },
    ...(isNamed ? { accountings: [accounting] } : {}),
  })
  const world: CompanionWorld = {
    traffic: () => ({ ...traffic }),
    end: (id) => ended.push(id),
    log: (_level, subject, text) => lines.push(`${subject} ${text}`),
  }
  const admit = (id: number, session: Partial<RadiusSession> = {}, more: Partial<RadiusAdmission> = {}) => {
    const account = { connection: 'office', remote, userName: 'alice', classes: [Uint8Array.of(1, 2)] }
    const all = { ...timeless, ...session }
    sessions.admitted({ ikeSaId: id, account, session: all, accounting, interimMs: 0, realm: 'office', ...more })
  }
  const event = (kind: string, id: number, more: object) =>
    sessions.notice({ kind, sa: { id, connection: 'office' }, ...more } as IkeEvent)
  return {
    ...{ sessions, world, asked, ended, lines, traffic, admit },
    establish: (id: number, address?: string) => {
      event('ike-established', id, { details: {} as IkeSaStatus })
      if (address !== undefined) event('assigned', id, { addresses: [parseIp(address)], attributes: [] })
    },
    closed: (id: number, reason: CloseReason) => event('ike-closed', id, { reason }),
    async pass(ms: number) {
      for (let at = 0; at < ms; at += 1000) {
        now += 1000
        await vi.advanceTimersByTimeAsync(1000)
      }
    },
    /** Acct-Status-Type, and the values of further attributes, each in hexadecimal. */
    told: (...types: number[]) =>
      asked.map(({ attributes }) =>
        [RadiusType['Acct-Status-Type'], ...types].map((type) => {
          const value = attributes.find((one) => one.type === type)?.value
          return value === undefined ? '' : Number(`0x${Buffer.from(value).toString('hex')}`)
        }),
      ),
  }
}

afterEach(() => {
  vi.useRealTimers()
})

describe('a session that RADIUS let in', () => {
  it('is told when it begins, in between and when it ends, with what went through and why', async () => {
    vi.useFakeTimers()
    const { sessions, world, traffic, admit, establish, closed, pass, told, asked } = bench()
    await sessions.open(world)
    admit(3, {}, { interimMs: 60_000 })
    establish(3, '10.3.0.7')
    await pass(61_000)
    Object.assign(traffic, { inputOctets: 2 ** 32 + 5, inputPackets: 7, outputOctets: 9, outputPackets: 1 })
    closed(3, 'timeout')
    await pass(1000)
    const framed = 0x0a030007
    const types = ['Framed-IP-Address', 'Acct-Session-Time', 'Acct-Input-Octets', 'Acct-Input-Gigawords'] as const
    const named = [...types.map((name) => RadiusType[name]), RadiusType['Acct-Terminate-Cause']]
    expect(told(...named)).toEqual([
      [7, '', '', '', '', ''],
      [1, framed, '', '', '', ''],
      [3, framed, 60, 0, 0, ''],
      [2, framed, 61, 5, 1, 2],
    ])
    const ids = asked.slice(1).map(({ attributes }) => attributes.find(({ type }) => type === 44)?.value.join())
    expect(new Set(ids).size).toBe(1)
    for (const { attributes } of asked.slice(1))
      expect(attributes).toContainEqual({ type: 25, value: Uint8Array.of(1, 2) })
    expect(sessions.sessions).toEqual([])
    await sessions.close()
  })

  it('ends alone when its Session-Timeout is over, once, and says so', async () => {
    vi.useFakeTimers()
    const { sessions, world, admit, establish, closed, pass, ended, lines, told } = bench()
    await sessions.open(world)
    admit(1, { sessionTimeout: 10 })
    admit(2)
    establish(1)
    establish(2)
    await pass(9_000)
    expect(ended).toEqual([])
    await pass(5_000)
    expect(ended).toEqual([1])
    expect(lines.join('\n')).toContain('office[1] RADIUS session abababab-1 of alice ends: its Session-Timeout is over')
    closed(1, 'local')
    await pass(1000)
    expect(told(RadiusType['Acct-Terminate-Cause']).at(-1)).toEqual([2, 5])
    await sessions.close()
  })

  it('ends after Idle-Timeout, counted from the last packet', async () => {
    vi.useFakeTimers()
    const { sessions, world, admit, establish, pass, ended, traffic } = bench()
    await sessions.open(world)
    admit(1, { idleTimeout: 10 })
    establish(1)
    await pass(8_000)
    traffic.inputPackets = 1
    await pass(9_000)
    expect(ended).toEqual([])
    await pass(3_000)
    expect(ended).toEqual([1])
    await sessions.close()
  })

  it('is none when its IKE_SA does not come about', async () => {
    vi.useFakeTimers()
    const { sessions, world, admit, establish, closed, pass, told } = bench()
    await sessions.open(world)
    admit(1)
    closed(1, 'refused')
    establish(1)
    await pass(1000)
    expect(told()).toEqual([])
    await sessions.close()
  })

  it('is told as ended by us when the endpoint is closed, and accounting that we stop', async () => {
    const { sessions, world, admit, establish, closed, told } = bench()
    await sessions.open(world)
    admit(1)
    admit(2)
    establish(1)
    establish(2)
    await Promise.resolve()
    sessions.closing()
    closed(1, 'local')
    await sessions.close()
    expect(told(RadiusType['Acct-Terminate-Cause']).slice(3)).toEqual(
      expect.arrayContaining([
        [2, 7],
        [2, 7],
        [8, ''],
      ]),
    )
  })

  it('begins to count at the start, where accounting is known by then, and not again with a session', async () => {
    const { sessions, world, admit, establish, told } = bench([], true)
    await sessions.open(world)
    expect(told()).toEqual([[7]])
    admit(1)
    establish(1)
    await Promise.resolve()
    expect(told()).toEqual([[7], [1]])
    await sessions.close()
  })

  it('that the endpoint leaves standing is told as ended before accounting hears that we stop', async () => {
    const { sessions, world, admit, establish, told } = bench()
    await sessions.open(world)
    admit(1)
    establish(1)
    await Promise.resolve()
    sessions.closing()
    await sessions.close()
    expect(told()).toEqual([[7], [1], [2], [8]])
  })

  it('is meant by a request that names its user and its connection, and by none that names another', () => {
    const account = { connection: 'office', remote, userName: 'alice', classes: [] }
    const admission = { ikeSaId: 1, account, session: timeless, accounting: undefined, interimMs: 0, realm: 'office' }
    const session = new RadiusIkeSession(admission, 'id', [], 0)
    const none = { sessionId: undefined, address: undefined, callingStationId: undefined }
    const fits = (nasPortId: string | undefined) => session.fits({ ...none, userName: 'alice', nasPortId }, '')
    expect([fits('office'), fits(undefined), fits('home')]).toEqual([true, true, false])
  })
})
