import { describe, expect, it } from 'vitest'
import { loadCorpus } from './corpus.ts'
import { targets } from './targets/index.ts'

/** Inputs that once reached something new: a short look at what `npm run fuzz` would run for minutes. */
describe.each(targets)('the corpus of the fuzz target $name', (target) => {
  const inputs = loadCorpus(target.name)

  it('is there, and each input keeps the properties', () => {
    expect(inputs.length).toBeGreaterThan(10)
    for (const input of inputs) target.run(input, () => {})
  })
})
