import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CommandOptions, CommandResult, CommandRunner } from '../../../src/endpoint/host/run-command.ts'
import { Log, type LogEntry } from '../../../src/endpoint/log.ts'

/** A runner that writes commands down, and answers as `answer` says (success by default). */
export function recordingRunner(answer: (line: string) => Partial<CommandResult> = () => ({})): {
  run: CommandRunner
  calls: string[]
} {
  const calls: string[] = []
  const run: CommandRunner = async (command, args, options: CommandOptions = {}) => {
    const line = [command, ...args].join(' ')
    calls.push(options.input === undefined ? line : `${line} < ${JSON.stringify(options.input)}`)
    return { code: 0, stdout: '', stderr: '', ...answer(line) }
  }
  return { run, calls }
}

export function recordingLog(): { log: Log; entries: LogEntry[]; texts: (level?: string) => string[] } {
  const entries: LogEntry[] = []
  const log = new Log((entry) => entries.push(entry), 'debug')
  const texts = (level?: string) =>
    entries.filter((one) => level === undefined || one.level === level).map(({ text }) => text)
  return { log, entries, texts }
}

/** Calls `use` with a folder that goes afterwards. */
export async function withFolder<T>(use: (folder: string) => Promise<T> | T): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'typeswan-host-'))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
