// Other implementations as judges of this one:
//   npm run test:oracle -- [PART...] [--NAME=VALUE...]      (all parts without PART)
// Prints `PART: N passed, N failed` for each, and the sum; what a part needs and does not find is told in one line.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const folder = dirname(fileURLToPath(import.meta.url))
const root = resolve(folder, '../..')
// Inside the repository, so that the bundle finds its dependencies.
const work = mkdtempSync(join(root, 'node_modules/.oracle-'))
const outfile = join(work, 'main.mjs')
try {
  await build({
    entryPoints: [join(folder, 'main.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    sourcemap: true,
    outfile,
  })
  const { status } = spawnSync(process.execPath, ['--enable-source-maps', outfile, ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
  })
  process.exitCode = status ?? 1
} finally {
  rmSync(work, { recursive: true, force: true })
}
