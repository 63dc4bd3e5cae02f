import { describe, expect, it } from 'vitest'
import { Encr } from '../../src/crypto/transforms.ts'
import { suites } from '../esp/suites.ts'
import { inner, type Side, twoSides } from './support.ts'

const gcm = suites.find(({ encr }) => encr === Encr.ENCR_AES_GCM_16)!
const stateOf = (side: Side, direction: 'in' | 'out') =>
  [...side.xfrm.states()].find((state) => state.direction === direction)!

describe('a key that was used as much as its algorithm bears', () => {
  it('is to be replaced well before, whatever is configured', () => {
    const { left } = twoSides({ suite: gcm, esn: true })
    const { usage } = stateOf(left, 'out').encapsulator!
    usage.octets = usage.limits.octets * usage.limits.soft - 1
    left.send(inner())
    expect(left.told.expires).toMatchObject([{ hard: false }])
    left.send(inner())
    expect(left.told.expires.length).toBe(1)
  })

  it.each([false, true])('is to be replaced when few sequence numbers are left, used or left out; ESN %s', (esn) => {
    const { left } = twoSides({ suite: gcm, esn })
    const numbers = esn ? 2 ** 64 : 2 ** 32
    const esp = stateOf(left, 'out').encapsulator!
    esp.skip(numbers * 0.93)
    left.send(inner())
    expect(left.told.expires).toEqual([])
    esp.skip(numbers * 0.01)
    left.send(inner())
    expect(left.told.expires).toMatchObject([{ hard: false }])
    expect(left.sent.length).toBe(2)
  })

  it('sends nothing more: the state is gone, and IKE knows', () => {
    const { left } = twoSides({ suite: gcm, esn: true })
    const { usage } = stateOf(left, 'out').encapsulator!
    usage.packets = usage.limits.packets
    left.send(inner())
    expect(left.sent).toEqual([])
    expect(left.told.expires).toMatchObject([{ hard: true }])
    expect(left.xfrm.stats.value('XfrmOutStateExpired')).toBe(1)
  })

  it('takes nothing more: after so many forgeries the state is gone, and IKE was told before', () => {
    const { left, right } = twoSides({ suite: gcm, esn: true })
    const { usage } = stateOf(right, 'in').decapsulator!
    usage.forgeries = usage.limits.forgeries - 1
    right.receive(left.seal(inner()), left.socket)
    expect(right.told.expires).toMatchObject([{ hard: false }])
    const forged = left.seal(inner()).slice()
    forged[forged.length - 1] = forged[forged.length - 1]! ^ 1
    right.receive(forged, left.socket)
    right.receive(left.seal(inner()), left.socket)
    expect(right.delivered.length).toBe(1)
    expect(right.told.expires).toMatchObject([{ hard: false }, { hard: true }])
    expect(right.xfrm.stats.value('XfrmInStateExpired')).toBe(1)
  })
})
