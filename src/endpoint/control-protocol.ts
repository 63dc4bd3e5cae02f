import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * The control socket speaks JSON lines over a Unix stream socket: one request object, one response object, each ended by a
 * newline. A request names a `command`; a response has either `result` or `error`.
 */
export type ControlResponse = { readonly result: unknown } | { readonly error: ControlError }

export interface ControlError {
  /** `BAD_REQUEST`, `UNKNOWN_COMMAND`, `REQUEST_TOO_LARGE`, `FAILED` (the peer or the machine did not go along), `INTERNAL`. */
  readonly code: string
  readonly message: string
}

/** A request line may be this long, in octets with its newline. */
export const maxRequestBytes = 65_536

/** The kernel's limit on a Unix socket's path, less the final zero octet. */
export const maxSocketPathBytes = 107

/** Where `typeswan up` listens and `typeswan status` asks when no path is given: under /run for root, else in the user's runtime directory. */
export function defaultControlPath(
  env: NodeJS.ProcessEnv = process.env,
  uid: number = process.getuid?.() ?? -1,
): string {
  if (uid === 0) return '/run/typeswan.sock'
  const runtime = env.XDG_RUNTIME_DIR
  return runtime === undefined || runtime === ''
    ? join(tmpdir(), `typeswan-${uid}.sock`)
    : join(runtime, 'typeswan.sock')
}
