import { readConfig } from '../config/index.ts'
import { ExitCode } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

export interface CheckOptions {
  readonly config: string
}

/**
 * `typeswan check`: reads a configuration as `up` would, starts nothing, and tells what is weak in it, a line each. Throws `ConfigError` (or
 * several in an `AggregateError`) for what is wrong.
 */
export function runCheck({ config }: CheckOptions, terminal: Terminal): ExitCode {
  const { connections, warnings } = readConfig(config)
  for (const { message } of warnings) terminal.out(`warning: ${message}`)
  const children = connections.reduce((sum, connection) => sum + connection.children.length, 0)
  terminal.out(`${config}: ${connections.length} connections, ${children} children, ${warnings.length} warnings`)
  return ExitCode.OK
}
