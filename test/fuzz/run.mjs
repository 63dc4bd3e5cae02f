// Coverage-guided fuzzing:
//   npm run fuzz -- TARGET --minutes N      (all targets without TARGET)
// docs/fuzzing.md tells what the targets are and which other options there are.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { instrument } from './instrument.mjs'

const folder = dirname(fileURLToPath(import.meta.url))
const root = resolve(folder, '../..')
// Inside the repository, so that the bundle finds its dependencies.
const work = mkdtempSync(join(root, 'node_modules/.fuzz-'))
const files = []
let counters = 0

const counting = {
  name: 'counting',
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
      const { text, count } = instrument(readFileSync(path, 'utf8'), path, counters)
      files.push({ file: relative(root, path), first: counters, count })
      counters += count
      return { contents: text, loader: 'ts' }
    })
  },
}

try {
  await build({
    entryPoints: [join(folder, 'main.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    sourcemap: 'inline',
    plugins: process.env.FUZZ_PLAIN === undefined ? [counting] : [],
    banner: { js: 'const __c = (globalThis.fuzzCounters = new Uint8Array(1 << 16))' },
    // Vectors and corpus are found from where the bundled file stood.
    define: { 'import.meta.url': JSON.stringify(new URL('../support/vectors.ts', import.meta.url).href) },
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
