// What is delivered: `npm pack`, installed into an empty project with its dependencies from the registry; the library example of
// README.md is type-checked and run there, that of a gateway type-checked, every export is imported, and the command runs the demo as an ordinary user.
//   npm run test:package
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const project = mkdtempSync(join(tmpdir(), 'typeswan-package-'))
const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
let passed = 0
let failed = 0

try {
  // An ordinary user must be able to read it.
  chmodSync(project, 0o755)
  check('npm pack', pack)
  check('installed into an empty project', install)
  check('every export can be imported', importAll)
  check("README's library example type-checks", () => typeCheck('example', 'library example'))
  check("README's gateway that decides for each user type-checks", () => typeCheck('gateway', 'policy example'))
  check("README's library example prints what README says", runExample)
  check(`typeswan demo --json${nobody.uid ? ', not as root' : ''}`, demo)
} finally {
  rmSync(project, { recursive: true, force: true })
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0

function check(name, body) {
  try {
    const words = body()
    console.log(`ok ${name}${words ? `: ${words}` : ''}`)
    passed++
  } catch (error) {
    console.log(`not ok ${name}: ${error.message}`)
    failed++
  }
}

function pack() {
  const [{ filename, entryCount, size, files }] = JSON.parse(
    run('npm', ['pack', '--json', '--silent', '--ignore-scripts', '--pack-destination', project], { cwd: root }),
  )
  const stray = files.map(({ path }) => path).filter((path) => !/^(dist\/|[A-Z]+(\.md)?$|package\.json$)/.test(path))
  if (stray.length > 0) throw new Error(`should not be in the package: ${stray.join(', ')}`)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  check.tarball = join(project, filename)
  return `${filename}, ${entryCount} files, ${size} octets`
}

function install() {
  const typescript = `typescript@${manifest.devDependencies.typescript}`
  const types = `@types/node@${manifest.devDependencies['@types/node']}`
  run('npm', ['install', '--silent', '--no-audit', '--no-fund', check.tarball, typescript, types])
}

function importAll() {
  const names = Object.keys(manifest.exports).filter((name) => !name.endsWith('.json'))
  const source = `for (const name of ${JSON.stringify(names)}) await import('typeswan' + name.slice(1))`
  run(process.execPath, ['--input-type=module', '-e', source])
  for (const name of ['schema.json', 'package.json']) {
    run(process.execPath, ['-p', `JSON.parse(require('fs').readFileSync(require.resolve('typeswan/${name}'))) && 1`])
  }
  return `${names.length} modules, 2 JSON files`
}

function typeCheck(file, example) {
  mkdirSync(join(project, 'src'), { recursive: true })
  writeFileSync(join(project, 'src', `${file}.ts`), block(example, 'ts'))
  const options = ['--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node', '--outDir', 'out']
  run(join(project, 'node_modules', '.bin', 'tsc'), [...options, `src/${file}.ts`])
}

function runExample() {
  const printed = run(process.execPath, ['out/example.js']).trim()
  const expected = block('library example output', 'text').trim()
  if (printed !== expected) throw new Error(`it printed\n${printed}\nand README says\n${expected}`)
}

function demo() {
  const command = join(project, 'node_modules', '.bin', 'typeswan')
  const result = JSON.parse(run(process.execPath, [command, 'demo', '--json'], nobody))
  if (result.established !== true || !(result.packetsReceived > 0)) throw new Error(JSON.stringify(result))
  return `${result.ikeSuite}, ${result.espSuite}, ${result.packetsReceived} packets, ${Math.round(result.mbps)} Mbit/s`
}

/** The fenced block behind the comment `<!-- name -->` in README.md. */
function block(name, language) {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const found = new RegExp(`<!-- ${name} -->\\s*\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(readme)
  if (found === null) throw new Error(`README.md has no block "${name}"`)
  return found[1]
}

function run(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: project, encoding: 'utf8', ...options })
  if (error) throw error
  if (status !== 0) throw new Error(`${command} ${args.slice(0, 3).join(' ')}: exit ${status}\n${stdout}${stderr}`)
  return stdout
}
