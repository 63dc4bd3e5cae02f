import { describe, expect, it } from 'vitest'
import { type SendSlot, SendSlots } from '../../src/dgram-ext/send-slots.ts'

describe('send slots', () => {
  it('hold a copy, which the caller cannot change afterwards', () => {
    const slots = new SendSlots(2, () => {})
    const buffer = Uint8Array.of(0, 1, 2, 3, 0)
    const slot = slots.take(buffer, 1, 3)!
    buffer.fill(9)
    expect(slot.bytes.subarray(0, slot.length)).toEqual(Uint8Array.of(1, 2, 3))
  })

  it('are lent until their datagram is done, at most as many as the limit', () => {
    const finished: [SendSlot, Error | null][] = []
    const slots = new SendSlots(2, (slot, error) => finished.push([slot, error]))
    const octet = Uint8Array.of(1)
    const [first, second] = [slots.take(octet, 0, 1)!, slots.take(octet, 0, 1)!]
    expect(first).not.toBe(second)
    expect(slots.take(octet, 0, 1)).toBeUndefined()
    expect(slots.inUse).toBe(2)

    const refusal = new Error('refused')
    first.done(refusal)
    expect(finished).toEqual([[first, refusal]])
    expect(slots.inUse).toBe(1)
    expect(slots.take(octet, 0, 1)).toBe(first)
  })

  it('grow for a datagram larger than usual', () => {
    const slots = new SendSlots(1, () => {})
    const slot = slots.take(new Uint8Array(65_507).fill(5), 0, 65_507)!
    expect(slot.bytes.subarray(0, slot.length)).toEqual(new Uint8Array(65_507).fill(5))
  })
})
