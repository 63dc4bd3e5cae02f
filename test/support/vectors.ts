import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The envelope of every file in `vectors/`; octets are lower-case hexadecimal. */
export interface Vectors<Case> {
  readonly format: string
  readonly kind: string
  readonly source: string
  readonly notes?: string
  readonly count: number
  readonly cases: readonly Case[]
}

const root = new URL('../../', import.meta.url)

/** A file of `vectors/`, for example `rfc/rfc4231-hmac-sha2.json`. The caller names the fields that it reads. */
export function loadVectors<Case>(path: string): Vectors<Case> {
  const file = readJson<Vectors<Case>>(new URL(`vectors/${path}`, root))
  if (file === undefined) throw new Error(`vectors/${path} is missing`)
  if (file.cases.length !== file.count)
    throw new Error(`vectors/${path} names ${file.count} cases, has ${file.cases.length}`)
  return file
}

/**
 * A file of the collection beside the repository, whose licences keep it from being carried. Undefined, with one line
 * on stderr, when it is not there.
 */
export function sharedVectors<File>(path: string): File | undefined {
  const file = readJson<File>(new URL(`../shared/vectors/${path}`, root))
  if (file === undefined) process.stderr.write(`skipped: ../shared/vectors/${path} is not here\n`)
  return file
}

/** A recorded conversation by name: of `vectors/traces` when it is carried, else of the collection beside the repository. */
export function loadTrace<Trace>(name: string): Trace | undefined {
  return readJson<Trace>(new URL(`vectors/traces/${name}.json`, root)) ?? sharedVectors<Trace>(`traces/${name}.json`)
}

function readJson<File>(url: URL): File | undefined {
  if (!existsSync(url)) return undefined
  // The shape is what the test says it is; a field that is not there fails the test that reads it.
  return JSON.parse(readFileSync(fileURLToPath(url), 'utf8')) as File
}
