import { describe, expect, it } from 'vitest'
import type { RetransmitConfig } from '../../../src/ike/config.ts'
import type { Sealed } from '../../../src/ike/message/fragmentation.ts'
import { MessageWindow } from '../../../src/ike/message/message-window.ts'
import { retransmitDelay } from '../../../src/ike/message/retransmit-delay.ts'
import type { Task } from '../../../src/ike/task.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'

const retransmit: RetransmitConfig = { baseMs: 100, factor: 2, tries: 2, limitMs: 300, jitter: 0 }
const sealed: Sealed = { datagrams: [Uint8Array.of(1)], recut: undefined }
const taskOf = (mostRetransmissions?: number): Task => ({
  name: 'test',
  exchangeType: 37,
  ...(mostRetransmissions === undefined ? {} : { mostRetransmissions }),
  buildRequest: () => [],
  processResponse: () => 'done',
  abandon: () => {},
})
const makeWindow = (config = retransmit) => new MessageWindow(config, seededRandom('window'), { timesChanged() {} })
const send = (window: MessageWindow, now = 0) => window.requestSent(taskOf(), [], sealed, now)

describe('requests of ours', () => {
  it('go out one at a time until the peer tells of a larger window', () => {
    const window = makeWindow()
    send(window)
    expect(window.hasRoom).toBe(false)
    window.answered(0)
    expect(window.hasRoom).toBe(true)
  })

  it('wait for the responses to all requests up to X - N, not just for any N', () => {
    const window = makeWindow()
    window.peerSize = 3
    for (let i = 0; i < 3; i++) send(window)
    window.answered(1)
    window.answered(2)
    expect(window.hasRoom).toBe(false)
    window.answered(0)
    expect(window.hasRoom).toBe(true)
    expect(window.nextRequestId).toBe(3)
  })

  it('are each sent again in their own time, and given up after their own number of tries', () => {
    const window = makeWindow()
    window.peerSize = 2
    send(window, 0)
    window.requestSent(taskOf(1), [], sealed, 50)
    const [first, second] = [...window.pending] as [Parameters<typeof window.retransmission>[0], never]
    const steps = (now: number) => [first, second].map((one) => window.retransmission(one, now))
    expect(window.nextAt).toBe(100)
    expect(steps(99)).toEqual(['wait', 'wait'])
    expect(steps(100)).toEqual(['resend', 'wait'])
    expect(steps(150)).toEqual(['wait', 'resend'])
    expect(steps(300)).toEqual(['resend', 'wait'])
    expect(steps(350)).toEqual(['wait', 'give-up'])
    expect(steps(599)).toEqual(['wait', 'give-up'])
    expect(steps(600)).toEqual(['give-up', 'give-up'])
  })

  it('a window of nought is one', () => {
    const window = makeWindow()
    window.peerSize = 0
    expect(window.hasRoom).toBe(true)
  })
})

describe('requests of the peer', () => {
  it('with a window of one come in order, and only the last is answered again', () => {
    const window = makeWindow()
    expect([0, 1].map((id) => window.orderOf(id))).toEqual(['fresh', 'out-of-window'])
    window.responded(0, sealed, 0)
    expect([0, 1, 2].map((id) => window.orderOf(id))).toEqual(['retransmit', 'fresh', 'out-of-window'])
    window.responded(1, sealed, 0)
    expect([0, 1, 2].map((id) => window.orderOf(id))).toEqual(['out-of-window', 'retransmit', 'fresh'])
  })

  it('come in any order inside the window that we told, and each answer is kept while it may be asked for', () => {
    const window = makeWindow()
    window.responded(0, sealed, 0)
    window.ownSize = 3
    window.responded(3, sealed, 0)
    expect([0, 1, 2, 3, 4].map((id) => window.orderOf(id))).toEqual([
      'out-of-window',
      'fresh',
      'fresh',
      'retransmit',
      'out-of-window',
    ])
    window.responded(1, sealed, 0)
    expect([1, 2, 3, 4, 5].map((id) => window.orderOf(id))).toEqual([
      'retransmit',
      'fresh',
      'retransmit',
      'fresh',
      'out-of-window',
    ])
    window.responded(2, sealed, 0)
    expect([1, 2, 3, 4, 6, 7].map((id) => window.orderOf(id))).toEqual([
      'retransmit',
      'retransmit',
      'retransmit',
      'fresh',
      'fresh',
      'out-of-window',
    ])
  })

  it('keeps no more answers than the window has room for', () => {
    const window = makeWindow()
    window.ownSize = 4
    for (let id = 0; id < 100; id++) window.responded(id, sealed, 0)
    expect([...Array(101).keys()].filter((id) => window.responseTo(id) !== undefined)).toEqual([96, 97, 98, 99])
  })

  it('have answers that may be forgotten after a while, and are not taken again for that', () => {
    const window = makeWindow()
    window.responded(0, sealed, 0)
    window.ownSize = 4
    window.responded(1, sealed, 1000)
    window.responded(3, sealed, 0)
    expect(window.forgetResponses(1000)).toBe(true)
    expect([0, 1, 2, 3].map((id) => window.orderOf(id))).toEqual(['out-of-window', 'retransmit', 'fresh', 'retransmit'])
    window.responded(2, sealed, 0)
    expect(window.forgetResponses(2000)).toBe(false)
    expect([1, 2, 3, 4].map((id) => window.orderOf(id))).toEqual([
      'out-of-window',
      'out-of-window',
      'out-of-window',
      'fresh',
    ])
  })
})

describe('the time between transmissions', () => {
  it('grows by its factor up to its limit', () => {
    expect([0, 1, 2, 3].map((n) => retransmitDelay(retransmit, n, seededRandom('x')))).toEqual([100, 200, 300, 300])
  })

  it('is less by up to the jitter, and differs from time to time', () => {
    const random = seededRandom('jitter')
    const delays = Array.from({ length: 100 }, () => retransmitDelay({ ...retransmit, jitter: 0.5 }, 0, random))
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(50)
    expect(Math.max(...delays)).toBeLessThanOrEqual(100)
    expect(new Set(delays).size).toBeGreaterThan(90)
  })
})
