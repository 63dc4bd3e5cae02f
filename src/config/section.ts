import { ConfigError, UsageError } from '../errors.ts'
import type { ProblemList, SettingPath } from './problems.ts'

/**
 * An object of the file while it is read. What has the wrong JSON type or is missing reads as undefined, because the schema check has
 * reported it: so one pass can go on and report everything else.
 */
export class Section {
  readonly path: SettingPath
  readonly problems: ProblemList
  readonly #members: Readonly<Record<string, unknown>>

  constructor(value: unknown, path: SettingPath, problems: ProblemList) {
    this.#members = isObject(value) ? value : {}
    this.path = path
    this.problems = problems
  }

  /** The names of the members. */
  names(): string[] {
    return Object.keys(this.#members)
  }

  section(name: string): Section {
    return new Section(this.#own(name), [...this.path, name], this.problems)
  }

  sections(): { readonly name: string; readonly section: Section }[] {
    return this.names().map((name) => ({ name, section: this.section(name) }))
  }

  /** The objects of a list. */
  list(name: string): Section[] | undefined {
    const value = this.#own(name)
    if (!Array.isArray(value)) return undefined
    return value.map((one: unknown, index) => new Section(one, [...this.path, name, index], this.problems))
  }

  text(name: string): string | undefined {
    const value = this.#own(name)
    return typeof value === 'string' ? value : undefined
  }

  number(name: string): number | undefined {
    const value = this.#own(name)
    return typeof value === 'number' ? value : undefined
  }

  flag(name: string): boolean | undefined {
    const value = this.#own(name)
    return typeof value === 'boolean' ? value : undefined
  }

  /** One of `values`. */
  choice<T extends string>(name: string, values: readonly T[]): T | undefined {
    return values.find((value) => value === this.#own(name))
  }

  /** The strings of a list with their paths. */
  texts(name: string): { readonly text: string; readonly path: SettingPath }[] | undefined {
    const value = this.#own(name)
    if (!Array.isArray(value)) return undefined
    return value.flatMap((text: unknown, index) =>
      typeof text === 'string' ? [{ text, path: [...this.path, name, index] }] : [],
    )
  }

  /** The text read by `parse`; its `UsageError` becomes a problem of this setting. */
  parsed<T>(name: string, parse: (text: string) => T, allowed: string): T | undefined {
    const text = this.text(name)
    return text === undefined ? undefined : this.attempt([...this.path, name], () => parse(text), allowed)
  }

  /** The strings of a list, each read by `parse`. */
  parsedList<T>(name: string, parse: (text: string) => T, allowed: string): T[] | undefined {
    return this.texts(name)?.flatMap(({ text, path }) => {
      const value = this.attempt(path, () => parse(text), allowed)
      return value === undefined ? [] : [value]
    })
  }

  /** Runs `read`; a `UsageError`, or a `ConfigError` of who reads a part of it, becomes a problem at `path`. */
  attempt<T>(path: SettingPath, read: () => T, allowed: string): T | undefined {
    try {
      return read()
    } catch (error) {
      if (error instanceof ConfigError) this.problems.add(path, error.problem, error.allowed)
      else if (error instanceof UsageError)
        this.problems.add(path, error.message.slice(error.argument.length + 2), allowed)
      else throw error
      return undefined
    }
  }

  problem(name: string, problem: string, allowed: string): void {
    this.problems.add([...this.path, name], problem, allowed)
  }

  has(name: string): boolean {
    return this.#own(name) !== undefined
  }

  // A file may name a setting like a member that every JavaScript object inherits.
  #own(name: string): unknown {
    return Object.hasOwn(this.#members, name) ? this.#members[name] : undefined
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
