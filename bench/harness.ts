/** One thing that is measured. `run(n)` does it `n` times; `octets` per time give Mbit/s beside the count. */
export interface Variant {
  readonly name: string
  readonly octets?: number
  run(n: number): void
}

/** One question: variants that are compared with each other. `unit` names what is counted. */
export interface Bench {
  readonly question: string
  readonly unit: string
  variants(): readonly Variant[]
}

/** A question whose answer is no rate: `run` gives the rows of a table, the first one of them its head. */
export interface Report {
  readonly question: string
  run(options: ReportOptions): readonly (readonly string[])[]
}

export interface ReportOptions {
  readonly quick: boolean
  /** The value of `--NAME=VALUE` on the command line. */
  numberOf(name: string): number | undefined
}

/** Figures of one variant: times per second, over all rounds. */
export interface Figures {
  readonly name: string
  readonly median: number
  readonly lowest: number
  readonly highest: number
  readonly octets: number | undefined
}

/**
 * Runs all variants of a bench in turn, round after round, so that a machine that slows down slows all of them down. Each
 * run lasts about `sliceMs`.
 */
export function measure(bench: Bench, rounds: number, sliceMs: number): readonly Figures[] {
  const entries = bench
    .variants()
    .map((variant) => ({ variant, n: calibrate(variant, sliceMs), rates: [] as number[] }))
  for (let round = 0; round < rounds; round++) {
    for (const { variant, n, rates } of entries) rates.push(rate(variant, n))
  }
  return entries.map(({ variant, rates }) => {
    const sorted = rates.sort((a, b) => a - b)
    return {
      name: variant.name,
      median: sorted[sorted.length >> 1]!,
      lowest: sorted[0]!,
      highest: sorted.at(-1)!,
      octets: variant.octets,
    }
  })
}

/** How many times fill `sliceMs`; warms the variant up on the way. */
function calibrate(variant: Variant, sliceMs: number): number {
  let n = 1
  for (;;) {
    const perSecond = rate(variant, n)
    const wanted = Math.max(1, Math.round((perSecond * sliceMs) / 1000))
    if (wanted <= n * 2) return wanted
    n = Math.min(wanted, n * 10)
  }
}

function rate(variant: Variant, n: number): number {
  const begin = performance.now()
  variant.run(n)
  return (n * 1000) / (performance.now() - begin)
}
