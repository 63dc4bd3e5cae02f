import { describe, expect, it } from 'vitest'
import { createMemoryTun } from '../../src/tap-tun/memory.ts'

const packetOf = (length: number, fill = 7) => new Uint8Array(length).fill(fill)

describe('in-memory TUN', () => {
  it('hands an injected packet over with headroom before and tailroom behind it', () => {
    const tun = createMemoryTun({ mtu: 100, headroom: 40, tailroom: 30 })
    const seen: { before: number; behind: number; bytes: Uint8Array }[] = []
    tun.onPacket((buffer, offset, length) => {
      seen.push({
        before: offset,
        behind: buffer.length - offset - length,
        bytes: buffer.slice(offset, offset + length),
      })
    })
    expect(tun.inject(packetOf(100))).toBe(true)
    expect(seen).toEqual([{ before: 40, behind: 30, bytes: packetOf(100) }])
    expect(tun.stats).toMatchObject({ packetsRead: 1, bytesRead: 100, readDrops: 0 })
  })

  it('reuses one buffer: a packet kept without a copy is overwritten', () => {
    const tun = createMemoryTun()
    const kept: Uint8Array[] = []
    tun.onPacket((buffer, offset, length) => {
      kept.push(buffer.subarray(offset, offset + length))
    })
    tun.inject(packetOf(20, 1))
    tun.inject(packetOf(20, 2))
    expect(kept[0]).toEqual(packetOf(20, 2))
  })

  it('keeps a packet that is injected from inside the handler until the handler returned', () => {
    const tun = createMemoryTun()
    const log: string[] = []
    tun.onPacket((buffer, offset) => {
      const first = buffer[offset]
      if (first === 1) expect(tun.inject(packetOf(20, 2))).toBe(true)
      log.push(`${first}=${buffer[offset]}`)
    })
    tun.inject(packetOf(20, 1))
    expect(log).toEqual(['1=1', '2=2'])
  })

  it('copies a packet that is injected from inside the handler', () => {
    const tun = createMemoryTun()
    const seen: number[] = []
    const second = packetOf(20, 2)
    tun.onPacket((buffer, offset) => {
      if (seen.push(buffer[offset]!) > 1) return
      tun.inject(second)
      second.fill(9)
    })
    tun.inject(packetOf(20, 1))
    expect(seen).toEqual([1, 2])
  })

  it('goes on delivering after a handler threw', () => {
    const tun = createMemoryTun()
    let calls = 0
    tun.onPacket(() => {
      if (++calls === 1) throw new Error('first')
    })
    expect(() => tun.inject(packetOf(20))).toThrow('first')
    expect(tun.inject(packetOf(20))).toBe(true)
    expect(calls).toBe(2)
  })

  it('drops and counts packets above the MTU, without a handler, and after close', async () => {
    const tun = createMemoryTun({ mtu: 100 })
    expect(tun.inject(packetOf(20))).toBe(false)
    tun.onPacket(() => {})
    expect(tun.inject(packetOf(101))).toBe(false)
    await tun.close()
    expect(tun.inject(packetOf(20))).toBe(false)
    expect(tun.stats).toMatchObject({ packetsRead: 0, readDrops: 3 })
  })

  it('gives written packets as copies', () => {
    const tun = createMemoryTun()
    const written: Uint8Array[] = []
    tun.onWritten((packet) => {
      written.push(packet)
    })
    const buffer = Uint8Array.of(0, 0, 1, 2, 3, 0)
    expect(tun.write(buffer, 2, 3)).toBe(true)
    buffer.fill(9)
    expect(written).toEqual([Uint8Array.of(1, 2, 3)])
    expect(tun.stats).toMatchObject({ packetsWritten: 1, bytesWritten: 3, writeDrops: 0 })
  })

  it('takes no packet after close, no empty one and none that ends outside the buffer', async () => {
    const tun = createMemoryTun()
    expect(tun.write(packetOf(20), 0, 0)).toBe(false)
    expect(tun.write(packetOf(20), 1, 20)).toBe(false)
    await tun.close()
    await tun.close()
    expect(tun.write(packetOf(20), 0, 20)).toBe(false)
    expect(tun.stats).toMatchObject({ packetsWritten: 0, writeDrops: 3 })
  })
})
