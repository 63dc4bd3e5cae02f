import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pickDistinct } from '../../../src/ike/negotiation/pick-distinct.ts'

/** Every choice, one after the other. */
function* allChoices(options: readonly (readonly number[])[]): Generator<number[]> {
  const [first, ...rest] = options
  if (first === undefined) return yield []
  for (const value of first) for (const others of allChoices(rest)) yield [value, ...others]
}

const isDistinct = (choice: readonly number[]) => {
  const named = choice.filter((value) => value !== 0)
  return new Set(named).size === named.length
}

describe('picking a different group for each key exchange', () => {
  it('takes the first of each where they differ anyway', () => {
    expect(
      pickDistinct([
        [31, 19],
        [36, 35],
      ]),
    ).toEqual([31, 36])
  })

  it('moves an earlier place to its second option when a later one has nothing else', () => {
    expect(pickDistinct([[31, 19], [31]])).toEqual([19, 31])
  })

  it('may take zero, which stands for none, any number of times', () => {
    expect(pickDistinct([[31], [31, 0], [0]])).toEqual([31, 0, 0])
  })

  it('finds a choice exactly when there is one', () => {
    const place = fc.uniqueArray(fc.integer({ min: 0, max: 4 }), { maxLength: 4 })
    fc.assert(
      fc.property(fc.array(place, { maxLength: 5 }), (options) => {
        const picked = pickDistinct(options)
        const exists = [...allChoices(options)].some(isDistinct)
        expect(picked !== undefined).toBe(exists)
        if (picked === undefined) return
        expect(isDistinct(picked)).toBe(true)
        picked.forEach((value, place) => {
          expect(options[place]).toContain(value)
        })
      }),
    )
  })
})
