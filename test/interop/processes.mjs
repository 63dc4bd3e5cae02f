// Child processes of the harness: everything started here is ended by its process id when the harness ends.
import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const running = new Set()

/**
 * Starts a long-lived process with its output in `logFile`. The command must end in an `exec`, so that the process id is
 * that of the program itself.
 */
export function start(command, args, logFile, env = {}) {
  const log = openSync(logFile, 'a')
  const child = spawn(command, args, { stdio: ['ignore', log, log], env: { ...process.env, ...env } })
  running.add(child)
  child.exited = new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: 127, error }))
    child.once('exit', (code, signal) => resolve({ code, signal }))
  }).then((result) => {
    running.delete(child)
    child.result = result
    return result
  })
  return child
}

/** Runs a command to its end. Returns its exit code and output; throws when it failed, unless `check` is false. */
export async function run(command, args, { env = {}, check = true, timeoutMs = 60_000 } = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  running.add(child)
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  const code = await new Promise((resolve) => {
    child.once('error', (error) => {
      stderr += error.message
      resolve(127)
    })
    child.once('close', (exitCode, signal) => resolve(exitCode ?? signal))
  })
  clearTimeout(timer)
  running.delete(child)
  if (check && code !== 0) {
    throw new Error(`${command} ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`.trim())
  }
  return { code, stdout, stderr }
}

/** Asks a process to end, and makes it end when it does not within `graceMs`. Resolves to how it ended. */
export async function stop(child, signal = 'SIGTERM', graceMs = 5000) {
  if (child.result !== undefined) return child.result
  child.kill(signal)
  const ended = await Promise.race([child.exited, sleep(graceMs, undefined, { ref: false })])
  if (ended !== undefined) return ended
  child.kill('SIGKILL')
  await child.exited
  return { code: null, signal: 'SIGKILL' }
}

/** Ends everything that is still running. */
export async function stopAll() {
  await Promise.all([...running].map((child) => (child.exited ? stop(child, 'SIGTERM', 2000) : child.kill('SIGKILL'))))
}

/** Polls `probe` until it returns something true; throws with `what` when it does not within `timeoutMs`. */
export async function waitFor(what, probe, timeoutMs = 10_000, everyMs = 50) {
  const end = performance.now() + timeoutMs
  for (;;) {
    const value = await probe()
    if (value) return value
    if (performance.now() > end) throw new Error(`timed out after ${timeoutMs} ms: ${what}`)
    await sleep(everyMs)
  }
}
