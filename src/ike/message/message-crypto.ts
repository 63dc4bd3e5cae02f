import { Writer } from '../../bytes/index.ts'
import type { CryptoProvider, RandomSource } from '../../crypto/provider.ts'
import { type EncrInfo, encrInfo, type IntegInfo, integInfo, transformName } from '../../crypto/transforms.ts'
import { DecodeError, UsageError } from '../../errors.ts'
import {
  decodeMessage,
  decodePayloads,
  encodeHeader,
  encodePayloads,
  genericHeaderBytes,
  ikeHeaderBytes,
  type OutgoingHeader,
  type Payload,
  PayloadType,
  patchHeader,
  type SkfPayload,
  type SkPayload,
} from '../codec/index.ts'
import { AeadCipher, EncryptThenMac, type SkCipher } from './sk-cipher.ts'

/** What protects the messages of one IKE SA. `integ` is absent for AEADs. */
export interface IkeCipherSuite {
  readonly encr: EncrInfo
  readonly keyBits: number
  readonly integ?: IntegInfo
}

/** The same as IANA transform ids; `integ` is 0 for AEADs. */
export interface IkeCipherIds {
  readonly encr: number
  readonly integ: number
}

/** A message whose ICV is wrong, or that has no place for one; nothing of it may be believed. */
export interface BadIntegrity {
  readonly ok: false
  readonly reason: 'bad-integrity'
}

/** The inside of an SK payload. All octets are views into one fresh copy, so they outlive the call. */
export interface OpenedMessage {
  readonly ok: true
  readonly firstPayload: number
  readonly payloads: readonly Payload[]
  /** The payloads as octets, without padding. */
  readonly plaintext: Uint8Array
  /** The padding between them and the pad length. */
  readonly padding: Uint8Array
}

/** The inside of one SKF payload: a piece of the chain of payloads. */
export interface OpenedFragment {
  readonly ok: true
  readonly firstPayload: number
  readonly fragmentNumber: number
  readonly totalFragments: number
  readonly plaintext: Uint8Array
}

/** Values that `protect` chooses itself; given only to build a known message again. */
export interface ProtectChoices {
  /** `ivBytes` octets. With an AEAD an IV must never repeat under one key. */
  readonly iv?: Uint8Array
  /** The padding before the pad length, 0 to 255 octets; by default as few zeros as fill the block. */
  readonly padding?: Uint8Array
}

const badIntegrity: BadIntegrity = Object.freeze({ ok: false, reason: 'bad-integrity' })

/**
 * Protects and opens the messages of one direction of one IKE SA: SK_ei with SK_ai, or SK_er with SK_ar. RFC 7296
 * §3.14, RFC 5282 for AEADs, RFC 7383 §2.5 for fragments.
 */
export class MessageProtector {
  readonly suite: IkeCipherSuite
  readonly #cipher: SkCipher

  /**
   * `SK_e` is the key with the salt of an AEAD or CTR behind it, `SK_a` is empty for AEADs; both are copied. `random` is asked for
   * the IVs of CBC. Throws `UsageError` for a transform that no provider has, and for keys of the wrong length.
   */
  constructor(crypto: CryptoProvider, suite: IkeCipherIds, SK_e: Uint8Array, SK_a: Uint8Array, random: RandomSource) {
    this.suite = resolveSuite(suite, SK_e.length, SK_a.length)
    const { encr, integ } = this.suite
    this.#cipher =
      integ === undefined
        ? new AeadCipher(crypto, encr, SK_e)
        : new EncryptThenMac(crypto, encr, integ, SK_e, SK_a, random)
  }

  /** A complete message `HDR, SK {payloads}` in a fresh array. */
  protect(header: OutgoingHeader, payloads: readonly Payload[]): Uint8Array {
    const inner = new Writer(512)
    const firstPayload = encodePayloads(payloads, inner)
    return this.protectRaw(header, firstPayload, inner.finish())
  }

