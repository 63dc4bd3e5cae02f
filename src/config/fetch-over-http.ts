import type { FetchRequest } from '../pki/fetching.ts'

/** A server that answers slower keeps a peer waiting, which gives up after some more of these. */
const timeoutMs = 5_000

/**
 * Brings revocation lists, OCSP responses and certificates over HTTP. Throws with half a sentence when the server does not answer 200, or with
 * more octets than wanted. No more than those are read.
 */
export async function fetchOverHttp({ url, body, contentType, mostBytes }: FetchRequest): Promise<Uint8Array> {
  const headers: Record<string, string> = contentType === undefined ? {} : { 'content-type': contentType }
  const response = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers,
    signal: AbortSignal.timeout(timeoutMs),
    // A redirection may lead to where an outsider is not to reach.
    redirect: 'error',
    ...(body === undefined ? {} : { body: Buffer.from(body) }),
  }).catch((error: unknown) => {
    throw new Error(whyNot(error))
  })
  if (!response.ok) throw new Error(`the server answered ${response.status}`)
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > mostBytes) throw new Error(`the answer is longer than ${mostBytes} octets`)
    parts.push(part)
  }
  return new Uint8Array(Buffer.concat(parts))
}

function whyNot(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${timeoutMs / 1000} s`
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
  return `the server was not reached: ${cause}`
}
