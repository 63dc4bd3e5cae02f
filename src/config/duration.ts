import { UsageError } from '../errors.ts'
import type { Section } from './section.ts'

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of `500ms`, `30s`, `5m`, `1.5h`, `2d`, or of a number of seconds. Throws `UsageError`. */
export function parseDuration(value: string | number): number {
  if (typeof value === 'number' && value >= 0) return Math.round(value * 1_000)
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(String(value))
  if (match === null) throw new UsageError('duration', `"${value}" is not a time such as 30s, 5m or 1h`)
  return Math.round(Number(match[1]) * unitMs[match[2]!]!)
}

/** A time among the settings in ms, undefined when it is absent or not a time, which the schema check reports. */
export function readDuration(section: Section, name: string): number | undefined {
  const value = section.number(name) ?? section.text(name)
  try {
    return value === undefined ? undefined : parseDuration(value)
  } catch {
    return undefined
  }
}
