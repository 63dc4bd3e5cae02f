import { expect, test } from 'vitest'
import { runCli } from '../../src/cli/cli.ts'
import type { DemoReport } from '../../src/demo/report.ts'
import { sequenceHead, sequenceStep } from '../../src/demo/sequence.ts'
import type { MessageEvent } from '../../src/ike/events.ts'
import { parseIp } from '../../src/ip/index.ts'

async function run(...args: string[]): Promise<{ code: number; out: string[]; err: string[] }> {
  const out: string[] = []
  const err: string[] = []
  const code = await runCli(args, { out: (text) => out.push(text), err: (text) => err.push(text) })
  return { code, out, err }
}

test('the demo with --json prints one object, in which everything came out as it should', async () => {
  const { code, out, err } = await run('demo', '--json')
  expect({ code, err, lines: out.length }).toEqual({ code: 0, err: [], lines: 1 })
  const report: DemoReport = JSON.parse(out[0]!)
  expect(report).toMatchObject({
    kind: 'loopback',
    ok: true,
    problems: [],
    established: true,
    packetsSent: 20_000,
    packetsReceived: 20_000,
    tamperedDropped: 1,
    replayedDropped: 1,
    ikeMessages: 6,
    cleanEnd: true,
  })
  expect(report.ikeSuite).toMatch(/^\w+(-\w+)+$/)
  expect(report.espSuite).toMatch(/^\w+/)
  expect(report.mbps).toBeGreaterThan(1)
  expect(report.durationMs).toBeLessThan(30_000)
})

const message: MessageEvent = {
  kind: 'message',
  direction: 'out',
  sa: { id: 1, connection: 'demo' },
  local: { address: parseIp('127.0.0.1'), port: 500 },
  remote: { address: parseIp('127.0.0.1'), port: 4500 },
  exchange: 'IKE_AUTH',
  response: false,
  messageId: 1,
  payloads: ['IDi', 'AUTH', 'SA', 'TSi', 'TSr', 'N(A_NOTIFY_WITH_A_LONG_NAME)', 'N(ANOTHER_NOTIFY_WITH_A_LONG_NAME)'],
  encrypted: true,
  bytes: 1234,
}

test('a message is drawn with an arrow in its direction, and all lines are equally long', () => {
  const sent = sequenceStep(message).split('\n')
  expect(sent[0]).toContain('IKE_AUTH request, message 1')
  expect(sent.join(' ')).toContain('SK {IDi, AUTH')
  expect(sent.at(-1)).toMatch(/\| -+ 1234 octets, UDP 500 > 4500 -+> \|$/)
  const received = sequenceStep({ ...message, direction: 'in', response: true }).split('\n')
  expect(received[0]).toContain('IKE_AUTH response, message 1')
  expect(received.at(-1)).toMatch(/\| <-+ 1234 octets, UDP 500 < 4500 -+ \|$/)
  const lengths = new Set([...sent, ...received, sequenceHead('west', 'east')].map((line) => line.length))
  expect(lengths.size).toBeLessThanOrEqual(2)
})
