/** Not the core's own. */
const foreign = new Set(['crypto', 'xfrm', 'connections', 'random'])

/**
 * The sizes of all maps, sets and lists that an object keeps, by the way to them. Private fields show only in instrumented
 * sources, where they are ordinary ones.
 */
export function containersOf(root: object): Map<string, number> {
  const sizes = new Map<string, number>()
  const seen = new Set<object>()
  const waiting: (readonly [string, object])[] = [['', root]]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [path, value] = next
    if (seen.has(value) || ArrayBuffer.isView(value)) continue
    seen.add(value)
    const parts = partsOf(value)
    if (value instanceof Map || value instanceof Set || Array.isArray(value))
      sizes.set(path, (sizes.get(path) ?? 0) + parts.length)
    for (const [name, part] of parts) if (typeof part === 'object' && part !== null) waiting.push([path + name, part])
  }
  return sizes
}

function partsOf(value: object): (readonly [string, unknown])[] {
  if (value instanceof Map) return [...value.values()].map((part) => ['[]', part] as const)
  if (value instanceof Set) return [...value].map((part) => ['[]', part] as const)
  if (Array.isArray(value)) return value.map((part) => ['[]', part] as const)
  return Object.entries(value)
    .map(([name, part]) => [name.replace(/^\$\w+?_/, ''), part] as const)
    .filter(([name]) => !foreign.has(name))
    .map(([name, part]) => [`.${name}`, part] as const)
}
