import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LinesFile, type LinesFormat } from '../../../src/endpoint/host/lines-file.ts'
import { PlatformError } from '../../../src/errors.ts'
import { recordingLog, withFolder } from './support.ts'

const numbers: LinesFormat<{ n: number }> = {
  content: 'numbers',
  version: 1,
  read: (value) => {
    const n = (value as { n?: unknown } | undefined)?.n
    return typeof n === 'number' ? { n } : undefined
  },
}
const head = '{"typeswan":"numbers","version":1}\n'

const open = (path: string, delayMs = 0) => {
  const { log, texts } = recordingLog()
  return { file: new LinesFile(path, numbers, log, delayMs), texts }
}

describe('a file of records', () => {
  test('that is not there yet has none', () =>
    withFolder((folder) => {
      expect(open(`${folder}/x`).file.load()).toEqual([])
    }))

  test('has what was written after it was closed, and nobody else may read it', () =>
    withFolder(async (folder) => {
      const { file } = open(`${folder}/deep/x`, 60_000)
      file.schedule(() => [{ n: 1 }])
      file.schedule(() => [{ n: 1 }, { n: 2 }])
      expect(existsSync(`${folder}/deep/x`)).toBe(false)
      await file.close()
      expect(readFileSync(`${folder}/deep/x`, 'utf8')).toBe(`${head}{"n":1}\n{"n":2}\n`)
      expect(statSync(`${folder}/deep/x`).mode & 0o777).toBe(0o600)
      expect(open(`${folder}/deep/x`).file.load()).toEqual([{ n: 1 }, { n: 2 }])
      expect(readdirSync(`${folder}/deep`)).toEqual(['x'])
    }))

  test('is written by itself after the delay', () =>
    withFolder(async (folder) => {
      const { file } = open(`${folder}/x`, 5)
      file.schedule(() => [{ n: 7 }])
      await expect.poll(() => existsSync(`${folder}/x`)).toBe(true)
      expect(open(`${folder}/x`).file.load()).toEqual([{ n: 7 }])
    }))

  test('with damaged lines gives the others, tells which, and is kept as it was', () =>
    withFolder((folder) => {
      const damaged = `${head}{"n":1}\n{"n":\n{"m":3}\n{"n":4}\n`
      writeFileSync(`${folder}/x`, damaged)
      const { file, texts } = open(`${folder}/x`)
      expect(file.load()).toEqual([{ n: 1 }, { n: 4 }])
      expect(texts('error')).toEqual([expect.stringContaining('2 line(s) cannot be read (3, 4)')])
      const copy = readdirSync(folder).find((name) => name.startsWith('x.broken-'))
      expect(readFileSync(`${folder}/${copy}`, 'utf8')).toBe(damaged)
    }))

  test('that was cut short anywhere behind its first line loses at most what is missing, and says so', () =>
    withFolder((folder) => {
      const whole = `${head}{"n":1}\n{"n":22}\n{"n":333}\n`
      fc.assert(
        fc.property(fc.integer({ min: head.length, max: whole.length - 1 }), (length) => {
          writeFileSync(`${folder}/x`, whole.slice(0, length))
          const { file, texts } = open(`${folder}/x`)
          const complete = whole.slice(head.length, length).split('\n').length - 1
          const loaded = file.load()
          expect(loaded.slice(0, complete)).toEqual([{ n: 1 }, { n: 22 }, { n: 333 }].slice(0, complete))
          expect(texts('error').length).toBe(length === head.length || whole[length - 1] === '\n' ? 0 : 1)
        }),
        { numRuns: 40 },
      )
    }))

  test.each([
    ['of something else', '{"typeswan":"pears","version":1}\n', 'does not begin as a file of numbers'],
    ['of no JSON', 'root:x:0:0\n', 'does not begin as a file of numbers'],
    ['that is empty', '', 'does not begin as a file of numbers'],
    ['of a later version', '{"typeswan":"numbers","version":2}\n', 'later version'],
  ])('%s is refused and left alone', (_, text, problem) =>
    withFolder((folder) => {
      writeFileSync(`${folder}/x`, text)
      expect(() => open(`${folder}/x`).file.load()).toThrow(PlatformError)
      expect(() => open(`${folder}/x`).file.load()).toThrow(problem)
      expect(readFileSync(`${folder}/x`, 'utf8')).toBe(text)
    }),
  )

  test('that cannot be written is told once, and written when that is over', () =>
    withFolder((folder) => {
      mkdirSync(`${folder}/x`)
      const { file, texts } = open(`${folder}/x`)
      file.schedule(() => [{ n: 1 }])
      file.flush()
      file.flush()
      expect(texts('error')).toEqual([expect.stringContaining('cannot write')])
      expect(readdirSync(folder)).toEqual(['x'])
    }))
})
