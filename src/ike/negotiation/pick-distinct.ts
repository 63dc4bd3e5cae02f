/**
 * One value for each place, none but zero twice: of each place the earliest of its options that leaves something for all the others.
 * Undefined when there is no such choice. Work is bounded by places² times options.
 */
export function pickDistinct(options: readonly (readonly number[])[]): number[] | undefined {
  const picked = new Array<number>(options.length).fill(-1)
  const placeOf = new Map<number, number>()
  for (let place = 0; place < options.length; place++) {
    if (!seat(place, new Set())) return undefined
  }
  return picked

  /** Gives `place` a value; a place that has it already may have to take another one. */
  function seat(place: number, tried: Set<number>): boolean {
    for (const value of options[place]!) {
      if (value === 0) return take(place, value)
      if (tried.has(value)) continue
      tried.add(value)
      const holder = placeOf.get(value)
      if (holder === undefined || seat(holder, tried)) return take(place, value)
    }
    return false
  }

  function take(place: number, value: number): true {
    picked[place] = value
    if (value !== 0) placeOf.set(value, place)
    return true
  }
}
