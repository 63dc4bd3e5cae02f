import { concat, equalConstantTime } from '../bytes/index.ts'
import type { CryptoProvider } from '../crypto/provider.ts'
import { type AkaMessage, At, akaAttribute } from './aka-attributes.ts'
import type { AkaEnvelope, AkaFlavour } from './aka-keys.ts'
import { encodeEapPacket } from './packet.ts'

/** The packets of the AKA-Identity rounds, requests and responses in turn, which AT_CHECKCODE protects afterwards. RFC 4187 §10.13. */
export class AkaIdentityRounds {
  readonly #crypto: CryptoProvider
  readonly #flavour: AkaFlavour
  readonly #packets: Uint8Array[] = []

  constructor(crypto: CryptoProvider, flavour: AkaFlavour) {
    this.#crypto = crypto
    this.#flavour = flavour
  }

  add(envelope: AkaEnvelope, data: Uint8Array): void {
    this.#packets.push(encodeEapPacket({ ...envelope, type: this.#flavour.type, data }))
  }

  /** Nothing without a round, else the hash over all of them (20 octets, AKA' 32). */
  checkcode(): Uint8Array {
    if (this.#packets.length === 0) return new Uint8Array(0)
    return this.#crypto.hash(this.#flavour.hash, concat(...this.#packets))
  }

  /** True without AT_CHECKCODE too: it is one that may be passed over. */
  agrees(message: AkaMessage): boolean {
    const value = akaAttribute(message, At.CHECKCODE)
    return value === undefined || equalConstantTime(value.subarray(2), this.checkcode())
  }
}
