import { describe, expect, it } from 'vitest'
import { Keepalive } from '../../src/nat-t/keepalive.ts'

describe('Keepalive', () => {
  it('is due once for every interval in which nothing was sent', () => {
    const keepalive = new Keepalive(20_000, 1_000)
    expect(keepalive.nextAt()).toBe(21_000)
    expect(keepalive.due(20_999)).toBe(false)
    expect(keepalive.due(21_000)).toBe(true)
    expect(keepalive.due(21_000)).toBe(false)
    expect(keepalive.nextAt()).toBe(41_000)
  })

  it('waits a whole interval after any datagram', () => {
    const keepalive = new Keepalive(20_000, 0)
    keepalive.sent(19_999)
    expect(keepalive.due(20_000)).toBe(false)
    expect(keepalive.due(39_999)).toBe(true)
  })

  it('is not moved back by a datagram reported late', () => {
    const keepalive = new Keepalive(20_000, 5_000)
    keepalive.sent(1_000)
    expect(keepalive.nextAt()).toBe(25_000)
  })

  it('is never due with an interval of 0', () => {
    const keepalive = new Keepalive(0, 0)
    expect(keepalive.nextAt()).toBe(Number.POSITIVE_INFINITY)
    expect(keepalive.due(1e12)).toBe(false)
  })
})
