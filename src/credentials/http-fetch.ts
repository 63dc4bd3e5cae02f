import type { Fetch } from '../pki/fetching.ts'

/** A server that answers slower keeps a peer waiting, which gives up after some more of these. */
const DEFAULT_TIMEOUT_MS = 5_000

/**
 * Fetches over HTTP or HTTPS with the engine's own `fetch`. Rejects with what went wrong when there is no answer of status 200 in time, or one
 * that is too long: it is not read further.
 */
export function httpFetch(timeoutMs: number = DEFAULT_TIMEOUT_MS): Fetch {
  return async ({ url, body, contentType, mostBytes }) => {
    const signal = AbortSignal.timeout(timeoutMs)
    try {
      // A redirection may lead to where an outsider is not to reach.
      const init: RequestInit = { signal, redirect: 'error' }
      if (body !== undefined) {
        init.method = 'POST'
        init.body = body.slice()
      }
      if (contentType !== undefined) init.headers = { 'content-type': contentType }
      const response = await fetch(url, init)
      if (!response.ok) throw new Error(`the server answered ${response.status}`)
      return await readAtMost(response, mostBytes)
    } catch (error) {
      throw new Error(problemOf(error, timeoutMs), { cause: error })
    }
  }
}

async function readAtMost(response: Response, mostBytes: number): Promise<Uint8Array> {
  const reader = response.body?.getReader()
  const parts: Uint8Array[] = []
  let length = 0
  while (reader !== undefined) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.length
    if (length > mostBytes) {
      await reader.cancel()
      throw new Error(`the answer is longer than ${mostBytes} octets`)
    }
    parts.push(value)
  }
  const all = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** `fetch` says no more than "fetch failed"; the cause tells why. */
function problemOf(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `no answer in ${timeoutMs / 1000} s`
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message
}
