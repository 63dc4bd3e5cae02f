import { readFileSync } from 'node:fs'
import { transform } from 'esbuild'
import { describe, expect, it } from 'vitest'

/** Modules that the examples may import. */
const modules: Record<string, () => Promise<object>> = {
  typeswan: () => import('../../src/index.ts'),
  'typeswan/testing': () => import('../../src/testing/index.ts'),
  'node:assert/strict': () => import('node:assert/strict'),
}

const text = readFileSync(new URL('../../docs/testing.md', import.meta.url), 'utf8')
const examples = [...text.matchAll(/^## (.*)$|^```ts\n([\s\S]*?)^```$/gm)].reduce<{ title: string; code: string }[]>(
  (found, [, title, code]) => {
    if (title !== undefined) found.push({ title, code: '' })
    else found.push({ title: found.at(-1)!.title, code: code! })
    return found
  },
  [],
)

describe('docs/testing.md', () => {
  const runnable = examples.filter(({ code }) => code !== '')

  it('has an example for each of its main parts', () => {
    expect(runnable.length).toBeGreaterThanOrEqual(8)
  })

  it.each(runnable.map(({ title, code }, i) => [`${i + 1}: ${title}`, code] as const))(
    'example %s runs',
    async (_, code) => {
      const run = await compile(code)
      await run()
    },
  )

  it('names exports that are there', async () => {
    const { default: _, ...there } = { default: 0, ...(await modules['typeswan/testing']!()) }
    for (const name of ['createPair', 'createPeer', 'VirtualNat', 'VirtualTraffic', 'replayRecording']) {
      expect(there).toHaveProperty(name)
      expect(text).toContain(name)
    }
  })
})

/** An example as a function: imports become lookups of the modules above, types are taken out. */
async function compile(code: string): Promise<() => Promise<void>> {
  const { code: script } = await transform(code, { loader: 'ts', format: 'esm', target: 'es2022' })
  const body = script
    .replace(/^import \{([^}]*)\} from "([^"]+)";$/gm, 'const {$1} = await modules["$2"]();')
    .replace(/^import (\w+) from "([^"]+)";$/gm, 'const { default: $1 } = await modules["$2"]();')
  const AsyncFunction = (async () => {}).constructor as new (...text: string[]) => (of: object) => Promise<void>
  const run = new AsyncFunction('modules', body)
  return () => run(modules)
}
