import { equalBytes, plainBytes } from '../bytes/index.ts'
import type { CryptoProvider, RandomSource } from '../crypto/provider.ts'
import { DecodeError } from '../errors.ts'
import { formatSocketAddress, type SocketAddress } from '../ip/address.ts'
import { RadiusType, radiusValue } from './attributes.ts'
import { decodeRadiusPacket, type RadiusAttribute, RadiusCode, type RadiusPacket } from './packet.ts'
import { encodeHashedRequest, encodeSignedRequest, isResponse, messageAuthenticator } from './signing.ts'

export interface RadiusServer {
  readonly at: SocketAddress
  /** Shared with this server; borrowed, never logged. */
  readonly secret: Uint8Array
}

export interface RadiusClientOptions {
  readonly crypto: CryptoProvider
  readonly random: RandomSource
  /** In order of preference. */
  readonly servers: readonly RadiusServer[]
  /** Hands a datagram to UDP; `octets` may be kept. */
  readonly send: (octets: Uint8Array, to: SocketAddress) => void
  /** Before the first retransmission, ms; doubled each time. */
  readonly timeoutMs?: number
  /** Datagrams to one server before the next one is asked. */
  readonly tries?: number
  /** How long a server that did not answer is asked last, ms. */
  readonly deadMs?: number
}

export interface RadiusRequest {
  readonly code: 1 | 4
  readonly attributes: readonly RadiusAttribute[]
  /** Only this server, by its number: State belongs to it. */
  readonly server?: number
}

/** Octets are owned by the caller. `server`: the number of the one that answered. */
export type RadiusOutcome =
  | {
      readonly ok: true
      readonly code: number
      readonly attributes: readonly RadiusAttribute[]
      readonly requestAuthenticator: Uint8Array
      readonly server: number
    }
  | { readonly ok: false; readonly message: string }

/** Why a datagram was not taken; for counters and debugging. */
export type RadiusDrop = 'malformed' | 'unknown' | 'wrong-authenticator' | 'no-message-authenticator'

/**
 * A client of RADIUS without sockets and clocks: `send` gets datagrams, `receive` takes them, `due` is to be called at `next()`. Times are
 * monotonic ms. Access-Requests are signed, and an answer to one without a right Message-Authenticator is dropped. RFC 2865 §§2.4 to 2.6,
 * RFC 2866, RFC 3579 §3.2.
 */
export class RadiusClient {
  readonly #options: Required<RadiusClientOptions>
  readonly #pending = new Map<string, Pending>()
  /** Until when each server is asked last. */
  readonly #deadUntil: number[]
  readonly #lastIdentifier: number[]

  constructor(options: RadiusClientOptions) {
    this.#options = { timeoutMs: 2000, tries: 3, deadMs: 60_000, ...options }
    this.#deadUntil = options.servers.map(() => Number.NEGATIVE_INFINITY)
    this.#lastIdentifier = options.servers.map(() => options.random(1)[0]!)
  }

  /** `done` is called once: with the answer, or when no server gave one. */
  request(request: RadiusRequest, now: number, done: (outcome: RadiusOutcome) => void): void {
    const { servers } = this.#options
    if (servers.length === 0) return done({ ok: false, message: 'no RADIUS server is set' })
    const order = request.server === undefined ? this.#order(now) : [request.server]
    this.#ask({ request, done, order, asked: [] }, now)
  }

  /** What came from `from`, borrowed; undefined when it was the answer to a request. */
  receive(datagram: Uint8Array, from: SocketAddress): RadiusDrop | undefined {
    const octets = plainBytes(datagram)
    const packet = decoded(octets)
    if (packet === undefined) return 'malformed'
    const server = this.#options.servers.findIndex(({ at }) => isSame(at, from))
    const pending = this.#pending.get(keyOf(server, packet.identifier))
    if (pending === undefined || !answers(pending.request.code, packet.code)) return 'unknown'
    const { crypto, servers } = this.#options
    const { secret } = servers[server]!
    if (!isResponse(crypto, octets, pending.authenticator, secret)) return 'wrong-authenticator'
    const signed = messageAuthenticator(crypto, octets, pending.authenticator, secret)
    if (signed === 'wrong') return 'wrong-authenticator'
    // Without it an attacker on the path can make any answer of a refusal (CVE-2024-3596).
    if (signed === 'missing' && packet.code !== RadiusCode.AccountingResponse) return 'no-message-authenticator'
    this.#pending.delete(keyOf(server, packet.identifier))
    this.#deadUntil[server] = Number.NEGATIVE_INFINITY
    const attributes = packet.attributes.map(({ type, value }) => ({ type, value: value.slice() }))
    pending.done({ ok: true, code: packet.code, attributes, requestAuthenticator: pending.authenticator, server })
    return undefined
  }

