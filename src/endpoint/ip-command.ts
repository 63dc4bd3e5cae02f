import { execFile } from 'node:child_process'
import { PlatformError } from '../errors.ts'

/** Runs iproute2's `ip` with the arguments and resolves to its output; rejects with `PlatformError` and its own words. */
export type IpCommand = (args: readonly string[]) => Promise<string>

/** The `ip` of this machine. */
export const systemIpCommand: IpCommand = (args) =>
  new Promise((resolve, reject) => {
    execFile('ip', [...args], { timeout: 10_000 }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout)
      const words = stderr.trim() || error.message
      reject(
        new PlatformError('IP_COMMAND', `"ip ${args.join(' ')}" failed: ${words}`, remedyFor(words), { cause: error }),
      )
    })
  })

function remedyFor(words: string): string {
  if (/ENOENT/.test(words)) return 'install iproute2'
  if (/not permitted|denied/i.test(words)) return 'run as root, or with the capability CAP_NET_ADMIN'
  if (/File exists/i.test(words)) return 'a route for it is there already: remove that one, or set "routes" to "none"'
  return ''
}
