import { expect, it } from 'vitest'
import { loadTrace } from '../support/vectors.ts'
import { recordedDatagrams } from './corpus.ts'
import { judge } from './judge.ts'
import { formatReport } from './report.ts'
import { HostileRun } from './run.ts'

// `npm run test:hostile` sends 100,000 and looks at the heap too.
it('an endpoint serves its tunnels through 3,000 hostile datagrams', () => {
  const seed = process.env.HOSTILE_SEED ?? 'typeswan'
  const report = new HostileRun({ seed, datagrams: 3_000, corpus: recordedDatagrams(loadTrace) }).run()
  expect(report.failure).toBeUndefined()
  const broken = judge(report).filter(({ holds }) => !holds)
  expect(broken, formatReport(report)).toEqual([])
  expect(report.sent).toBe(3_000)
  const exchanges = [...report.outcomes.keys()].flatMap((outcome) => outcome.match(/\bEXCHANGE_\w+/g) ?? [])
  const own = exchanges.filter((name) => name !== 'EXCHANGE_n')
  expect(own, 'unknown exchanges share their rows').toEqual([])
})
