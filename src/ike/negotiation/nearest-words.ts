/** Up to three of `known` that a person may have meant by `word`, closest first; none when nothing is close. */
export function nearestWords(word: string, known: Iterable<string>): string[] {
  const wanted = word.toLowerCase()
  const limit = Math.max(2, Math.floor(wanted.length / 3))
  const scored = [...known].map((candidate) => ({ candidate, distance: editDistance(wanted, candidate.toLowerCase()) }))
  return scored
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, 3)
    .map(({ candidate }) => candidate)
}

/** `; did you mean a, b or c?`, or nothing: to be put behind an error's sentence. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const near = nearestWords(word, known)
  if (near.length === 0) return ''
  const last = near.at(-1)!
  return `; did you mean ${near.length === 1 ? last : `${near.slice(0, -1).join(', ')} or ${last}`}?`
}

/** Insertions, deletions and substitutions that turn `a` into `b` (Levenshtein), one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitution, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
