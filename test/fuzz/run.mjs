// Coverage-guided fuzzing:
//   npm run fuzz -- TARGET --minutes N      (all targets without TARGET)
// docs/fuzzing.md tells what the targets are and which other options there are.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { instrument } from './instrument.mjs'

const folder = dirname(fileURLToPath(import.meta.url))
const root = resolve(folder, '../..')
// Inside the repository, so that the bundle finds its dependencies.
const work = mkdtempSync(join(root, 'node_modules/.fuzz-'))
const files = []
let counters = 0

/** Counters in the sources; and every file finds what lies beside it from where it stood before it was bundled. */
const counting = {
  name: 'counting',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      const contents = path.startsWith(join(root, 'src')) ? counted(text, path) : text
      return {
        contents: contents.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)),
        loader: 'ts',
      }
    })
  },
}

function counted(text, path) {
  const instrumented = instrument(text, path, counters)
  files.push({ file: relative(root, path), first: counters, count: instrumented.count })
  counters += instrumented.count
  return instrumented.text
}

try {
  await build({
    entryPoints: [join(folder, 'main.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    sourcemap: 'inline',
    plugins: [counting],
    banner: { js: 'const __c = (globalThis.fuzzCounters = new Uint8Array(1 << 16))' },
    outfile: join(work, 'main.mjs'),
  })
  writeFileSync(join(work, 'files.json'), JSON.stringify(files))
  const args = [
    ...(process.env.FUZZ_NODE ?? '').split(' ').filter(Boolean),
    '--enable-source-maps',
    join(work, 'main.mjs'),
    ...process.argv.slice(2),
  ]
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  process.exitCode = status ?? 1
} finally {
  rmSync(work, { recursive: true, force: true })
}
