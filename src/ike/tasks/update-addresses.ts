import { equalConstantTime } from '../../bytes/index.ts'
import { PeerError } from '../../errors.ts'
import { ExchangeType, NotifyType, type Payload } from '../codec/index.ts'
import { explainUpdateRefused } from '../explain/explain-mobike.ts'
import type { IkeSa } from '../ike-sa.ts'
import { findErrorNotify, findNotify, notify } from '../message/notifies.ts'
import {
  additionalAddresses,
  addressesText,
  candidatePaths,
  formatPath,
  MOST_PATHS,
  natPayloads,
  noteNat,
  samePath,
} from '../path/mobike.ts'
import type { Path } from '../runtime.ts'
import type { ResponseMessage, Task } from '../task.ts'

/** RFC 4555 §4.2.5: 8 to 64 octets. */
const COOKIE2_BYTES = 16

/** Tells the peer which path is used from here on, for the IKE_SA and its CHILD_SAs. RFC 4555 §3.5. */
export class UpdateAddresses implements Task {
  readonly name = 'update-addresses'
  readonly exchangeType = ExchangeType.INFORMATIONAL
  #sa: IkeSa
  readonly #cookie: Uint8Array
  #told: Path

  constructor(sa: IkeSa) {
    this.#sa = sa
    this.#told = sa.path
    this.#cookie = sa.runtime.random(COOKIE2_BYTES)
  }

  // HDR, SK {N(UPDATE_SA_ADDRESSES), N(NAT_DETECTION_*), N(COOKIE2)} -->
  buildRequest(): Payload[] {
    this.#told = this.#sa.path
    return [
      notify(NotifyType.UPDATE_SA_ADDRESSES),
      ...natPayloads(this.#sa, this.#told),
      ...addressList(this.#sa),
      notify(NotifyType.COOKIE2, this.#cookie),
    ]
  }

  // <-- HDR, SK {N(NAT_DETECTION_*), N(COOKIE2)} | SK {N(UNACCEPTABLE_ADDRESSES | UNEXPECTED_NAT_DETECTED)}
  processResponse({ payloads, path }: ResponseMessage): 'done' | 'again' {
    const sa = this.#sa
    checkCookie(payloads, this.#cookie)
    // Where it moved once more while this was under way, the peer has to hear of that, whatever it answered.
    if (!samePath(sa.path, this.#told)) return 'again'
    const error = findErrorNotify(payloads)
    if (error !== undefined) return this.#refused(error.notify)
    noteNat(sa, payloads, path)
    noteMapping(sa, payloads)
    return 'done'
  }

  moveTo(sa: IkeSa): void {
    this.#sa = sa
  }

  abandon(): void {}

  #refused(type: number): 'done' {
    const sa = this.#sa
    const refusal = explainUpdateRefused(sa.connection, type, formatPath(this.#told))
    sa.runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal })
    sa.refusedPaths.push(this.#told)
    const next = candidatePaths(sa).find((path) => !sa.refusedPaths.some((refused) => samePath(refused, path)))
    // A peer that names new addresses with each refusal would lead us on for ever.
    if (next === undefined || sa.refusedPaths.length >= MOST_PATHS) sa.delete('refused', refusal)
    else sa.changePath(next)
    return 'done'
  }
}

/** Tells the deciding peer which addresses we have. RFC 4555 §3.6. */
export class TellAddresses implements Task {
  readonly name = 'tell-addresses'
  readonly exchangeType = ExchangeType.INFORMATIONAL
  #sa: IkeSa

  constructor(sa: IkeSa) {
    this.#sa = sa
  }

  // HDR, SK {N(ADDITIONAL_IP4_ADDRESS | ADDITIONAL_IP6_ADDRESS)+ | N(NO_ADDITIONAL_ADDRESSES)} -->
  buildRequest(): Payload[] {
    return addressList(this.#sa)
  }

  processResponse(): 'done' {
    return 'done'
  }

  moveTo(sa: IkeSa): void {
    this.#sa = sa
  }

  abandon(): void {}
}

/** The subject of all questions whether the peer is somewhere else. */
export const probes = {}

/**
 * Asks whether the peer really is where its packets seem to come from, and moves there when the answer comes from there too. The
 * request goes to both places in turn, so that it is answered in any case. RFC 4555 §3.7.
 */
export class ProbePath implements Task {
  readonly name = 'probe-path'
  readonly exchangeType = ExchangeType.INFORMATIONAL
  readonly subject = probes
  readonly target: Path
  #sa: IkeSa
  readonly #cookie: Uint8Array

  constructor(sa: IkeSa, target: Path) {
    this.#sa = sa
    this.target = target
    this.#cookie = sa.runtime.random(COOKIE2_BYTES)
  }

  paths(): readonly Path[] {
    return samePath(this.target, this.#sa.path) ? [this.target] : [this.target, this.#sa.path]
  }

  // HDR, SK {N(COOKIE2)} -->
  buildRequest(): Payload[] {
    this.#sa.alsoAt = undefined
    return [notify(NotifyType.COOKIE2, this.#cookie)]
  }

  // <-- HDR, SK {N(COOKIE2)}
  processResponse({ payloads, path }: ResponseMessage): 'done' {
    checkCookie(payloads, this.#cookie)
    const sa = this.#sa
    if (samePath(path, this.target) && !samePath(path, sa.path)) sa.moveTo(path)
    return 'done'
  }

  moveTo(sa: IkeSa): void {
    this.#sa = sa
  }

  abandon(): void {}
}

/** Asks whether the peer lives and, behind a NAT, whether its mapping of us is still the same. RFC 4555 §3.8. */
export class LivenessBehindNat implements Task {
  readonly name = 'liveness'
  readonly exchangeType = ExchangeType.INFORMATIONAL
  readonly #sa: IkeSa

  constructor(sa: IkeSa) {
    this.#sa = sa
  }

  // HDR, SK {N(NAT_DETECTION_*)} -->
  buildRequest(): Payload[] {
    return natPayloads(this.#sa, this.#sa.path)
  }

  // <-- HDR, SK {N(NAT_DETECTION_*)}
  processResponse({ payloads }: ResponseMessage): 'done' {
    if (noteMapping(this.#sa, payloads)) this.#sa.updateAddresses()
    return 'done'
  }

  abandon(): void {}
}

/** Notes as whom the peer sees us. True when that may be another address or port than the one that it sends to: also the first time. */
function noteMapping(sa: IkeSa, payloads: readonly Payload[]): boolean {
  const seenAs = findNotify(payloads, NotifyType.NAT_DETECTION_DESTINATION_IP)?.data
  const { mobike } = sa
  if (mobike === undefined || seenAs === undefined) return false
  const before = mobike.seenAs
  mobike.seenAs = seenAs.slice()
  return before === undefined || !equalConstantTime(before, seenAs)
}

function addressList(sa: IkeSa): Payload[] {
  if (sa.mobike !== undefined) sa.mobike.told = addressesText(sa)
  const addresses = additionalAddresses(sa)
  return addresses.length === 0 ? [notify(NotifyType.NO_ADDITIONAL_ADDRESSES)] : addresses
}

/** RFC 4555 §3.7: another cookie than ours, or none, and the IKE_SA must not go on. */
function checkCookie(payloads: readonly Payload[], sent: Uint8Array): void {
  const cookie = findNotify(payloads, NotifyType.COOKIE2)
  if (findErrorNotify(payloads) !== undefined) return
  if (cookie !== undefined && equalConstantTime(cookie.data, sent)) return
  throw new PeerError('WRONG_COOKIE2', 'the answer does not return our COOKIE2 (RFC 4555 §3.7)')
}
