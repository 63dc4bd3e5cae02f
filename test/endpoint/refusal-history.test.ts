import { expect, test } from 'vitest'
import { RefusalHistory } from '../../src/endpoint/refusal-history.ts'
import type { IkeEvent } from '../../src/ike/events.ts'
import { parseIp } from '../../src/ip/address.ts'

const refused = (detail: string, port = 500): IkeEvent => ({
  kind: 'refused',
  sa: undefined,
  remote: { address: parseIp('192.0.2.1'), port },
  refusal: { kind: 'peer-error', by: 'peer', detail, message: detail, hint: '' },
})

test('the same refusal again is counted, and moves to the front', () => {
  const history = new RefusalHistory()
  history.notice(refused('ONE'), 0)
  history.notice(refused('TWO'), 1_000)
  history.notice(refused('ONE', 501), 2_000)
  expect(history.report(5_000)).toMatchObject([
    { refusal: { detail: 'ONE' }, count: 2, ageMs: 3_000 },
    { refusal: { detail: 'TWO' }, count: 1, ageMs: 4_000 },
  ])
})

test('sixteen are kept, however many come', () => {
  const history = new RefusalHistory()
  for (let i = 0; i < 1_000; i++) history.notice(refused(`E${i}`), i)
  const kept = history.report(1_000)
  expect(kept).toHaveLength(16)
  expect(kept[0]!.refusal).toMatchObject({ detail: 'E999' })
})
