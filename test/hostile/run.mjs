// Feeds 100,000 hostile datagrams to an endpoint and prints what became of them:
//   npm run test:hostile
// HOSTILE_DATAGRAMS sends another number, HOSTILE_SEED repeats a run.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const folder = dirname(fileURLToPath(import.meta.url))
const root = resolve(folder, '../..')
// Inside the repository, so that the bundle finds its dependencies.
const work = mkdtempSync(join(root, 'node_modules/.hostile-'))
const outfile = join(work, 'main.mjs')
try {
  await build({
    entryPoints: [join(folder, 'main.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    sourcemap: true,
    // The vectors are found from where the bundled file stood.
    define: { 'import.meta.url': JSON.stringify(new URL('../support/vectors.ts', import.meta.url).href) },
    outfile,
  })
  const { status } = spawnSync(process.execPath, ['--expose-gc', '--enable-source-maps', outfile], {
    cwd: root,
    stdio: 'inherit',
  })
  process.exitCode = status ?? 1
} finally {
  rmSync(work, { recursive: true, force: true })
}
