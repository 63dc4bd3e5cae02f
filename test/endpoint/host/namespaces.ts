import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type CommandRunner, systemCommand } from '../../../src/endpoint/host/run-command.ts'

/** A network namespace and a mount namespace of their own, with an empty /run. Ends with `close`. */
export interface Namespace {
  readonly pid: number
  /** Runs commands inside. */
  readonly run: CommandRunner
  /** Runs a shell script inside; rejects when it fails. */
  sh(script: string): Promise<string>
  /** Starts a program inside; ended with the namespace. */
  start(command: string, ...args: string[]): ChildProcess
  close(): Promise<void>
}

/** Why namespaces cannot be had here, undefined when they can. */
export const missing = (...commands: string[]): string | undefined => {
  if (process.getuid?.() !== 0) return 'not root'
  const absent = ['unshare', 'nsenter', 'ip', ...commands].find(
    (command) => !['/usr/sbin', '/usr/bin', '/sbin', '/bin'].some((folder) => existsSync(`${folder}/${command}`)),
  )
  return absent === undefined ? undefined : `no ${absent}`
}

export async function openNamespace(): Promise<Namespace> {
  const script = 'mount -t tmpfs tmpfs /run && ip link set lo up && echo ready && exec sleep 600'
  const holder = spawn('unshare', ['--mount', '--net', 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise<void>((resolve, reject) => {
    holder.stdout.once('data', () => resolve())
    holder.once('exit', (code) => reject(new Error(`no namespace: exit code ${code}`)))
  })
  const pid = holder.pid!
  const enter = ['-t', String(pid), '-m', '-n', '--']
  const started: ChildProcess[] = []
  return {
    pid,
    run: (command, args, options) => systemCommand('nsenter', [...enter, command, ...args], options),
    sh: (text) =>
      new Promise((resolve, reject) => {
        execFile('nsenter', [...enter, 'sh', '-ec', text], (error, stdout, stderr) => {
          if (error === null) resolve(stdout)
          else reject(new Error(`${text}: ${stderr || error.message}`))
        })
      }),
    start: (command, ...args) => {
      // nsenter gives its place to the program: the process id is the program's.
      const child = spawn('nsenter', [...enter, command, ...args], { stdio: 'ignore' })
      started.push(child)
      return child
    },
    close: async () => {
      for (const child of [...started, holder]) {
        if (child.exitCode !== null || child.signalCode !== null) continue
        const ended = new Promise((resolve) => child.once('exit', resolve))
        child.kill('SIGKILL')
        await ended
      }
    },
  }
}
