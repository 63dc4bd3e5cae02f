import { DecodeError } from '../../errors.ts'
import {
  decodeMessage,
  decodePayloads,
  type IkeHeader,
  NotifyType,
  type Payload,
  type SkfPayload,
} from '../codec/index.ts'
import { explainForgotten, provesCrash } from '../gate/crash-tokens.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { Path } from '../runtime.ts'
import { packetBytes, safeBytes } from './fragmentation.ts'
import type { MessageProtector } from './message-crypto.ts'
import { decodeOr, drop } from './message-drop.ts'
import type { RequestOrder } from './message-window.ts'
import { findNotify } from './notifies.ts'
import { MOST_FRAGMENTS } from './reassembly.ts'
import { reassemblyChanged } from './reassembly-timer.ts'

/** An authenticated message, whole or put together. */
export interface ArrivedMessage {
  readonly payloads: readonly Payload[]
  readonly firstPayload: number
  /** The payloads as octets. */
  readonly plaintext: Uint8Array
  /** The datagram that stands for the message: the only one, or fragment 1. */
  readonly datagram: Uint8Array
  /** Octets of all its datagrams. */
  readonly bytes: number
  /** Octets of the IP packet that an answer should not exceed. */
  readonly answerBytes: number
}

/** What is inside of an authenticated message is malformed. */
export class MalformedInside {
  readonly error: DecodeError
  readonly datagram: Uint8Array

  constructor(error: DecodeError, datagram: Uint8Array) {
    this.error = error
    this.datagram = datagram
  }
}

/**
 * Opens what came. Undefined when there is nothing to process: it was dropped, or it is a fragment and others are
 * missing. A fragment of a retransmission stands for the whole when it is the first. RFC 7296 §3.14, RFC 7383 §2.6.
 */
export function openMessage(
  sa: IkeSa,
  header: IkeHeader,
  order: RequestOrder,
  protector: MessageProtector,
  message: Uint8Array,
  path: Path,
): ArrivedMessage | MalformedInside | undefined {
  const outer = decodeOr(() => decodeMessage(message).payloads, sa.runtime, path)
  if (outer === undefined) return undefined
  const last = outer.at(-1)
  if (last?.kind === 'SKF') return takeFragment(sa, header, order, protector, last, message, path)
  if (last?.kind === 'SK') return openWhole(sa, header, protector, message, outer.filter(isForeign), path)
  if (header.flags.response) takeUnprotectedAnswer(sa, outer)
  drop(sa.runtime, path, 'malformed', 'no Encrypted payload (RFC 7296 §3.14)')
  return undefined
}

/**
 * A payload before SK that must be understood: the ICV covers it, and the rules of payloads will refuse it. Known ones
 * have no business there. RFC 7296 §2.5, §3.14.
 */
const isForeign = (payload: Payload): boolean => payload.kind === 'unknown' && payload.critical

/**
 * An answer to a request of ours that is not protected. It ends the IKE_SA if it holds the token that the peer gave us for that.
 * Else it is no more than a hint, and the request that it answers asks the peer already. RFC 6290 §4.3, RFC 7296 §2.21.4.
 */
function takeUnprotectedAnswer(sa: IkeSa, payloads: readonly Payload[]): void {
  if (provesCrash(sa, payloads)) {
    const refusal = explainForgotten()
    sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal })
    sa.close('timeout', refusal)
  } else if (findNotify(payloads, NotifyType.INVALID_IKE_SPI) !== undefined) {
    sa.lastProblem = 'INVALID_IKE_SPI, which anybody may have sent'
  }
}

function openWhole(
  sa: IkeSa,
  header: IkeHeader,
  protector: MessageProtector,
  message: Uint8Array,
  foreign: readonly Payload[],
  path: Path,
): ArrivedMessage | MalformedInside | undefined {
  return insideOf(message, () => {
    const opened = protector.open(message)
    if (!opened.ok) return badIntegrity(sa, header, path)
    sa.reassembly.forget(keyOf(header))
    reassemblyChanged(sa)
    const { firstPayload, plaintext } = opened
    const payloads = [...foreign, ...opened.payloads]
    const answerBytes = Number.POSITIVE_INFINITY
    return { payloads, firstPayload, plaintext, datagram: message, bytes: message.length, answerBytes }
  })
}

function takeFragment(
  sa: IkeSa,
  header: IkeHeader,
  order: RequestOrder,
  protector: MessageProtector,
  { fragmentNumber, totalFragments }: SkfPayload,
  message: Uint8Array,
  path: Path,
): ArrivedMessage | MalformedInside | undefined {
  const key = keyOf(header)
  if (!sa.abilities.fragmentation) {
    drop(sa.runtime, path, 'bad-fragment', 'fragments were not agreed on (RFC 7383 §2.3)')
    return undefined
  }
  if (totalFragments > MOST_FRAGMENTS) {
    drop(sa.runtime, path, 'bad-fragment', `a message in ${totalFragments} fragments`)
    return undefined
  }
  const isRepeated = order === 'retransmit'
  if (isRepeated ? fragmentNumber !== 1 : !sa.reassembly.wants(key, fragmentNumber, totalFragments)) return undefined
  return insideOf(message, () => {
    const fragment = protector.openFragment(message)
    if (!fragment.ok) return badIntegrity(sa, header, path)
    if (isRepeated) return { ...repeated, datagram: message, bytes: message.length }
    const whole = sa.reassembly.add(key, fragment, message, sa.runtime.now)
    reassemblyChanged(sa)
    if (whole === 'too-long') drop(sa.runtime, path, 'bad-fragment', 'the fragments of its messages hold too much')
    if (typeof whole !== 'object') return undefined
    const { firstPayload, plaintext, bytes, largest } = whole
    const answerBytes = Math.max(packetBytes(sa, path, largest), safeBytes(path))
    return insideOf(whole.first, () => {
      const payloads = decodePayloads(firstPayload, plaintext, 0)
      return { payloads, firstPayload, plaintext, datagram: whole.first, bytes, answerBytes }
    })
  })
}

/** What a retransmitted request holds is of no concern: its answer is there. */
const repeated = {
  payloads: [],
  firstPayload: 0,
  plaintext: new Uint8Array(0),
  answerBytes: Number.POSITIVE_INFINITY,
} as const

function insideOf<T>(datagram: Uint8Array, open: () => T): T | MalformedInside {
  try {
    return open()
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return new MalformedInside(error, datagram)
  }
}

function badIntegrity(sa: IkeSa, header: IkeHeader, path: Path): undefined {
  drop(sa.runtime, path, 'bad-integrity', `message id ${header.messageId}`)
}

/** Requests and responses have message ids of their own. */
const keyOf = ({ messageId, flags }: IkeHeader): number => 2 * messageId + (flags.response ? 1 : 0)
