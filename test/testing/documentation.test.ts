import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { compileExample } from '../support/examples.ts'

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
      const run = await compileExample(code, modules)
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
