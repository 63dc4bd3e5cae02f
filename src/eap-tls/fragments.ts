import { concat, Reader, Writer } from '../bytes/index.ts'
import { DecodeError } from '../errors.ts'

/** The flags octet that begins the Type-Data. The low three bits are a version in EAP-TTLS and PEAP. RFC 5216 §3.1, RFC 5281 §9.1. */
export const TlsFlag = { Length: 0x80, More: 0x40, Start: 0x20, Version: 0x07 } as const

/** Largest TLS message that is put together, octets: the longest record with some room, and twice the longest chain in use. */
export const maxTlsMessageBytes = 65536

/** All that one side may send in one conversation, octets. */
export const maxConversationBytes = 4 * maxTlsMessageBytes

/** Type-Data of an EAP method on TLS; `data` is borrowed. */
export interface TlsPacket {
  readonly flags: number
  /** TLS Message Length, where the L flag is set. */
  readonly total: number | undefined
  readonly data: Uint8Array
}

/**
 * Decodes Type-Data. Throws `DecodeError`. RFC 5216 §3.1:
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |     Flags     |      TLS Message Length, with the L flag
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |               |      TLS Data...
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeTlsPacket(octets: Uint8Array): TlsPacket {
  const reader = new Reader(octets, 'EAP-TLS', 'RFC 5216 §3.1')
  const flags = reader.u8('Flags')
  const total = (flags & TlsFlag.Length) === 0 ? undefined : reader.u32('TLS Message Length')
  return { flags, total, data: reader.rest() }
}

/** The Type-Data of `packet`, copied. */
export function encodeTlsPacket({ flags, total, data }: TlsPacket): Uint8Array {
  const writer = new Writer(5 + data.length).u8(flags)
  if (total !== undefined) writer.u32(total)
  return writer.bytes(data).finish()
}

/** What a packet of the other side asks of us. */
export type Heard =
  /** A whole message; `start` is the S flag. Empty: an acknowledgement of what we said to its end. */
  | { readonly kind: 'message'; readonly start: boolean; readonly version: number; readonly octets: Uint8Array }
  /** Send this: a fragment of ours, or the acknowledgement of one of theirs. */
  | { readonly kind: 'send'; readonly data: Uint8Array }

/**
 * Cuts TLS messages into EAP packets and puts those of the other side together: both go in lock step, so there is one message
 * on its way at most. Holds no more than `maxTlsMessageBytes` each way. RFC 5216 §2.1.5.
 */
export class FragmentLink {
  /** Octets of TLS data in one packet. */
  readonly #room: number
  #sending: Uint8Array = nothing
  #at = 0
  #receiving: Uint8Array[] = []
  #received = 0
  #total: number | undefined
  #budget = maxConversationBytes

  /** `mtu`: octets of the largest EAP packet. */
  constructor(mtu: number) {
    this.#room = Math.max(mtu - eapHeaderBytes - 5, leastRoom)
  }

  /** Takes a message to send (borrowed until it is sent) and gives its first packet; an empty message is an acknowledgement. */
  say(message: Uint8Array): Uint8Array {
    this.#sending = message
    this.#at = 0
    return this.#nextFragment()
  }

  /** Takes Type-Data of the other side. Throws `DecodeError` for what is malformed, too much or out of place. */
  hear(octets: Uint8Array): Heard {
    const packet = decodeTlsPacket(octets)
    if (this.#at < this.#sending.length) return this.#acknowledged(packet)
    return this.#fragment(packet)
  }

  #acknowledged(packet: TlsPacket): Heard {
    if (packet.data.length > 0) fail('TLS data where an acknowledgement of our fragment should be')
    return { kind: 'send', data: this.#nextFragment() }
  }

  #fragment({ flags, total, data }: TlsPacket): Heard {
    this.#budget -= data.length
    if (this.#budget < 0) fail(`more than ${maxConversationBytes} octets of TLS data in one conversation`)
    if (total !== undefined) this.#expect(total)
    this.#received += data.length
    if (this.#received > (this.#total ?? maxTlsMessageBytes)) {
      fail(`fragments of ${this.#received} octets, announced were ${this.#total ?? 'none'}`)
    }
    if ((flags & TlsFlag.More) !== 0) {
      if (data.length === 0) fail('an empty fragment that says that more come')
      this.#receiving.push(data.slice())
      return { kind: 'send', data: encodeTlsPacket({ flags: 0, total: undefined, data: nothing }) }
    }
    if (this.#total !== undefined && this.#total !== this.#received) {
      fail(`the message ended after ${this.#received} octets, announced were ${this.#total}`)
    }
    const message = concat(...this.#receiving, data)
    this.#receiving = []
    this.#received = 0
    this.#total = undefined
    return {
      kind: 'message',
      start: (flags & TlsFlag.Start) !== 0,
      version: flags & TlsFlag.Version,
      octets: message,
    }
  }

  // Some senders put the length into each fragment. RFC 5216 §2.1.5 wants it in the first.
  #expect(total: number): void {
    if (total > maxTlsMessageBytes) fail(`a TLS message of ${total} octets, ${maxTlsMessageBytes} are taken`)
    if (this.#total !== undefined && this.#total !== total) fail('the TLS Message Length changes between fragments')
    this.#total = total
  }

  #nextFragment(): Uint8Array {
    const from = this.#at
    this.#at = Math.min(from + this.#room, this.#sending.length)
    const data = this.#sending.subarray(from, this.#at)
    const more = this.#at < this.#sending.length
    const first = more && from === 0
    const flags = (more ? TlsFlag.More : 0) | (first ? TlsFlag.Length : 0)
    return encodeTlsPacket({ flags, total: first ? this.#sending.length : undefined, data })
  }
}

/** Code, Identifier, Length and Type. */
const eapHeaderBytes = 5

/** Where the MTU leaves no room, small fragments go on all the same. */
const leastRoom = 16

const nothing = new Uint8Array(0)

function fail(problem: string): never {
  throw new DecodeError({ where: 'EAP-TLS', offset: 0, section: 'RFC 5216 §2.1.5', problem })
}
