import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PlatformError } from '../../errors.ts'

/** How a command ended. `code` is 127 when it could not be started, undefined when a signal ended it. */
export interface CommandResult {
  readonly code: number | undefined
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  /** Written to its standard input. */
  readonly input?: string
  readonly timeoutMs?: number
}

/** Runs a command of the machine, without a shell, and resolves to how it ended. Never rejects. */
export type CommandRunner = (
  command: string,
  args: readonly string[],
  options?: CommandOptions,
) => Promise<CommandResult>

/** Where administrators' commands are, also for a service that was started with a short PATH. */
const commandPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The commands of this machine, ended after 10 s. */
export const systemCommand: CommandRunner = (command, args, { input, timeoutMs = 10_000 } = {}) =>
  new Promise((resolve) => {
    const env = { PATH: commandPath, LC_ALL: 'C' }
    const child = execFile(command, [...args], { env, timeout: timeoutMs }, (error, stdout, stderr) => {
      if (error === null) return resolve({ code: 0, stdout, stderr })
      const code = typeof error.code === 'number' ? error.code : error.code === 'ENOENT' ? 127 : undefined
      resolve({ code, stdout, stderr: stderr || error.message })
    })
    // One that ends without reading closes the pipe: its exit code says what happened.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input ?? '')
  })

/** Runs a command that has to succeed. Throws `PlatformError` with its own words otherwise. */
export async function mustRun(
  run: CommandRunner,
  command: string,
  args: readonly string[],
  options?: CommandOptions,
): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options)
  if (code === 0) return stdout
  const words = stderr.trim() || stdout.trim() || `exit code ${code ?? 'none: a signal ended it'}`
  throw new PlatformError('COMMAND', `"${[command, ...args].join(' ')}" failed: ${words}`, '')
}

/** Whether a command is there to be run. */
export function hasCommand(command: string): boolean {
  return commandPath.split(':').some((folder) => existsSync(join(folder, command)))
}

/** How a script ended: its exit code, the signal that ended it, or why it could not be started. */
export interface ScriptResult {
  readonly code: number | undefined
  readonly timedOut: boolean
  /** What it wrote to its standard error, at most 4 KiB. */
  readonly stderr: string
}

/** Runs an operator's program without arguments. Never rejects. */
export type ScriptRunner = (
  path: string,
  environment: Readonly<Record<string, string>>,
  timeoutMs: number,
) => Promise<ScriptResult>

const maxScriptOutput = 4_096

/** Runs the program in a process group of its own, all of which is killed when the time is over. Its output is not shown, but for its errors. */
export const systemScript: ScriptRunner = (path, environment, timeoutMs) =>
  new Promise((resolve) => {
    const child = spawn(path, [], {
      env: { PATH: commandPath, ...environment },
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    })
    let stderr = ''
    let timedOut = false
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr = (stderr + chunk).slice(0, maxScriptOutput)
    })
    const patience = setTimeout(() => {
      timedOut = true
      // What it left running in the background holds on to its standard error: nobody waits for that.
      child.stderr.destroy()
      if (child.pid !== undefined) killGroup(child.pid)
    }, timeoutMs)
    const finish = (code: number | undefined, words: string) => {
      clearTimeout(patience)
      resolve({ code, timedOut, stderr: words })
    }
    child.once('error', (error) => finish(127, error.message))
    child.once('exit', (code) => {
      // A moment for what is still in the pipe; a background process may keep it open for ever.
      const rest = setTimeout(() => child.stderr.destroy(), 100)
      child.stderr.once('close', () => {
        clearTimeout(rest)
        finish(code ?? undefined, stderr)
      })
      if (child.stderr.destroyed) finish(code ?? undefined, stderr)
    })
  })

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It ended just before.
  }
}
