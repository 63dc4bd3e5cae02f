// Interoperation with other daemons in network namespaces (root). One line for each case; a case that could not run has failed, unless
// its daemon is not there: then it is skipped, and the line says what is missing.
//   node test/interop/run.mjs [--list] [--keep] [--all] [--peer NAME] [WORD]
// WORD: the cases whose name contains it. --peer: strongswan, strongswan6, libreswan or iked. --all: the nightly ones too. --keep: logs and
// captures stay.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { cases } from './cases.mjs'
import { stopAll } from './processes.mjs'

const { values: options, positionals } = parseArgs({
  options: {
    list: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
    peer: { type: 'string' },
  },
  allowPositionals: true,
})
const { keep } = options
const selected = cases({ ...options, word: positionals[0] })

if (options.list) {
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
let skipped = 0
for (const [index, { name, body, missing }] of selected.entries()) {
  const reason = missing?.()
  if (reason !== undefined) {
    console.log(`skipped ${index + 1} ${name}: ${reason}`)
    skipped++
    continue
  }
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
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
