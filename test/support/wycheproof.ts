import { sharedVectors } from './vectors.ts'

/** What every Wycheproof test has, whatever it tests. */
export interface WycheproofTest {
  readonly tcId: number
  readonly result: 'valid' | 'invalid' | 'acceptable'
  readonly flags: readonly string[]
}

/** All tests of one file, for example `x25519`, or undefined when the collection is not beside the repository. */
export function wycheproof<Test>(name: string): readonly (Test & WycheproofTest)[] | undefined {
  const file = sharedVectors<{ testGroups: readonly { tests: readonly (Test & WycheproofTest)[] }[] }>(
    `wycheproof/${name}_test.json`,
  )
  return file?.testGroups.flatMap(({ tests }) => tests)
}