  /** When `due` has something to do. */
  next(): number | undefined {
    let earliest: number | undefined
    for (const { at } of this.#pending.values()) if (earliest === undefined || at < earliest) earliest = at
    return earliest
  }

  /** Retransmits, and goes to the next server. RFC 2865 §2.5. */
  due(now: number): void {
    const { tries, timeoutMs, deadMs, servers } = this.#options
    for (const [key, pending] of [...this.#pending]) {
      if (pending.at > now) continue
      if (pending.sent < tries) {
        pending.at = now + timeoutMs * 2 ** pending.sent
        pending.sent++
        this.#options.send(pending.octets, servers[pending.server]!.at)
        continue
      }
      this.#pending.delete(key)
      this.#deadUntil[pending.server] = now + deadMs
      this.#ask(pending, now)
    }
  }

  /** Ends all requests. */
  close(): void {
    for (const { done } of this.#pending.values()) done({ ok: false, message: 'the RADIUS client was closed' })
    this.#pending.clear()
  }

  #order(now: number): readonly number[] {
    const all = this.#deadUntil.map((until, server) => ({ server, dead: until > now }))
    return [...all.filter(({ dead }) => !dead), ...all.filter(({ dead }) => dead)].map(({ server }) => server)
  }

  #ask({ request, done, order, asked }: Asking, now: number): void {
    const [server, ...others] = order
    const { servers, timeoutMs, crypto, random, send } = this.#options
    if (server === undefined || servers[server] === undefined) {
      const names = asked.map((number) => formatSocketAddress(servers[number]!.at)).join(', ')
      return done({ ok: false, message: `no answer of RADIUS at ${names}` })
    }
    const identifier = this.#freeIdentifier(server)
    if (identifier === undefined) return done({ ok: false, message: 'too many requests to RADIUS are under way' })
    const { secret, at: to } = servers[server]!
    const authenticator = random(16, 'nonce')
    const packet = { code: request.code, identifier, authenticator, attributes: request.attributes }
    const octets =
      request.code === RadiusCode.AccessRequest
        ? encodeSignedRequest(crypto, packet, secret)
        : encodeHashedRequest(crypto, packet, secret)
    const pending: Pending = {
      request,
      done,
      order: others,
      asked: [...asked, server],
      server,
      octets,
      authenticator: octets.slice(4, 20),
      sent: 1,
      at: now + timeoutMs,
    }
    this.#pending.set(keyOf(server, identifier), pending)
    send(octets, to)
  }

  #freeIdentifier(server: number): number | undefined {
    for (let tried = 0; tried < 256; tried++) {
      const identifier = (this.#lastIdentifier[server]! + 1) & 0xff
      this.#lastIdentifier[server] = identifier
      if (!this.#pending.has(keyOf(server, identifier))) return identifier
    }
    return undefined
  }
}

interface Asking {
  readonly request: RadiusRequest
  readonly done: (outcome: RadiusOutcome) => void
  /** Servers that are left to ask. */
  readonly order: readonly number[]
  readonly asked: readonly number[]
}

interface Pending extends Asking {
  readonly server: number
  readonly octets: Uint8Array
  readonly authenticator: Uint8Array
  sent: number
  /** When it is sent again or given up. */
  at: number
}

const keyOf = (server: number, identifier: number): string => `${server}/${identifier}`

const isSame = (a: SocketAddress, b: SocketAddress): boolean => a.port === b.port && equalBytes(a.address, b.address)

const answers = (request: number, response: number): boolean =>
  request === RadiusCode.AccountingRequest
    ? response === RadiusCode.AccountingResponse
    : response === RadiusCode.AccessAccept ||
      response === RadiusCode.AccessReject ||
      response === RadiusCode.AccessChallenge

function decoded(octets: Uint8Array): RadiusPacket | undefined {
  try {
    return decodeRadiusPacket(octets)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** State of an answer, which the next request to that server repeats. RFC 2865 §5.24. */
export const stateOf = (attributes: readonly RadiusAttribute[]): readonly RadiusAttribute[] => {
  const value = radiusValue(attributes, RadiusType.State)
  return value === undefined ? [] : [{ type: RadiusType.State, value }]
}
