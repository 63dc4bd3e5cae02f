// Interoperation with strongSwan in network namespaces (root). One line for each case; a case that could not run has failed.
//   node test/interop/run.mjs [--list] [--keep] [--all] [PATTERN]
// PATTERN: only the cases whose name contains it. --all: every IKE suite with every ESP suite. --keep: logs and captures stay.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { cases } from './cases.mjs'
import { stopAll } from './processes.mjs'

const options = process.argv.slice(2).filter((argument) => argument.startsWith('--'))
const pattern = process.argv.slice(2).find((argument) => !argument.startsWith('--')) ?? ''
const keep = options.includes('--keep')
const selected = cases({ all: options.includes('--all') }).filter((one) => one.name.includes(pattern))

if (options.includes('--list')) {
  for (const { name } of selected) console.log(name)
  process.exit(0)
}

const directory = mkdtempSync(`${tmpdir()}/typeswan-interop-`)
let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    interrupted = true
    // Every wait of the running case then fails, and its own cleanup takes the namespaces back.
    stopAll()
  })
}

let passed = 0
let failed = 0
for (const [index, { name, body }] of selected.entries()) {
  const caseDirectory = `${directory}/${index + 1}`
  mkdirSync(caseDirectory)
  try {
    if (interrupted) throw new Error('interrupted')
    console.log(`ok ${index + 1} ${name}: ${await body(caseDirectory)}`)
    passed++
    if (!keep) rmSync(caseDirectory, { recursive: true })
  } catch (error) {
    console.log(`not ok ${index + 1} ${name}: ${error.message}`)
    if (error.logs) console.log(error.logs.replace(/^/gm, '    '))
    failed++
  }
}
await stopAll()
if (keep || failed > 0) console.log(`logs and captures are in ${directory}`)
else rmSync(directory, { recursive: true, force: true })
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
