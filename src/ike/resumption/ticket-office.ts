import { concat, toHex, wipe } from '../../bytes/index.ts'
import type { Aead, CryptoProvider, RandomSource } from '../../crypto/provider.ts'
import { Encr } from '../../crypto/transforms.ts'
import type { Identity } from '../config.ts'
import { decodeSession, encodeSession, type Session } from './session.ts'

/** How long a ticket is good. A key seals tickets for so long, and opens them for as long again. */
export const TICKET_MS = 12 * 3_600_000

const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = 1 + NONCE_BYTES

/**
 * Seals sessions into tickets that their owners keep for us, and opens them again: "by value", so that nothing is stored here.
 * A ticket is generation (1 octet) | nonce | AES-256-GCM of the session. RFC 5723 §5, Appendix A.
 */
export class TicketOffice {
  readonly #crypto: CryptoProvider
  readonly #random: RandomSource
  #key: Aead | undefined
  #previous: Aead | undefined
  #generation = 0
  #renewAt = 0
  readonly #revoked = new Map<string, number>()

  constructor(crypto: CryptoProvider, random: RandomSource) {
    this.#crypto = crypto
    this.#random = random
  }

  seal(session: Session, now: number): Uint8Array {
    this.#renew(now)
    const plain = encodeSession(session)
    const nonce = this.#random(NONCE_BYTES)
    const ticket = concat(Uint8Array.of(this.#generation), nonce, plain, new Uint8Array(TAG_BYTES))
    wipe(plain)
    this.#key!.seal(nonce, ticket, 0, HEAD_BYTES, ticket, HEAD_BYTES, plain.length)
    return ticket
  }

  /** The session of a ticket of ours that is not too old. The caller wipes its SK_d. */
  open(ticket: Uint8Array, now: number): Session | undefined {
    if (this.#key === undefined || ticket.length < HEAD_BYTES + TAG_BYTES) return undefined
    this.#renew(now)
    const age = (this.#generation - ticket[0]!) & 0xff
    const key = age === 0 ? this.#key : age === 1 ? this.#previous : undefined
    if (key === undefined) return undefined
    const copy = ticket.slice()
    const length = ticket.length - HEAD_BYTES - TAG_BYTES
    const isOurs = key.open(copy.slice(1, HEAD_BYTES), copy, 0, HEAD_BYTES, copy, HEAD_BYTES, length)
    const opened = isOurs ? decodeSession(copy.subarray(HEAD_BYTES, HEAD_BYTES + length)) : undefined
    wipe(copy)
    if (opened === undefined) return undefined
    const { connection, remoteId, authenticatedAt, expiresAt, SK_d } = opened.session
    const revokedAt = this.#revoked.get(ownerOf(connection, remoteId)) ?? Number.NEGATIVE_INFINITY
    if (expiresAt > now && authenticatedAt > revokedAt) return opened.session
    wipe(SK_d)
    return undefined
  }

  /** No ticket is good any more of a peer that authenticated until now: it is to prove itself again. RFC 5723 §6.2. */
  revoke(connection: string, remoteId: Identity, now: number): void {
    for (const [owner, at] of this.#revoked) if (at <= now - TICKET_MS) this.#revoked.delete(owner)
    this.#revoked.set(ownerOf(connection, remoteId), now)
  }

  #renew(now: number): void {
    if (this.#key !== undefined && now < this.#renewAt) return
    // After a long pause the previous key is too old as well.
    const isRecent = now < this.#renewAt + TICKET_MS
    this.#previous?.destroy()
    if (!isRecent) this.#key?.destroy()
    this.#previous = isRecent ? this.#key : undefined
    const secret = this.#random(32)
    this.#key = this.#crypto.aead(Encr.ENCR_AES_GCM_16, secret)
    wipe(secret)
    this.#generation = (this.#generation + 1) & 0xff
    this.#renewAt = now + TICKET_MS
  }
}

const ownerOf = (connection: string, { type, data }: Identity): string => `${connection}/${type}/${toHex(data)}`