  /** The same for octets that need not be payloads at all, and with `choices` for IV and padding. */
  protectRaw(
    header: OutgoingHeader,
    firstPayload: number,
    inner: Uint8Array,
    choices: ProtectChoices = {},
  ): Uint8Array {
    return this.#protect(header, { type: PayloadType.SK, firstPayload, fields: noFields }, inner, choices)
  }

  /**
   * A message with the fragment `fragmentNumber` (from 1) of `totalFragments`: the octets `inner` of the payloads.
   * `firstPayload` counts for fragment 1 only. RFC 7383 §2.5.
   */
  protectFragment(
    header: OutgoingHeader,
    firstPayload: number,
    fragmentNumber: number,
    totalFragments: number,
    inner: Uint8Array,
  ): Uint8Array {
    const fields = new Writer(4).u16(fragmentNumber).u16(totalFragments).finish()
    const first = fragmentNumber === 1 ? firstPayload : 0
    return this.#protect(header, { type: PayloadType.SKF, firstPayload: first, fields }, inner, {})
  }

  /** Octets of the message with `innerBytes` octets of payloads inside SK. */
  protectedBytes(innerBytes: number): number {
    const { ivBytes, blockBytes } = this.suite.encr
    const textBytes = Math.ceil((innerBytes + 1) / blockBytes) * blockBytes
    return ikeHeaderBytes + genericHeaderBytes + ivBytes + textBytes + this.#cipher.icvBytes
  }

  /** The most octets of payloads that a fragment holds whose message has `messageBytes` octets at most. */
  fragmentCapacity(messageBytes: number): number {
    const { ivBytes, blockBytes } = this.suite.encr
    const textBytes = messageBytes - ikeHeaderBytes - genericHeaderBytes - 4 - ivBytes - this.#cipher.icvBytes
    return Math.floor(textBytes / blockBytes) * blockBytes - 1
  }

  /**
   * Opens a message whose last payload is SK; `message` is not altered. Anything wrong before or with the ICV gives
   * `bad-integrity`. A `DecodeError` means that the ICV was good and the inside is malformed, so that the caller may
   * answer INVALID_SYNTAX.
   */
  open(message: Uint8Array): OpenedMessage | BadIntegrity {
    const copy = message.slice()
    const sk = this.#openInPlace(copy, 'SK')
    if (sk === undefined) return badIntegrity
    const { plaintext, padding } = this.#withoutPadding(copy, sk)
    const payloads = decodePayloads(sk.firstPayload, plaintext, plaintext.byteOffset - copy.byteOffset)
    return { ok: true, firstPayload: sk.firstPayload, payloads, plaintext, padding }
  }

  /** Opens a message whose last payload is SKF, as `open` does; the fragment's octets are not decoded. */
  openFragment(message: Uint8Array): OpenedFragment | BadIntegrity {
    const copy = message.slice()
    const skf = this.#openInPlace(copy, 'SKF')
    if (skf === undefined) return badIntegrity
    const { firstPayload, fragmentNumber, totalFragments } = skf
    return {
      ok: true,
      firstPayload,
      fragmentNumber,
      totalFragments,
      plaintext: this.#withoutPadding(copy, skf).plaintext,
    }
  }

  #protect(header: OutgoingHeader, around: Around, inner: Uint8Array, choices: ProtectChoices): Uint8Array {
    const cipher = this.#cipher
    const { ivBytes, blockBytes } = this.suite.encr
    const padding = choices.padding ?? new Uint8Array((blockBytes - ((inner.length + 1) % blockBytes)) % blockBytes)
    const iv = choices.iv ?? cipher.nextIv()
    if (iv.length !== ivBytes) throw new UsageError('iv', `must have ${ivBytes} octets`)
    if (padding.length > 0xff || (inner.length + padding.length + 1) % blockBytes !== 0)
      throw new UsageError('padding', `${padding.length} octets do not fill blocks of ${blockBytes}`)

