import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

/**
 * Bundles `entry` (a file URL) and runs it in the root of the repository with these options of Node and these arguments; its exit
 * code becomes ours. `define` as esbuild has it.
 */
export async function runBundled(entry, { nodeOptions = [], args = [], define = {} } = {}) {
  // Inside the repository, so that the bundle finds its dependencies.
  const work = mkdtempSync(join(root, 'node_modules/.bundled-'))
  const outfile = join(work, 'main.mjs')
  try {
    await build({
      entryPoints: [fileURLToPath(entry)],
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
      sourcemap: true,
      define,
      outfile,
    })
    const { status } = spawnSync(process.execPath, [...nodeOptions, '--enable-source-maps', outfile, ...args], {
      cwd: root,
      stdio: 'inherit',
    })
    process.exitCode = status ?? 1
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
