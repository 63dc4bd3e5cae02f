import { equalBytes, plainBytes } from '../bytes/index.ts'
import type { CryptoProvider } from '../crypto/provider.ts'
import { DecodeError } from '../errors.ts'
import { formatIp, type IpAddress, type SocketAddress } from '../ip/address.ts'
import { numberAttribute, RadiusType, radiusNumber, radiusText, radiusValue } from './attributes.ts'
import type { RadiusNas } from './nas.ts'
import { decodeRadiusPacket, type RadiusAttribute, RadiusCode, type RadiusPacket } from './packet.ts'
import { encodeResponse, isHashedRequest, messageAuthenticator } from './signing.ts'

/** Whom a Disconnect-Request means: all that is set has to fit. RFC 5176 §3. */
export interface DisconnectTarget {
  readonly sessionId: string | undefined
  readonly userName: string | undefined
  /** Framed-IP-Address or Framed-IPv6-Address, as text. */
  readonly address: string | undefined
  readonly callingStationId: string | undefined
  /** The connection, as we tell it. It narrows what the others name, and names nobody alone. */
  readonly nasPortId: string | undefined
}

/** What a CoA-Request sets anew; undefined: it stays. Seconds from its arrival. RFC 2865 §5.27, §5.28. */
export interface SessionChange {
  readonly sessionTimeout: number | undefined
  readonly idleTimeout: number | undefined
}

export interface DisconnectServerOptions {
  readonly crypto: CryptoProvider
  /** Who may send requests, each with its secret; any port. */
  readonly clients: readonly { readonly address: IpAddress; readonly secret: Uint8Array }[]
  readonly nas: RadiusNas
  /** Ends the sessions that are meant, and says how many there were. */
  readonly disconnect: (target: DisconnectTarget) => number
  /** Changes the sessions that are meant, and says how many there were. Default: nothing of a session can be changed. */
  readonly change?: (target: DisconnectTarget, change: SessionChange) => number
  /** Seconds since 1970; requests older or newer than 300 of them are dropped. RFC 5176 §6.3. */
  readonly seconds: () => number
}

/**
 * Takes Disconnect-Requests and CoA-Requests (UDP port 3799) and answers them. Of a session only its times can be changed. Requests that
 * are repeated get the same answer. RFC 5176.
 */
export class DisconnectServer {
  readonly #options: DisconnectServerOptions
  /** The last answers, by client, identifier and authenticator: a hash of the whole request. */
  readonly #answered = new Map<string, Uint8Array>()

  constructor(options: DisconnectServerOptions) {
    this.#options = options
  }

  /** The answer for whoever sent `datagram` (borrowed), undefined for what is dropped. */
  receive(datagram: Uint8Array, from: SocketAddress): Uint8Array | undefined {
    const octets = plainBytes(datagram)
    const { crypto, clients } = this.#options
    const client = clients.find(({ address }) => equalBytes(address, from.address))
    const packet = client && decoded(octets)
    if (packet === undefined || !isHashedRequest(crypto, octets, client!.secret)) return undefined
    const zeros = new Uint8Array(16)
    if (messageAuthenticator(crypto, octets, zeros, client!.secret) === 'wrong') return undefined
    const sent = radiusNumber(packet.attributes, RadiusType['Event-Timestamp'])
    if (sent !== undefined && Math.abs(sent - this.#options.seconds()) > 300) return undefined
    // With a time in it, nobody sends the same request twice from two ports but who has recorded it.
    const port = sent === undefined ? from.port : ''
    const key = `${formatIp(from.address)} ${port} ${packet.identifier} ${packet.authenticator.join()}`
    const before = this.#answered.get(key)
    if (before !== undefined) return before
    const answer = this.#answer(packet)
    if (answer === undefined) return undefined
    const reply = encodeResponse(crypto, answer, packet.authenticator, client!.secret)
    this.#remember(key, reply)
    return reply
  }

  #answer({ code, identifier, attributes }: RadiusPacket): Omit<RadiusPacket, 'authenticator'> | undefined {
    // State and Proxy-State come back as they were. RFC 5176 §3.1.
    const same = attributes.filter(({ type }) => type === proxyState)
    const no = (negative: number, cause: number) => ({
      code: negative,
      identifier,
      attributes: [numberAttribute(RadiusType['Error-Cause'], cause), ...same],
    })
    const isCoa = code === RadiusCode.CoaRequest
    if (!isCoa && code !== RadiusCode.DisconnectRequest) return undefined
    const [ack, nak] = isCoa
      ? [RadiusCode.CoaAck, RadiusCode.CoaNak]
      : [RadiusCode.DisconnectAck, RadiusCode.DisconnectNak]
    const cause = isCoa ? this.#changed(attributes) : this.#disconnected(attributes)
    return cause === undefined ? { code: ack, identifier, attributes: same } : no(nak, cause)
  }

  /** The Error-Cause, undefined when it is done. */
  #disconnected(attributes: readonly RadiusAttribute[]): number | undefined {
    const target = this.#target(attributes)
    if (typeof target === 'number') return target
    if (attributes.some(({ type }) => notCompared.has(type))) return unsupportedAttribute
    return this.#options.disconnect(target) === 0 ? noSuchSession : undefined
  }

