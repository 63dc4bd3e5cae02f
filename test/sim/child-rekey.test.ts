import { describe, expect, it } from 'vitest'
import { Duel } from './child-duel.ts'

describe('rekeying of a CHILD_SA', () => {
  it.each(['a', 'b'] as const)('by %s replaces it', (side) => {
    const other = side === 'a' ? 'b' : 'a'
    const duel = new Duel()
    const before = duel.spisOf('a')
    duel.play(`${side} rekeys, ${side} asks, ${other} answers, ${side} asks, ${other} answers`)
    duel.expectAtRest(1)
    duel.expectNoLoss()
    expect(duel.spisOf('a')).not.toEqual(before)
    expect(duel.toldOf('a')).toEqual(['child-rekeyed'])
    expect(duel.toldOf('b')).toEqual(['child-rekeyed'])
  })
  it.each([0, 1, 2, 3])('collision %i', (lowest) => {
    const duel = new Duel()
    const nonces = [0x50, 0x50, 0x50, 0x50]
    nonces[lowest] = 0x10
    duel.a.entropy.nextNonceFirstByte(nonces[0]!)
    duel.a.entropy.nextNonceFirstByte(nonces[1]!)
    duel.b.entropy.nextNonceFirstByte(nonces[2]!)
    duel.b.entropy.nextNonceFirstByte(nonces[3]!)
    duel.play(`a rekeys, b rekeys, a asks, b asks, a answers, b answers`)
    duel.expectAtRest(1)
    duel.expectNoLoss()
    expect(duel.toldOf('a')).toEqual(['child-rekeyed'])
    expect(duel.toldOf('b')).toEqual(['child-rekeyed'])
  })
})
