import type { DerReader } from '../crypto/der-reader.ts'

const UTC_TIME = 0x17
const GENERALIZED_TIME = 0x18

/** True when a Time comes next. */
export const isTime = (reader: DerReader): boolean => reader.tag === UTC_TIME || reader.tag === GENERALIZED_TIME

/** A Time as ms since 1970: YYMMDDHHMMSSZ for the years 1950 to 2049, or YYYYMMDDHHMMSSZ. Throws `DecodeError`. RFC 5280 §4.1.2.5. */
export function decodeTime(reader: DerReader, what: string): number {
  const isShort = reader.tag === UTC_TIME
  const text = String.fromCharCode(...reader.element(isShort ? UTC_TIME : GENERALIZED_TIME, what).subarray(0, 20))
  const match = (isShort ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/).exec(
    text,
  )
  if (match === null) return reader.fail(`${what} is not a time like 20260131235959Z`)
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number)
  const date = new Date(0)
  date.setUTCFullYear(isShort ? (year < 50 ? 2000 : 1900) + year : year, month - 1, day)
  // A day or month that there is not would become another one.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || hour > 23 || minute > 59 || second > 60)
    reader.fail(`${what} is no day and time of the calendar`)
  return date.setUTCHours(hour, minute, second)
}

/** For people: `2026-01-31 23:59:59 UTC`. */
export const formatTime = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`
