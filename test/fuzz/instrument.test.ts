import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { instrument } from './instrument.mjs'

/** Runs the instrumented body of a function of `x`; what it returns, and the counts. */
function run(body: string, x: number): { result: unknown; counts: number[] } {
  const { text, count } = instrument(`function f(x: number) {${body}}`, 'sample.ts', 0)
  const counters = new Uint8Array(count)
  const { outputText } = ts.transpileModule(text, { compilerOptions: { target: ts.ScriptTarget.ES2022 } })
  const result: unknown = new Function('__c', 'x', `${outputText}\nreturn f(x)`)(counters, x)
  return { result, counts: [...counters] }
}

describe('counters in the sources', () => {
  it.each([
    ['if (x > 1) return 1; else return 2', 5, 1],
    ['if (x > 1)\n if (x > 2) x = 7\n else x = 8\n return x', 2, 8],
    ['if (x > 1)\n if (x > 2) x = 7\n return x', 1, 1],
    ['const g = (y: number) => ({ a: y || 3 })\n return g(x).a', 0, 3],
    ['switch (x) { case 1: case 2: return 5\n default: return 6 }', 2, 5],
    ['let n = 0\n for (let i = 0; i < x; i++) n += i % 2 === 0 ? i : -i\n return n', 5, 2],
    ['try { throw x } catch (error) { return error }', 4, 4],
    [
      'class A { #v = 1; static B = class { #v = 2; of() { return this.#v } }; of() { return this.#v } }\n return new A().of() + new A.B().of()',
      0,
      3,
    ],
  ])('leave the meaning of %j', (body, x, expected) => {
    const { result, counts } = run(body, x)
    expect(result).toBe(expected)
    expect(counts[0]).toBe(1)
  })

  it('tell the branches apart, those without code too', () => {
    expect(run('if (x > 1) x++\n return x', 0).counts).not.toEqual(run('if (x > 1) x++\n return x', 2).counts)
    expect(run('return x > 1 && x < 3', 0).counts).not.toEqual(run('return x > 1 && x < 3', 5).counts)
  })

  it('can stand in the sources of the core', () => {
    const root = fileURLToPath(new URL('../../src/ike/tasks/', import.meta.url))
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
    expect(files.length).toBeGreaterThan(8)
    for (const file of files) {
      const { text } = instrument(readFileSync(join(root, file), 'utf8'), file, 0)
      // The parser's own list of what it could not read.
      const parsed = ts.createSourceFile(file, text, ts.ScriptTarget.Latest) as ts.SourceFile & {
        parseDiagnostics: unknown[]
      }
      expect(parsed.parseDiagnostics, file).toEqual([])
    }
  })
})
