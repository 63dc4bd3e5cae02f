import { isList, type Plain } from '../ike/recording/recording-json.ts'

export interface PlainDifference {
  readonly where: string
  readonly recorded: string
  readonly replayed: string
}

/** The first place where two values differ, undefined when they are equal. Octets are compared octet by octet. */
export function firstDifference(recorded: Plain, replayed: Plain, where = ''): PlainDifference | undefined {
  if (recorded === replayed) return undefined
  if (!isObject(recorded) || !isObject(replayed) || isList(recorded) !== isList(replayed)) {
    return { where, recorded: textOf(recorded), replayed: textOf(replayed) }
  }
  const [one, other] = [recorded as Fields, replayed as Fields]
  if (typeof one.$hex === 'string' && typeof other.$hex === 'string') return hexDifference(one.$hex, other.$hex, where)
  for (const name of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const inner = isList(recorded) ? `${where}[${name}]` : where === '' ? name : `${where}.${name}`
    const difference = firstDifference(one[name] ?? null, other[name] ?? null, inner)
    if (difference !== undefined) return difference
  }
  return undefined
}

type Fields = Readonly<Record<string, Plain>>

const isObject = (plain: Plain): boolean => plain !== null && typeof plain === 'object'

function hexDifference(recorded: string, replayed: string, where: string): PlainDifference | undefined {
  if (recorded === replayed) return undefined
  let at = 0
  while (recorded.slice(at, at + 2) === replayed.slice(at, at + 2)) at += 2
  return {
    where: `${where} octet ${at / 2}`,
    recorded: shortened(recorded, at),
    replayed: shortened(replayed, at),
  }
}

/** The octets from the first different one on. */
function shortened(hex: string, at: number): string {
  const rest = hex.slice(at, at + 16)
  return rest === '' ? `nothing: it has ${hex.length / 2} octets` : `${rest}${hex.length > at + 16 ? '…' : ''}`
}

function textOf(plain: Plain): string {
  const text = JSON.stringify(plain)
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
