import { fromHex, toHex } from '../../bytes/index.ts'

/** What JSON holds. Octets stand as `{"$hex": …}`, numbers that JSON has not as `{"$number": …}`. */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [name: string]: Plain }

/**
 * A value of the core as plain JSON: objects by their fields, octets as hexadecimal, an `Error` by its message, a function as
 * `{"$function": true}`, a `Handle` by its description. Fields whose names are in `omitted` become null; undefined ones are left out.
 */
export function encodePlain(value: unknown, omitted: readonly string[] = []): Plain {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : { $number: String(value) }
  if (value instanceof Uint8Array) return { $hex: toHex(value) }
  if (Array.isArray(value)) return value.map((each) => encodePlain(each, omitted))
  if (value instanceof Error) return { $error: value.message }
  if (typeof value === 'function') return { $function: true }
  if (typeof value !== 'object') return { $undefined: true }
  const fields = Object.entries(value).filter(([, field]) => field !== undefined)
  return Object.fromEntries(
    fields.map(([name, field]) => {
      if (handles.includes(name) && isHandle(field)) return [name, { description: field.description }]
      return [name, omitted.includes(name) ? null : encodePlain(field, omitted)]
    }),
  )
}

/** Fields of what the core only hands on: whatever is behind, it is not the core's. */
const handles: readonly string[] = ['credential', 'trust', 'methods']

const isHandle = (value: unknown): value is { readonly description: string } =>
  typeof value === 'object' && value !== null && 'description' in value && typeof value.description === 'string'

/** The value that was encoded, with `standIn` for each function; an `Error` stays as it stands. Throws `UsageError` for bad hexadecimal. */
export function decodePlain(plain: Plain, standIn?: () => unknown): unknown {
  if (plain === null || typeof plain !== 'object') return plain
  if (isList(plain)) return plain.map((each) => decodePlain(each, standIn))
  const { $hex, $number, $function, $undefined } = plain
  if (typeof $hex === 'string') return fromHex($hex)
  if (typeof $number === 'string') return Number($number)
  if ($function === true) return standIn
  if ($undefined === true) return undefined
  return Object.fromEntries(Object.entries(plain).map(([name, field]) => [name, decodePlain(field, standIn)]))
}

export const isList = (plain: Plain): plain is readonly Plain[] => Array.isArray(plain)
