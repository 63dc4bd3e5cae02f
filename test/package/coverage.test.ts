import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const here = new URL('../..', import.meta.url).pathname

/** `ike/life/ike-lifetime` stands for a source, its test, or both; `ike/codec` for a folder. */
const exists = (name: string): boolean =>
  ['', 'src/', 'test/'].some((root) =>
    ['', '.ts', '.test.ts', '.mjs'].some((end) => existsSync(here + root + name + end)),
  )

it('every source and test that docs/coverage.md names is there', () => {
  const named = [...readFileSync(`${here}docs/coverage.md`, 'utf8').matchAll(/`([a-z-]+\/[a-z0-9/-]+)`/g)].map(
    ([, name]) => name!,
  )
  expect(named.length).toBeGreaterThan(100)
  expect(named.filter((name) => !name.startsWith('typeswan/') && !exists(name))).toEqual([])
})
