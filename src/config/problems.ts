import { ConfigError } from '../errors.ts'

/** Everything that is wrong with a configuration, in the order of the file. Thrown also for a single problem. */
export class ConfigProblems extends AggregateError {
  /** Stable, as of `ConfigError`. */
  readonly code = 'CONFIG'
  declare readonly errors: ConfigError[]

  constructor(errors: readonly ConfigError[]) {
    super(errors, errors.map(({ message }) => message).join('\n'))
    this.name = 'ConfigProblems'
  }
}

/** Where in the value: names of objects' members and indexes of arrays. */
export type SettingPath = readonly (string | number)[]

/** `connections.office.proposals[0]`; the whole file for an empty path. */
export function formatSetting(path: SettingPath): string {
  if (path.length === 0) return 'the configuration'
  return path.map((part, at) => (typeof part === 'number' ? `[${part}]` : at === 0 ? part : `.${part}`)).join('')
}

/** Something that is allowed, and not wise. */
export interface ConfigWarning {
  readonly setting: string
  readonly problem: string
  /** What to write in its place. */
  readonly instead: string
  /** `FILE:LINE: SETTING: PROBLEM; better: INSTEAD`. */
  readonly message: string
}

/** Collects problems while a configuration is read, so that all are told at once. */
export class ProblemList {
  /** In the order in which they were found. */
  readonly warnings: ConfigWarning[] = []
  readonly #file: string | undefined
  readonly #lineOf: (path: SettingPath) => number | undefined
  readonly #problems = new Map<string, ConfigError>()

  /** `lineOf` gives the 1-based line of a setting, or of the nearest one around it. */
  constructor(file: string | undefined, lineOf: (path: SettingPath) => number | undefined) {
    this.#file = file
    this.#lineOf = lineOf
  }

  /** Only the first problem of a setting is kept: what follows is mostly its consequence. `line` when it is not the line of the setting itself. */
  add(path: SettingPath, problem: string, allowed: string, line = this.#lineOf(path)): void {
    const setting = formatSetting(path)
    if (this.#problems.has(setting)) return
    this.#problems.set(setting, new ConfigError({ setting, problem, allowed, file: this.#file, line }))
  }

  /** What may stand there, but had better not. */
  warn(path: SettingPath, problem: string, instead: string): void {
    const setting = formatSetting(path)
    const line = this.#lineOf(path)
    const at = this.#file === undefined ? '' : `${this.#file}${line === undefined ? '' : `:${line}`}: `
    this.warnings.push({ setting, problem, instead, message: `${at}${setting}: ${problem}; better: ${instead}` })
  }

  /** Throws `ConfigProblems` when there are any, by line. */
  throwIfAny(): void {
    if (this.#problems.size === 0) return
    throw new ConfigProblems([...this.#problems.values()].sort((a, b) => (a.line ?? 0) - (b.line ?? 0)))
  }
}
