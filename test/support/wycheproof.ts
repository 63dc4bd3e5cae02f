import { sharedVectors } from './vectors.ts'

/** What every Wycheproof test has, whatever it tests. */
export interface WycheproofTest {
  readonly tcId: number
  readonly result: 'valid' | 'invalid' | 'acceptable'
  readonly flags: readonly string[]
}

/** All tests of one file, for example `x25519`, or undefined when the collection is not beside the repository. */
export const wycheproof = <Test>(name: string): readonly (Test & WycheproofTest)[] | undefined =>
  wycheproofGroups<object, Test>(name)?.flatMap(({ tests }) => tests)

/** The same in groups, for tests that share a key. */
export function wycheproofGroups<Group, Test>(
  name: string,
): readonly (Group & { readonly tests: readonly (Test & WycheproofTest)[] })[] | undefined {
  return sharedVectors<{ testGroups: readonly (Group & { tests: readonly (Test & WycheproofTest)[] })[] }>(
    `wycheproof/${name}_test.json`,
  )?.testGroups
}