  /** The same. Either all that the request sets is taken, or nothing. RFC 5176 §2.2, §3.2. */
  #changed(attributes: readonly RadiusAttribute[]): number | undefined {
    const { change } = this.#options
    // Service-Type: the session is to be authorized anew, which its peer alone can begin. RFC 5176 §3.2.
    if (change === undefined || attributes.some(({ type }) => type === RadiusType['Service-Type']))
      return unsupportedService
    const target = this.#target(attributes)
    if (typeof target === 'number') return target
    if (attributes.some(({ type }) => !mayStand.has(type))) return unsupportedAttribute
    const sessionTimeout = radiusNumber(attributes, RadiusType['Session-Timeout'])
    const idleTimeout = radiusNumber(attributes, RadiusType['Idle-Timeout'])
    if (sessionTimeout === undefined && idleTimeout === undefined) return missingAttribute
    return change(target, { sessionTimeout, idleTimeout }) === 0 ? noSuchSession : undefined
  }

  /** Whom it means, or the Error-Cause. */
  #target(attributes: readonly RadiusAttribute[]): DisconnectTarget | number {
    if (!this.#isForUs(attributes)) return nasMismatch
    const target = targetOf(attributes)
    const { nasPortId: _, ...named } = target
    return Object.values(named).every((part) => part === undefined) ? missingAttribute : target
  }

  #isForUs(attributes: readonly RadiusAttribute[]): boolean {
    const { identifier, address } = this.#options.nas
    const name = radiusText(attributes, RadiusType['NAS-Identifier'])
    const number =
      radiusValue(attributes, RadiusType['NAS-IP-Address']) ?? radiusValue(attributes, RadiusType['NAS-IPv6-Address'])
    if (name !== undefined && name !== identifier) return false
    return number === undefined || address === undefined || equalBytes(number, address)
  }

  #remember(key: string, reply: Uint8Array): void {
    if (this.#answered.size >= 256) {
      const [oldest] = this.#answered.keys()
      this.#answered.delete(oldest!)
    }
    this.#answered.set(key, reply)
  }
}

function targetOf(attributes: readonly RadiusAttribute[]): DisconnectTarget {
  const address =
    radiusValue(attributes, RadiusType['Framed-IP-Address']) ??
    radiusValue(attributes, RadiusType['Framed-IPv6-Address'])
  return {
    sessionId: radiusText(attributes, RadiusType['Acct-Session-Id']),
    userName: radiusText(attributes, RadiusType['User-Name']),
    address: address?.length === 4 || address?.length === 16 ? formatIp(address) : undefined,
    callingStationId: radiusText(attributes, RadiusType['Calling-Station-Id']),
    nasPortId: radiusText(attributes, RadiusType['NAS-Port-Id']),
  }
}

function decoded(octets: Uint8Array): RadiusPacket | undefined {
  try {
    return decodeRadiusPacket(octets)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** True for the code of an answer that says yes. */
export const isAcknowledgement = (code: number): boolean =>
  code === RadiusCode.DisconnectAck || code === RadiusCode.CoaAck

const proxyState = 33
/** Error-Cause. RFC 5176 §3.5. */
const missingAttribute = 402
const nasMismatch = 403
const unsupportedService = 405
const noSuchSession = 503
const unsupportedAttribute = 401

/**
 * What narrows a request to fewer sessions, and is not known of ours: NAS-Port, Called-Station-Id, Acct-Multi-Session-Id,
 * Chargeable-User-Identity, Originating-Line-Info, Framed-Interface-Id, Framed-IPv6-Prefix. Without it more would end than is meant. RFC 5176 §3.
 */
const notCompared: ReadonlySet<number> = new Set([5, 30, 50, 89, 94, 96, 97])

/** What names the NAS and the session in a CoA-Request, and what can be changed. RFC 5176 §3. */
const mayStand = new Set<number>(
  [
    ...(['User-Name', 'NAS-IP-Address', 'NAS-IPv6-Address', 'NAS-Identifier', 'NAS-Port-Id', 'NAS-Port-Type'] as const),
    ...(['Framed-IP-Address', 'Framed-IPv6-Address', 'Calling-Station-Id', 'Acct-Session-Id'] as const),
    ...(['Event-Timestamp', 'Message-Authenticator', 'Session-Timeout', 'Idle-Timeout'] as const),
  ].map((name) => RadiusType[name]),
).add(proxyState)
