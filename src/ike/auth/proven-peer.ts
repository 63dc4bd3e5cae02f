import type { IpAddress } from '../../ip/address.ts'
import type { ConfigurationAttribute } from '../codec/cp.ts'
import type { IkeSa } from '../ike-sa.ts'
import type { ProvenCertificate, ProvenPeer } from '../questions.ts'
import { copyEndpoint } from '../runtime.ts'

/** What the rounds of a peer have proved so far. */
export class PeerProofs {
  readonly #methods: string[] = []
  #certificate: ProvenCertificate | undefined
  #eap: {
    readonly identity: string
    readonly addresses?: readonly IpAddress[]
    readonly attributes?: readonly ConfigurationAttribute[]
  } = { identity: '' }

  /** Rounds so far. */
  get count(): number {
    return this.#methods.length
  }

  add(method: string, certificate?: ProvenCertificate): void {
    this.#methods.push(method)
    this.#certificate ??= certificate
  }

  /** A session of a peer that proved itself before. RFC 5723. */
  addResumption({ eapIdentity }: { readonly eapIdentity: string }, certificate: ProvenCertificate | undefined): void {
    this.add('resumption', certificate)
    this.#eap = { identity: eapIdentity }
  }

  addEap(success: {
    readonly identity: string
    readonly addresses?: readonly IpAddress[]
    readonly attributes?: readonly ConfigurationAttribute[]
  }): void {
    this.#methods.push('eap')
    this.#eap = success
  }

  /** Whom they come to. */
  of(sa: IkeSa): ProvenPeer {
    const { identity, addresses, attributes } = this.#eap
    const isResumed = sa.resumed !== undefined
    return {
      connection: sa.connection.name,
      id: sa.remoteId!,
      remote: copyEndpoint(sa.path.remote),
      // Who resumes a session in which nothing was proved has proved no more by that.
      methods: isResumed && sa.connection.remote.auth.method === 'null' ? ['resumption', 'null'] : [...this.#methods],
      ...(this.#certificate === undefined ? {} : { certificate: this.#certificate }),
      ...(identity === '' ? {} : { eapIdentity: identity }),
      ...(addresses === undefined ? {} : { addresses }),
      ...(attributes === undefined ? {} : { attributes }),
    }
  }
}
