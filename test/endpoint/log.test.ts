import { describe, expect, test } from 'vitest'
import { EventLog } from '../../src/endpoint/event-log.ts'
import { formatLogEntry, Log, type LogEntry, type LogLevel } from '../../src/endpoint/log.ts'
import { RepeatLimiter } from '../../src/endpoint/repeat-limiter.ts'
import { parseIdentity } from '../../src/ike/auth/identity.ts'
import type { IkeEvent, IkeSaStatus } from '../../src/ike/events.ts'
import type { Refusal } from '../../src/ike/explain/refusal.ts'
import { parseIp } from '../../src/ip/address.ts'

function record(level: LogLevel = 'info'): { entries: LogEntry[]; log: EventLog } {
  const entries: LogEntry[] = []
  return { entries, log: new EventLog(new Log((entry) => entries.push(entry), level)) }
}

const remote = { address: parseIp('192.0.2.7'), port: 500 }
const dropped: IkeEvent = { kind: 'dropped', remote, reason: 'malformed', detail: 'header: short' }

const noProposal: Refusal = {
  kind: 'no-proposal-chosen',
  by: 'local',
  what: 'IKE',
  message: 'no common IKE proposal',
  offered: ['aes128gcm16-prfsha256-x25519'],
  configured: ['aes256gcm16-prfsha384-ecp384'],
  nearest: {
    configured: 'aes256gcm16-prfsha384-ecp384',
    offered: 'aes128gcm16-prfsha256-x25519',
    differ: ['ENCR', 'PRF', 'KE'],
  },
  hint: 'connections.office.proposals: add aes128gcm16-prfsha256-x25519',
}

const established: IkeSaStatus = {
  sa: { id: 1, connection: 'office' },
  state: 'established',
  role: 'responder',
  SPIi: '0000000000000001',
  SPIr: '0000000000000002',
  local: remote,
  remote,
  localId: parseIdentity('right.example.org'),
  auth: { local: ['psk'], remote: ['psk'] },
  remoteId: parseIdentity('left.example.org'),
  suite: 'aes128gcm16-prfsha256-x25519',
  natLocal: false,
  natRemote: false,
  encap: true,
  mobike: false,
  establishedAt: 0,
  children: [],
  lingering: [],
}

describe('log lines', () => {
  test('a line shows time, level, subject and text', () => {
    const time = new Date('2026-01-31T12:00:00.123Z')
    expect(formatLogEntry({ time, level: 'info', subject: 'office[1]', text: 'up' })).toBe(
      '2026-01-31 12:00:00.123 info  office[1]    up',
    )
  })

  test('control characters of a peer do not reach the terminal', () => {
    const line = formatLogEntry({ time: new Date(0), level: 'info', subject: 'x', text: 'id \u001b[2J\u0007\r end' })
    expect(line).toContain('id \\x1b[2J\\x07\\x0d end')
  })

  test('a refusal prints what was offered, what is configured and the hint', () => {
    const { entries, log } = record()
    log.write({ kind: 'refused', sa: { id: 3, connection: 'office' }, remote, refusal: noProposal }, 0)
    expect(entries).toHaveLength(1)
    expect(entries[0]).toMatchObject({ level: 'warn', subject: 'office[3]' })
    const parts = [
      'no common IKE proposal',
      'offered: aes128gcm16',
      'configured: aes256gcm16',
      'ENCR, PRF, KE',
      'hint: ',
    ]
    for (const part of parts) expect(entries[0]!.text).toContain(part)
  })

  test('a flood of bad datagrams makes five lines in ten seconds, then says how many were kept back', () => {
    const { entries, log } = record()
    for (let i = 0; i < 1000; i++) log.write(dropped, i)
    expect(entries).toHaveLength(5)
    log.write(dropped, 10_000)
    expect(entries).toHaveLength(6)
    expect(entries[5]!.text).toContain('995 more')
  })

  test('one kind of drop does not silence another', () => {
    const { entries, log } = record()
    for (let i = 0; i < 100; i++) log.write(dropped, 0)
    log.write({ ...dropped, reason: 'bad-integrity' }, 0)
    expect(entries.at(-1)!.text).toContain('bad-integrity')
  })

  test('a flood of half-open IKE_SAs that end makes five lines, and an established one that ends still makes its own', () => {
    const { entries, log } = record()
    const sa = (id: number) => ({ id, connection: 'office' })
    log.write({ kind: 'ike-established', sa: sa(1), details: established }, 0)
    for (let id = 2; id < 1000; id++) log.write({ kind: 'ike-closed', sa: sa(id), reason: 'timeout' }, 0)
    log.write({ kind: 'ike-closed', sa: sa(1), reason: 'timeout' }, 0)
    expect(entries.map(({ subject }) => subject)).toEqual([1, 2, 3, 4, 5, 6, 1].map((id) => `office[${id}]`))
  })

  test('what a peer asked for and did not get is told', () => {
    const { entries, log } = record()
    const sa = { id: 1, connection: 'office' }
    log.write({ kind: 'assigned', sa, addresses: [], attributes: [], ignored: ['it asks for the moon'] }, 0)
    const texts = ['the peer has no address', 'passed over of what the peer asked for: it asks for the moon']
    expect(entries.map(({ text }) => text)).toEqual(texts)
  })

  test('messages are written at debug only', () => {
    const message: IkeEvent = {
      kind: 'message',
      direction: 'out',
      sa: { id: 1, connection: 'office' },
      local: { address: parseIp('192.0.2.1'), port: 500 },
      remote,
      exchange: 'IKE_SA_INIT',
      response: false,
      messageId: 0,
      payloads: ['SA', 'KE', 'Ni'],
      encrypted: false,
      bytes: 240,
    }
    const quiet = record()
    quiet.log.write(message, 0)
    expect(quiet.entries).toEqual([])
    const loud = record('debug')
    loud.log.write(message, 0)
    expect(loud.entries[0]!.text).toBe('-> IKE_SA_INIT request 0 [SA, KE, Ni] 240 octets, 192.0.2.7:500')
    for (let i = 0; i < 1000; i++) loud.log.write({ ...message, sa: undefined }, 0)
    loud.log.write(message, 0)
    expect(loud.entries.map(({ subject }) => subject)).toEqual(['office[1]', ...Array(50).fill('ike'), 'office[1]'])
  })
})

test('the limiter forgets nothing when time stands still', () => {
  const limiter = new RepeatLimiter(2, 100)
  expect([0, 0, 0, 0].map((now) => limiter.admit('a', now))).toEqual([0, 0, -1, -1])
  expect(limiter.admit('a', 100)).toBe(2)
})
