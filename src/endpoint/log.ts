/** From the rarest to the most frequent. `trace` has a line for each packet or message dropped. */
export const logLevels = ['error', 'warn', 'info', 'debug', 'trace'] as const
export type LogLevel = (typeof logLevels)[number]

/** One line of the log. `subject` is the connection as `name[n]`, or the part of the endpoint that speaks. */
export interface LogEntry {
  readonly time: Date
  readonly level: LogLevel
  readonly subject: string
  readonly text: string
}

/** Takes finished entries: a file, a terminal, an array in a test. Must not throw. */
export type LogSink = (entry: LogEntry) => void

/** Filters by level and stamps the wall-clock time. */
export class Log {
  readonly level: LogLevel
  readonly #sink: LogSink
  readonly #rank: number

  constructor(sink: LogSink, level: LogLevel = 'info') {
    this.#sink = sink
    this.level = level
    this.#rank = logLevels.indexOf(level)
  }

  /** True when a line of `level` would be written: ask before building an expensive text. */
  enabled(level: LogLevel): boolean {
    return logLevels.indexOf(level) <= this.#rank
  }

  /** Writes one entry, or nothing when `level` is filtered out. */
  write(level: LogLevel, subject: string, text: string): void {
    if (this.enabled(level)) this.#sink({ time: new Date(), level, subject, text })
  }
}

/** A log that nobody reads. */
export const silentLog = new Log(() => {}, 'error')

/** Text of an entry: `2026-01-31 12:00:00.000 info  office[1]   text`. Further lines of `text` are indented below the first. */
export function formatLogEntry(entry: LogEntry): string {
  const time = entry.time.toISOString().replace('T', ' ').replace('Z', '')
  const head = `${time} ${entry.level.padEnd(5)} ${entry.subject.padEnd(12)} `
  return head + printable(entry.text).replaceAll('\n', `\n${' '.repeat(8)}`)
}

/** Peers choose parts of the text (identities, vendor ids): control characters never reach a terminal. */
function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n]/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
