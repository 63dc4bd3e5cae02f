// Runs every bench file beside this one, or those named, on the built JavaScript in dist:
//   npm run bench [-- NAME... --quick --OPTION=NUMBER...]
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const folder = dirname(fileURLToPath(import.meta.url))
const source = resolve(folder, '../src')
const dist = resolve(folder, '../dist')
const quick = process.argv.includes('--quick')
const named = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const options = process.argv.slice(2).filter((argument) => argument.startsWith('--'))
const [rounds, sliceMs] = quick ? [3, 50] : [9, 200]

const names = readdirSync(folder)
  .filter((file) => file.endsWith('.ts') && file !== 'harness.ts')
  .map((file) => file.slice(0, -3))
  .filter((name) => named.length === 0 || named.includes(name))
// What needs processes of its own: only by name.
for (const name of named.filter((one) => existsSync(join(folder, 'standalone', `${one}.mjs`)))) {
  const { status } = spawnSync(process.execPath, [join(folder, 'standalone', `${name}.mjs`), ...options], {
    stdio: 'inherit',
  })
  process.exitCode = status
}
if (names.length === 0) process.exit()

const { measure } = await load('harness')

console.log(`Node ${process.version}, ${cpus()[0].model}, ${rounds} interleaved rounds of ${sliceMs} ms, medians`)
for (const name of names) {
  const { bench, report } = await load(name)
  if (report === undefined) print(name, bench, measure(bench, rounds, sliceMs))
  else printReport(name, report)
}

/** A bench is TypeScript over `../src`; what it imports from there is taken from dist. */
async function load(name) {
  const { outputFiles } = await build({
    entryPoints: [join(folder, `${name}.ts`)],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    plugins: [{ name: 'dist', setup: (esbuild) => esbuild.onResolve({ filter: /^\.\.\/src\// }, fromDist) }],
  })
  return import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`)
}

function fromDist({ path }) {
  const file = resolve(folder, path)
  return { path: `file://${file.replace(source, dist).replace(/\.ts$/, '.js')}`, external: true }
}

function print(name, { question, unit }, figures) {
  const withOctets = figures.some(({ octets }) => octets !== undefined)
  console.log(`\n${name}: ${question}\n`)
  row('variant', `${unit}/s`, 'lowest to highest', withOctets && 'Mbit/s')
  row('---', '---:', '---:', withOctets && '---:')
  for (const { name: variant, median, lowest, highest, octets } of figures) {
    const mbits = withOctets && ((median * octets * 8) / 1e6).toFixed(0)
    row(variant, round(median), `${round(lowest)} to ${round(highest)}`, mbits)
  }
}

function printReport(name, report) {
  console.log(`\n${name}: ${report.question}\n`)
  const [head, ...rows] = report.run({ quick, numberOf })
  row(...head)
  row(...head.map((_, at) => (at === 0 ? '---' : '---:')))
  for (const cells of rows) row(...cells)
}

/** The value of `--NAME=VALUE` on the command line. */
function numberOf(name) {
  const given = process.argv.find((argument) => argument.startsWith(`--${name}=`))
  return given === undefined ? undefined : Number(given.slice(name.length + 3))
}

function row(...cells) {
  console.log(`| ${cells.filter((cell) => cell !== false).join(' | ')} |`)
}

function round(value) {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
