import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const layers = readLayers()

describe('the import-direction check', () => {
  let project = ''
  afterEach(() => rmSync(project, { recursive: true, force: true }))

  const check = (files: Record<string, string>) => {
    project = makeProject(files, ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json'])
    const bin = join(root, 'node_modules', '.bin', 'depcruise')
    const { status, stdout } = spawnSync(bin, ['src', '--config', '.dependency-cruiser.cjs'], {
      cwd: project,
      encoding: 'utf8',
    })
    return { status, stdout }
  }

  it('passes an import that the table allows', () => {
    const { status } = check({
      'src/xfrm/a.ts': "import { b } from '../esp/b.ts'\nexport const a = b\n",
      'src/esp/b.ts': 'export const b = 1\n',
    })
    expect(status).toBe(0)
  })

  it('fails an import against the direction', () => {
    const { status, stdout } = check({
      'src/esp/a.ts': "import { b } from '../ike/b.ts'\nexport const a = b\n",
      'src/ike/b.ts': 'export const b = 1\n',
    })
    expect(status).not.toBe(0)
    expect(stdout).toContain('layer-esp')
  })

  it('fails ike importing xfrm beyond the seam, and passes the seam', () => {
    const { stdout } = check({
      'src/ike/a.ts':
        "import type { P } from '../xfrm/port.ts'\nimport { b } from '../xfrm/sad.ts'\nexport const a = b as P\n",
      'src/xfrm/port.ts': 'export type P = number\n',
      'src/xfrm/sad.ts': 'export const b = 1\n',
    })
    expect(stdout).toContain('src/ike/a.ts → src/xfrm/sad.ts')
    expect(stdout).not.toContain('src/xfrm/port.ts')
  })

  it('fails node: and npm imports in the core', () => {
    const { stdout } = check({
      'src/bytes/a.ts': "import { readFileSync } from 'node:fs'\nexport const a = readFileSync\n",
    })
    expect(stdout).toContain('core-is-pure')
  })

  it('fails any import of a folder or file that has no row in the table, and of errors.ts', () => {
    const { status, stdout } = check({
      'src/new-folder/a.ts': "import { b } from '../bytes/b.ts'\nexport const a = b\n",
      'src/new-file.ts': "import { readFileSync } from 'node:fs'\nexport const a = readFileSync\n",
      'src/errors.ts': "import { b } from './bytes/b.ts'\nexport const a = b\n",
      'src/index.ts': "export { b } from './bytes/b.ts'\n",
      'src/bytes/b.ts': 'export const b = 1\n',
    })
    expect(status).not.toBe(0)
    expect(stdout).toContain('no-row-in-the-table: src/new-folder/a.ts')
    expect(stdout).toContain('no-row-in-the-table: src/new-file.ts')
    expect(stdout).toContain('no-row-in-the-table: src/errors.ts')
    expect(stdout).not.toContain('src/index.ts')
  })

  it('fails a cycle', () => {
    const { stdout } = check({
      'src/esp/a.ts': "import { b } from './b.ts'\nexport const a = () => b\n",
      'src/esp/b.ts': "import { a } from './a.ts'\nexport const b = () => a\n",
    })
    expect(stdout).toContain('no-cycles')
  })
})

describe('the purity check', () => {
  const ambient = [
    'export const a = Date.now()',
    'export const a = new Date()',
    'export const a = performance.now()',
    'export const a = Math.random()',
    "export const a = Math['random']()",
    'export const a = Math?.random()',
    'export const a = Math.max(1, Math.random())',
    'export const { random } = Math',
    'export const M = Math',
    'export const a = { Math }',
    'export const a = crypto.getRandomValues(new Uint8Array(1))',
    'export const a = setTimeout(() => {}, 1)',
    'export const a = setInterval(() => {}, 1)',
    'export const a = queueMicrotask(() => {})',
    'export const a = AbortSignal.timeout(1)',
    'export const a = new AbortController()',
    'export const a = new Intl.DateTimeFormat().format()',
    'export const a = navigator.hardwareConcurrency',
    'export const a = new MessageChannel()',
    "export const a = new Worker('a.js')",
    "export const a = fetch('http://localhost/')",
    'export const a = process.hrtime()',
    'export const a = Buffer.alloc(1)',
    'export const a = globalThis.Date',
    'export const { Date: D } = globalThis',
    "export const a = new Function('return 1')",
  ]
  const folders = ['bytes', 'ip', 'ike', 'ike/codec', 'esp', 'xfrm', 'nat-t']
  const files = {
    ...Object.fromEntries(ambient.map((statement, i) => [`src/ike/ambient${i}.ts`, `${statement}\n`])),
    ...Object.fromEntries(folders.map((folder) => [`src/${folder}/node.ts`, "import 'node:fs'\n"])),
    ...Object.fromEntries(folders.map((folder) => [`src/${folder}/npm.ts`, "import '@noble/hashes/sha2.js'\n"])),
    'src/ike/parameter.ts': 'export const a = (crypto: { name: string }) => crypto.name\n',
    'src/ike/relative.ts': "import { concat } from '../bytes/index.ts'\nexport const a = concat\n",
    'src/ike/math.ts': 'export const a = Math.max(1, Math.floor(Math.log2(2)))\n',
    'src/errors.ts': 'export const a = Date.now()\n',
    'src/endpoint/clock.ts': 'export const a = Date.now()\n',
  }
  const found = lintCore(files)

  it.each(ambient)('fails %s in the core', (statement) => {
    expect(found).toContain(`src/ike/ambient${ambient.indexOf(statement)}.ts`)
  })

  it.each(folders)('fails node: and npm imports in src/%s', (folder) => {
    expect(found).toContain(`src/${folder}/node.ts`)
    expect(found).toContain(`src/${folder}/npm.ts`)
  })

  it('fails the clock in errors.ts, which the core imports', () => {
    expect(found).toContain('src/errors.ts')
  })

  it('passes relative imports, functions of Math, a parameter with the name of a global, and the clock outside the core', () => {
    expect(found).not.toContain('src/ike/relative.ts')
    expect(found).not.toContain('src/ike/math.ts')
    expect(found).not.toContain('src/ike/parameter.ts')
    expect(found).not.toContain('src/endpoint/clock.ts')
  })
})

describe('ARCHITECTURE.md', () => {
  it('has the table of imports that is checked', () => {
    const [, text] = /\n## Imports\n(.*?)\n## /s.exec(readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')) ?? ['', '']
    const rows = [...text.matchAll(/^\| `([a-z/-]+)` \| (.*) \|$/gm)]
    const documented = new Map(
      rows.map(([, layer, allowed]) => [layer, [...allowed!.matchAll(/`([^`]+)`/g)].map((m) => m[1])]),
    )
    expect(Object.fromEntries(documented)).toEqual(layers)
  })
})

/** The rows of the configuration's own table: each layer's rule carries it as its comment. */
function readLayers(): Record<string, string[]> {
  const load = createRequire(import.meta.url)
  const { forbidden } = load('../../.dependency-cruiser.cjs') as { forbidden: { name: string; comment?: string }[] }
  const rows = forbidden.filter((rule) => rule.name.startsWith('layer-'))
  return Object.fromEntries(
    rows.map(({ comment }) => {
      const [, layer, allowed] = /^src\/(\S+) may import only: (.*)$/.exec(comment ?? '') ?? []
      return [layer, allowed!.split(', ')]
    }),
  )
}

/** Lints a project that has our settings and these files; returns the names of those with an error. */
function lintCore(files: Record<string, string>): Set<string> {
  const project = makeProject(files, ['biome.json', 'lint/no-ambient.grit', '.gitignore'])
  try {
    const bin = join(root, 'node_modules', '.bin', 'biome')
    const { stdout } = spawnSync(bin, ['lint', '--reporter=github', '--max-diagnostics=none', 'src'], {
      cwd: project,
      encoding: 'utf8',
    })
    const errors = stdout.split('\n').filter((line) => /lint\/style\/noRestricted|title=plugin/.test(line))
    return new Set(errors.map((line) => /file=[^,]*\/(src\/[^,]+),/.exec(line)?.[1] ?? line))
  } finally {
    rmSync(project, { recursive: true, force: true })
  }
}

function makeProject(files: Record<string, string>, copied: readonly string[]): string {
  const project = mkdtempSync(join(tmpdir(), 'typeswan-check-'))
  const place = (name: string) => {
    mkdirSync(dirname(join(project, name)), { recursive: true })
    return join(project, name)
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(place(name), text)
  for (const name of copied) copyFileSync(join(root, name), place(name))
  return project
}
