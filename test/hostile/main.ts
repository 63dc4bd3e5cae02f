import { loadTrace } from '../support/vectors.ts'
import { recordedDatagrams } from './corpus.ts'
import { judge } from './judge.ts'
import { formatReport } from './report.ts'
import { HostileRun } from './run.ts'

const seed = process.env.HOSTILE_SEED ?? 'typeswan'
const datagrams = Number(process.env.HOSTILE_DATAGRAMS ?? 100_000)
const gc = globalThis.gc
if (gc === undefined) throw new Error('run with --expose-gc')
const begin = performance.now()
const report = new HostileRun({ seed, datagrams, corpus: recordedDatagrams(loadTrace), gc: () => gc() }).run()
const verdicts = judge(report)
console.log(formatReport(report))
console.log(`${((performance.now() - begin) / 1000).toFixed(1)} s\n`)
for (const { name, holds } of verdicts) console.log(`${holds ? 'ok    ' : 'FAILED'} ${name}`)
if (report.failure !== undefined) console.log(`\n${report.failure}`)
const failed = verdicts.filter(({ holds }) => !holds).length
console.log(`\n${verdicts.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
