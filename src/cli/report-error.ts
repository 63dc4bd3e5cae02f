import { ConfigError, PlatformError, TypeswanError, UsageError } from '../errors.ts'
import { ExitCode } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

/** Writes what went wrong in the fewest useful lines, and returns the exit code that goes with it. */
export function reportError(error: unknown, terminal: Terminal): ExitCode {
  if (error instanceof AggregateError) {
    const codes = error.errors.map((one) => reportError(one, terminal))
    return codes.includes(ExitCode.USAGE) ? ExitCode.USAGE : ExitCode.FAILURE
  }
  if (error instanceof PlatformError && error.code === 'NOT_RUNNING') {
    terminal.err(`typeswan: ${error.message}`)
    return ExitCode.NOT_RUNNING
  }
  if (error instanceof TypeswanError) {
    terminal.err(`typeswan: ${error.message}`)
    return error instanceof ConfigError || error instanceof UsageError ? ExitCode.USAGE : ExitCode.FAILURE
  }
  // Ours or a library's mistake: the stack is what a bug report needs.
  terminal.err(`typeswan: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  return ExitCode.FAILURE
}