    const { type, firstPayload, fields } = around
    const textBytes = inner.length + padding.length + 1
    const skBytes = genericHeaderBytes + fields.length + ivBytes + textBytes + cipher.icvBytes
    if (skBytes > 0xffff) throw new UsageError('inner', `an SK payload of ${skBytes} octets does not fit 16 bits`)
    const writer = new Writer(128 + skBytes)
    encodeHeader(header, writer)
    writer.u8(firstPayload).u8(0).u16(skBytes).bytes(fields).bytes(iv)
    const bodyOffset = writer.position
    writer.bytes(inner).bytes(padding).u8(padding.length).zeros(cipher.icvBytes)
    patchHeader(writer, type, writer.position)
    const message = writer.finish()
    cipher.seal(message, bodyOffset - ivBytes)
    return message
  }

  /** Wipes the keys; the object must not be used afterwards. */
  destroy(): void {
    this.#cipher.destroy()
  }

  #openInPlace<K extends 'SK' | 'SKF'>(
    message: Uint8Array,
    kind: K,
  ): Extract<EncryptedPayload, { kind: K }> | undefined {
    const payload = closedPayload(message)
    if (payload?.kind !== kind) return undefined
    const { encr } = this.suite
    const textBytes = payload.body.length - encr.ivBytes - this.#cipher.icvBytes
    if (textBytes < 1 || textBytes % encr.blockBytes !== 0) return undefined
    if (!this.#cipher.open(message, message.length - payload.body.length)) return undefined
    return payload as Extract<EncryptedPayload, { kind: K }>
  }

  #withoutPadding(message: Uint8Array, payload: EncryptedPayload): { plaintext: Uint8Array; padding: Uint8Array } {
    const start = message.length - payload.body.length + this.suite.encr.ivBytes
    const padLengthAt = message.length - this.#cipher.icvBytes - 1
    const padLength = message[padLengthAt]!
    const end = padLengthAt - padLength
    if (end < start) {
      throw new DecodeError({
        where: `${payload.kind} payload`,
        offset: padLengthAt,
        section: 'RFC 7296 §3.14',
        problem: `Pad Length ${padLength} is longer than what was encrypted`,
      })
    }
    return { plaintext: message.subarray(start, end), padding: message.subarray(end, padLengthAt) }
  }
}

/** The payload around the ciphertext; `fields` stand between its generic header and the IV. */
interface Around {
  readonly type: number
  readonly firstPayload: number
  readonly fields: Uint8Array
}

const noFields = new Uint8Array(0)

type EncryptedPayload = SkPayload | SkfPayload

/** The SK or SKF payload that ends the message, undefined when there is none or the message is malformed. */
function closedPayload(message: Uint8Array): EncryptedPayload | undefined {
  try {
    const last = decodeMessage(message).payloads.at(-1)
    return last?.kind === 'SK' || last?.kind === 'SKF' ? last : undefined
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

function resolveSuite(ids: IkeCipherIds, skeBytes: number, skaBytes: number): IkeCipherSuite {
  const encr = encrInfo(ids.encr)
  if (encr === undefined || encr.espOnly === true) {
    throw new UsageError('suite.encr', `${transformName(1, ids.encr)} is not implemented for an IKE_SA`)
  }
  const keyBits = 8 * (skeBytes - encr.saltBytes)
  if (!encr.keyBits.includes(keyBits))
    throw new UsageError('SK_e', `${skeBytes} octets for ${transformName(1, encr.id)}`)
  if (encr.kind === 'aead') {
    if (ids.integ !== 0) throw new UsageError('suite.integ', `${transformName(1, encr.id)} has its own integrity`)
    return { encr, keyBits }
  }
  const integ = integInfo(ids.integ)
  if (integ === undefined) throw new UsageError('suite.integ', `${transformName(3, ids.integ)} is not implemented`)
  if (skaBytes !== integ.keyBytes) throw new UsageError('SK_a', `${skaBytes} octets for ${transformName(3, integ.id)}`)
  return { encr, keyBits, integ }
}
