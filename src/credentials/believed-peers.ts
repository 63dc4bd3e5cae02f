import type { PeerCertificates } from './peer-certificates.ts'

/** More than a gateway's peers in the time that a ticket is good; those whom nobody asks about for longest make room. */
const MOST_PEERS = 4096

/** What peers that were believed had sent, by the fingerprint of their certificate: to look at it again when they resume a session. */
export class BelievedPeers {
  readonly #byFingerprint = new Map<string, PeerCertificates>()

  /** Without the revocation lists, which are long, and other ones by then. */
  keep(fingerprint: string, sent: PeerCertificates): void {
    this.#byFingerprint.delete(fingerprint)
    this.#byFingerprint.set(fingerprint, { ...sent, crls: [] })
    if (this.#byFingerprint.size > MOST_PEERS) this.#byFingerprint.delete(this.#byFingerprint.keys().next().value!)
  }

  find(fingerprint: string): PeerCertificates | undefined {
    return this.#byFingerprint.get(fingerprint)
  }
}
