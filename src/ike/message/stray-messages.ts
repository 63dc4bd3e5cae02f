import { readU32 } from '../../bytes/index.ts'
import type { SocketAddress } from '../../ip/address.ts'
import { decodeMessage, ExchangeType, encodeMessage, type IkeHeader, NotifyType, type Payload } from '../codec/index.ts'
import { AnswerShares } from '../gate/answer-shares.ts'
import type { IkeSa } from '../ike-sa.ts'
import { livenessTask } from '../path/path-changes.ts'
import { copyEndpoint, type IkeRuntime, type Path, sameAddress } from '../runtime.ts'
import { startDelete } from '../tasks/child-delete.ts'
import { InvalidSpi, invalidSpi } from '../tasks/invalid-spi.ts'
import { emitMessage } from './message-event.ts'
import { findNotify, notify } from './notifies.ts'

/** Answers without an IKE_SA in 1 to 2 s: enough for peers that we have forgotten, too few to be of use in a flood. */
const MOST_ANSWERS = { windowMs: 2_000, ofAll: 200, ofOne: 10 }
/** A hint that anybody may have forged leads to no more than one question in this time. */
const HINT_PAUSE_MS = 10_000
/** The peer's data plane may not know a CHILD_SA that is this young. */
const YOUNG_MS = 5_000

/** What goes out without an IKE_SA and its protection, in limited number. RFC 7296 §1.5, §2.21.4. */
export class StrayMessages {
  readonly #runtime: IkeRuntime
  readonly #answers = new AnswerShares(MOST_ANSWERS)

  constructor(runtime: IkeRuntime) {
    this.#runtime = runtime
  }

  /** True when one more answer to the stranger there may go out, which is then counted. */
  mayAnswer({ remote }: Path): boolean {
    return this.#answers.take(remote.address, this.#runtime.now)
  }

  /**
   * Answers a request for an IKE_SA that is not here; a response is never answered. What `makeToken` gives proves that we forgot it.
   * RFC 7296 §1.5, RFC 6290 §4.5.
   */
  // <-- HDR, SK {...}
  // HDR, N(INVALID_IKE_SPI), [N(QUICK_CRASH_DETECTION)] -->
  answerUnknown(header: IkeHeader, path: Path, makeToken: () => Uint8Array | undefined): void {
    // Without an SPI of ours it was never of an IKE_SA: it is one-way, as INVALID_SPI is, and not to be answered (RFC 7296 §1.5).
    const isOneWay = header.SPIr.every((octet) => octet === 0)
    if (header.flags.response || isOneWay || !this.mayAnswer(path)) return
    const token = makeToken()
    const ofToken = token === undefined ? [] : [notify(NotifyType.QUICK_CRASH_DETECTION, token)]
    const flags = { initiator: !header.flags.initiator, response: true, higherVersion: false }
    this.#send({ ...header, minorVersion: 0, flags }, [notify(NotifyType.INVALID_IKE_SPI), ...ofToken], path)
  }

  /**
   * An ESP packet came with an SPI that no CHILD_SA has. Its sender is told inside the IKE_SA with it, which is returned, or
   * without one when there is none. RFC 7296 §1.5.
   */
  unknownSpi(spi: number, path: Path, sas: Iterable<IkeSa>): IkeSa | undefined {
    if (this.#runtime.children.ofInbound(spi) !== undefined) return undefined
    for (const sa of sas) {
      if (sa.state !== 'established' || !sameAddress(sa.path.remote.address, path.remote.address)) continue
      if (sa.findTask((task) => task instanceof InvalidSpi) === undefined) sa.enqueue(new InvalidSpi(spi))
      return sa
    }
    if (this.mayAnswer(path)) this.#tellInvalidSpi(spi, { local: inUdp(path.local), remote: inUdp(path.remote) })
    return undefined
  }

  // HDR(A, 0), N(INVALID_SPI) -->
  #tellInvalidSpi(spi: number, path: Path): void {
    const header: IkeHeader = {
      // There is no IKE_SA to name: any SPI will do.
      SPIi: this.#runtime.random(8),
      SPIr: new Uint8Array(8),
      majorVersion: 2,
      minorVersion: 0,
      exchangeType: ExchangeType.INFORMATIONAL,
      flags: { initiator: true, response: false, higherVersion: false },
      messageId: 0,
      length: 0,
    }
    this.#send(header, [invalidSpi(spi)], path)
  }

  #send(header: IkeHeader, payloads: readonly Payload[], path: Path): void {
    const message = encodeMessage(header, payloads)
    this.#runtime.send(copyEndpoint(path.local), copyEndpoint(path.remote), message)
    const seen = { header, payloads, encrypted: false, bytes: message.length }
    emitMessage(this.#runtime, undefined, 'out', path, seen)
  }
}

/** ESP that came without UDP has no ports: IKE is spoken on port 500 there. */
const inUdp = (endpoint: SocketAddress): SocketAddress => (endpoint.port === 0 ? { ...endpoint, port: 500 } : endpoint)

/**
 * The IKE_SA whose peer is said not to know an outbound SPI of ours any more, by a message that is not protected. Undefined when
 * the message says nothing of the kind. Throws `DecodeError`. RFC 7296 §1.5.
 */
// <-- HDR(A, 0), N(INVALID_SPI)
export function namedByInvalidSpi(runtime: IkeRuntime, header: IkeHeader, message: Uint8Array, path: Path) {
  if (header.exchangeType !== ExchangeType.INFORMATIONAL || header.flags.response) return undefined
  const spi = spiOf(decodeMessage(message).payloads)
  return spi === undefined ? undefined : runtime.children.ofOutbound(path.remote.address, spi)?.sa
}

/** Somebody, perhaps not the peer, says that the peer has lost what we share: it is asked whether it lives, and no more. */
export function hint(sa: IkeSa): void {
  const { now } = sa.runtime
  if (sa.state !== 'established' || !sa.isQuiet || now < sa.hintsFrom) return
  sa.hintsFrom = now + HINT_PAUSE_MS
  sa.enqueue(livenessTask(sa))
}

/** The peer itself says that a CHILD_SA through which we send is not there: we end our half of it. RFC 7296 §1.5. */
export function heedInvalidSpi(sa: IkeSa, payloads: readonly Payload[]): void {
  const spi = spiOf(payloads)
  const child = sa.children.find(({ spiOut, state }) => spiOut === spi && state === 'installed')
  if (child === undefined || sa.findTask(({ subject }) => subject === child) !== undefined) return
  if (sa.runtime.now - (child.status().installedAt ?? 0) >= YOUNG_MS) startDelete(child, 'peer')
}

function spiOf(payloads: readonly Payload[]): number | undefined {
  const data = findNotify(payloads, NotifyType.INVALID_SPI)?.data
  return data?.length === 4 ? readU32(data, 0) : undefined
}
