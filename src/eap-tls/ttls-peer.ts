import { concat, equalConstantTime } from '../bytes/index.ts'
import type { EapPeerResult, EapPeerWorld } from '../eap/index.ts'
import { refusalText } from '../eap/mschapv2-peer.ts'
import { type Avp, AvpCode, avp, decodeAvps, encodeAvps, findAvp, Microsoft } from './avp.ts'
import type { EapTtlsOptions } from './eap-ttls.ts'
import { InnerPeer } from './inner-eap.ts'
import { failure, type Inside, type InsideStep, say, wait } from './inside.ts'
import type { TlsEngine } from './tls-engine.ts'
import { encodeMschap2Response, implicitChallenge, mschap2Answer } from './ttls-mschapv2.ts'

/** The inside of EAP-TTLS for a peer, by the method that its options name. RFC 5281 §11. */
export function ttlsPeer(world: EapPeerWorld, options: EapTtlsOptions): Inside {
  switch (options.inner?.[0] ?? 'eap') {
    case 'pap':
      return new PapPeer(world)
    case 'mschapv2':
      return new MschapPeer(world)
    case 'eap':
      return new EapPeer(world, options)
  }
}

/** The password as it is. RFC 5281 §11.2.5. */
class PapPeer implements Inside {
  readonly #world: EapPeerWorld

  constructor(world: EapPeerWorld) {
    this.#world = world
  }

  async begin(): Promise<InsideStep> {
    const { identity, credentials } = this.#world
    if (credentials.password === undefined) return failure('no password is set for EAP-TTLS with PAP')
    const password = utf8(await credentials.password())
    // With zeros to a multiple of 16 octets, so that its length does not show.
    const padded = new Uint8Array(Math.max(16, (password.length + 15) & ~15))
    padded.set(password)
    return say(encodeAvps([avp(AvpCode['User-Name'], utf8(identity)), avp(AvpCode['User-Password'], padded)]))
  }

  heard(): InsideStep {
    return failure('the server asks for more than user name and password (EAP-TTLS with PAP)')
  }

  reason(): string {
    return 'the server refused our user name or password (EAP-TTLS with PAP)'
  }
}

/** RFC 5281 §11.2.4. */
class MschapPeer implements Inside {
  readonly #world: EapPeerWorld
  #proof = ''
  #ident = 0
  #done = false
  #reason = 'the server refused our user name or password (EAP-TTLS with MSCHAPv2)'

  constructor(world: EapPeerWorld) {
    this.#world = world
  }

  async begin(engine: TlsEngine): Promise<InsideStep> {
    const { identity, credentials, crypto, random } = this.#world
    if (credentials.password === undefined) return failure('no password is set for EAP-TTLS with MSCHAPv2')
    const { challenge, ident } = implicitChallenge(engine)
    const peerChallenge = random(16, 'nonce')
    const password = await credentials.password()
    const { response, proof } = mschap2Answer(crypto, challenge, peerChallenge, identity, password)
    this.#proof = proof
    this.#ident = ident
    const data = encodeMschap2Response(ident, peerChallenge, response)
    return say(
      encodeAvps([
        avp(AvpCode['User-Name'], utf8(identity)),
        avp(AvpCode['MS-CHAP-Challenge'], challenge, Microsoft),
        avp(AvpCode['MS-CHAP2-Response'], data, Microsoft),
      ]),
    )
  }

  heard(data: Uint8Array): InsideStep {
    const avps = decodeAvps(data)
    const error = findAvp(avps, AvpCode['MS-CHAP-Error'], Microsoft)
    if (error !== undefined) {
      const text = new TextDecoder().decode(error.subarray(1))
      if (text.includes('E=')) this.#reason = refusalText(text)
      return wait
    }
    const success = findAvp(avps, AvpCode['MS-CHAP2-Success'], Microsoft)
    if (success === undefined || this.#done) return failure('the server sent something else than MS-CHAP2-Success')
    const proof = success.subarray(1, 1 + this.#proof.length)
    if (success[0] !== this.#ident || !equalConstantTime(proof, utf8(this.#proof))) {
      return failure('the server could not prove that it knows the password: it is not ours')
    }
    this.#done = true
    return wait
  }

  early(): string | undefined {
    return this.#done ? undefined : 'EAP Success before the server has proved that it knows the password'
  }

  reason(): string {
    return this.#reason
  }
}

/** RFC 5281 §11.2.1. */
class EapPeer implements Inside {
  readonly #inner: InnerPeer

  constructor(world: EapPeerWorld, { methods = [] }: EapTtlsOptions) {
    this.#inner = new InnerPeer(world, methods)
  }

  async begin(): Promise<InsideStep> {
    return step(await this.#inner.hello())
  }

  async heard(data: Uint8Array): Promise<InsideStep> {
    if (data.length === 0) return failure('the server sent no EAP message inside of EAP-TTLS')
    const packet = eapMessage(decodeAvps(data))
    return packet === undefined ? wait : step(await this.#inner.hear(packet))
  }

  early(): string | undefined {
    return this.#inner.succeed()
  }

  reason(): string {
    return this.#inner.fail()
  }

  destroy(): void {
    this.#inner.destroy()
  }
}

/** The EAP packet in all EAP-Message AVPs together, copied; undefined where there is none. RFC 5281 §11.2.1. */
export function eapMessage(avps: readonly Avp[]): Uint8Array | undefined {
  const parts = avps.filter(({ code, vendor }) => code === AvpCode['EAP-Message'] && vendor === 0)
  return parts.length === 0 ? undefined : concat(...parts.map(({ data }) => data))
}

function step(result: EapPeerResult): InsideStep {
  switch (result.kind) {
    case 'send':
      return say(encodeAvps([avp(AvpCode['EAP-Message'], result.packet)]))
    case 'success':
      return wait
    case 'failure':
      return failure(result.message)
  }
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
