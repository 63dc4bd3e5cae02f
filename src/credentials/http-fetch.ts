import { type LookupAddress, lookup } from 'node:dns'
import { type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import type { Fetch, FetchRequest } from '../pki/fetching.ts'
import { isOwnAddress, isPublicAddress } from './public-address.ts'

/** A server that answers slower keeps a peer waiting, which gives up after some more of these. */
const DEFAULT_TIMEOUT_MS = 5_000

/**
 * Fetches over HTTP or HTTPS. Rejects with what went wrong when there is no answer of status 200 in time, or one that is too long: it is
 * not read further. A redirection is such an answer: it may lead to where an outsider is not to reach. With `publicOnly` the name is
 * resolved first, and only an address that was looked at is connected to, none of this machine among them.
 *
 * @param resolve how names are resolved; default: as the system does.
 * @param isOwn which addresses are of this machine; default: those of its interfaces.
 */
export function httpFetch(
  timeoutMs: number = DEFAULT_TIMEOUT_MS,
  resolve: typeof lookup = lookup,
  isOwn: (address: string) => boolean = isOwnAddress,
): Fetch {
  const mayReach = (address: string) => isPublicAddress(address) && !isOwn(address)
  return async (request) => {
    const signal = AbortSignal.timeout(timeoutMs)
    try {
      const response = await open(request, signal, { resolve, mayReach })
      if (response.statusCode === 200) return await readAtMost(response, request.mostBytes)
      response.destroy()
      throw new Error(`the server answered ${response.statusCode}`)
    } catch (error) {
      const problem = signal.aborted ? `no answer in ${timeoutMs / 1000} s` : problemOf(error)
      throw new Error(problem, { cause: error })
    }
  }
}

interface Network {
  readonly resolve: typeof lookup
  /** For whoever has proved nothing. */
  readonly mayReach: (address: string) => boolean
}

function open(
  { url, body, contentType, publicOnly }: FetchRequest,
  signal: AbortSignal,
  network: Network,
): Promise<IncomingMessage> {
  const target = new URL(url)
  const host = target.hostname.replace(/^\[|\]$/g, '')
  if (publicOnly === true && isIP(host) !== 0 && !network.mayReach(host)) throw notPublic(host, [host])
  const options: RequestOptions = {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...(contentType === undefined ? {} : { 'content-type': contentType }),
      ...(body === undefined ? {} : { 'content-length': body.length }),
    },
    signal,
    // A connection that is kept could be one to an address that nobody looked at.
    agent: false,
    ...(publicOnly === true ? { lookup: publicLookup(network) } : {}),
  }
  return new Promise((onResponse, onError) => {
    const send = target.protocol === 'https:' ? requestHttps : requestHttp
    send(target, options, onResponse).on('error', onError).end(body)
  })
}

/** Finds only addresses that may be reached. */
const publicLookup =
  ({ resolve, mayReach }: Network): LookupFunction =>
  (host, options, done) => {
    resolve(host, { ...options, all: true }, (error, found: LookupAddress[] = []) => {
      const allowed = found.filter(({ address }) => mayReach(address))
      const [first] = allowed
      if (error !== null) done(error, '')
      else if (first === undefined)
        done(
          notPublic(
            host,
            found.map(({ address }) => address),
          ),
          '',
        )
      else if (options.all === true) done(null, allowed)
      else done(null, first.address, first.family)
    })
  }

const notPublic = (host: string, addresses: readonly string[]): Error =>
  new Error(
    `${host} is at ${addresses.join(', ') || 'no address'}, which is not public or is this machine, and a peer that has proved nothing names it: list the host in hashAndUrl where it may`,
  )

async function readAtMost(response: IncomingMessage, mostBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response as AsyncIterable<Uint8Array>) {
    length += part.length
    // Leaving the loop ends the connection.
    if (length > mostBytes) throw new Error(`the answer is longer than ${mostBytes} octets`)
    parts.push(part)
  }
  const all = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Several addresses that all fail make an error whose message is empty; its code tells why. */
function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.message === '' && 'code' in error ? String(error.code) : error.message
}
