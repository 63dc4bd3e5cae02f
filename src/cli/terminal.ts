import { formatLogEntry, type LogSink } from '../endpoint/log.ts'

/** Where a command writes: the process's streams, or arrays in a test. */
export interface Terminal {
  out(text: string): void
  err(text: string): void
}

/** The process's own streams. */
export const processTerminal: Terminal = {
  out(text) {
    process.stdout.write(`${text}\n`)
  },
  err(text) {
    process.stderr.write(`${text}\n`)
  },
}

/** A log sink that writes to the terminal's error side, so that standard output stays for results. */
export const logTo =
  (terminal: Terminal): LogSink =>
  (entry) =>
    terminal.err(formatLogEntry(entry))

/**
 * A closed pipe (`typeswan status | head -1`) is no failure: the process ends quietly. Nobody reading the log is no reason to
 * take tunnels down: it is lost, and the endpoint goes on.
 */
export function endOnClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  process.stderr.on('error', () => {})
}
