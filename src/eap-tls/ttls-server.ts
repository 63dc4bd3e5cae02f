import { concat, equalConstantTime, wipe } from '../bytes/index.ts'
import {
  decodeEapPacket,
  EapCode,
  type EapServerResult,
  type EapServerSession,
  type EapServerWorld,
  EapType,
} from '../eap/index.ts'
import { type Avp, AvpCode, avp, decodeAvps, encodeAvps, findAvp, Microsoft } from './avp.ts'
import type { EapTtlsOptions, TtlsInner } from './eap-ttls.ts'
import { innerServer } from './inner-eap.ts'
import { failure, type Inside, type InsideStep, say, wait } from './inside.ts'
import type { TlsEngine } from './tls-engine.ts'
import { checkMschap2Response, type ImplicitChallenge, implicitChallenge } from './ttls-mschapv2.ts'
import { eapMessage } from './ttls-peer.ts'

/** The inside of EAP-TTLS for a server: the peer chooses among what the options allow. RFC 5281 §11. */
export class TtlsServer implements Inside {
  readonly #world: EapServerWorld
  readonly #options: EapTtlsOptions
  #implicit: ImplicitChallenge | undefined
  /** MSCHAPv2 is good, and its proof on its way. */
  #proved: string | undefined
  #session: EapServerSession | undefined

  constructor(world: EapServerWorld, options: EapTtlsOptions) {
    this.#world = world
    this.#options = options
  }

  begin(engine: TlsEngine): InsideStep {
    this.#implicit = implicitChallenge(engine)
    return wait
  }

  async heard(data: Uint8Array): Promise<InsideStep> {
    if (this.#proved !== undefined) {
      return data.length === 0 ? { kind: 'done', identity: this.#proved } : failure('the peer does not take our proof')
    }
    const avps = decodeAvps(data)
    const strange = avps.find((one) => one.mandatory && !isKnown(one))
    if (strange !== undefined) return failure(`the peer demands AVP ${strange.code} of vendor ${strange.vendor}`)
    const packet = eapMessage(avps)
    if (packet !== undefined) return this.#eap(packet)
    if (this.#session !== undefined) return failure('the peer sent no EAP message after it began with EAP')
    const name = findAvp(avps, AvpCode['User-Name'])
    const user = name === undefined ? undefined : new TextDecoder().decode(name)
    if (user === undefined) return failure('the peer sent neither EAP nor a user name inside of EAP-TTLS')
    const response = findAvp(avps, AvpCode['MS-CHAP2-Response'], Microsoft)
    if (response !== undefined) {
      return this.#mschapv2(user, findAvp(avps, AvpCode['MS-CHAP-Challenge'], Microsoft), response)
    }
    const password = findAvp(avps, AvpCode['User-Password'])
    if (password !== undefined) return this.#pap(user, password)
    return failure(`${user} wants a method inside of EAP-TTLS other than PAP, MSCHAPv2 and EAP`)
  }

  destroy(): void {
    this.#session?.destroy()
  }

  async #pap(user: string, given: Uint8Array): Promise<InsideStep> {
    if (!this.#allows('pap')) return this.#notAllowed('PAP')
    const password = await this.#world.credentials.password?.(user)
    if (password === undefined) return failure(`no user ${user} is known`)
    const expected = utf8(password)
    const length = given.findLastIndex((octet) => octet !== 0) + 1
    const right = equalConstantTime(given.subarray(0, length), expected)
    wipe(expected, given)
    return right ? { kind: 'done', identity: user } : failure(`wrong password of ${user}`)
  }

  async #mschapv2(user: string, challenge: Uint8Array | undefined, response: Uint8Array): Promise<InsideStep> {
    if (!this.#allows('mschapv2')) return this.#notAllowed('MSCHAPv2')
    const { challenge: expected, ident } = this.#implicit!
    if (challenge === undefined || !equalConstantTime(challenge, expected) || response[0] !== ident) {
      return failure('MSCHAPv2 inside of EAP-TTLS is not bound to its TLS session (RFC 5281 §11.2.4)')
    }
    if (response.length !== 50) return failure(`MS-CHAP2-Response has ${response.length} octets, not 50`)
    const given = response.slice()
    const password = await this.#world.credentials.password?.(user)
    if (password === undefined) return failure(`no user ${user} is known`)
    const proof = checkMschap2Response(this.#world.crypto, expected, given, user, password)
    if (proof === undefined) return failure(`wrong password of ${user}`)
    this.#proved = user
    const data = concat(Uint8Array.of(ident), utf8(proof))
    return say(encodeAvps([avp(AvpCode['MS-CHAP2-Success'], data, Microsoft)]))
  }

  // The peer says its name before it is asked. RFC 5281 §11.2.1.
  async #eap(octets: Uint8Array): Promise<InsideStep> {
    if (!this.#allows('eap')) return this.#notAllowed('EAP')
    if (this.#session !== undefined) return step(await this.#session.receive(octets))
    const packet = decodeEapPacket(octets)
    if (packet.code !== EapCode.Response || packet.type !== EapType.Identity) {
      return failure('EAP inside of EAP-TTLS begins with something else than an identity')
    }
    this.#session = innerServer(this.#world, this.#options.methods ?? [], new TextDecoder().decode(packet.data))
    return step(await this.#session.begin())
  }

  #allows(inner: TtlsInner): boolean {
    return this.#options.inner?.includes(inner) ?? inner === 'eap'
  }

  #notAllowed(name: string): InsideStep {
    const allowed = (this.#options.inner ?? ['eap']).join(', ')
    return failure(`the peer wants ${name} inside of EAP-TTLS; allowed here: ${allowed}`)
  }
}

function step(result: EapServerResult): InsideStep {
  switch (result.kind) {
    case 'send':
      return say(encodeAvps([avp(AvpCode['EAP-Message'], result.packet)]), result.refusal)
    case 'success':
      // The keys of the tunnel are those that count.
      result.msk?.fill(0)
      return { kind: 'done', identity: result.identity }
    case 'failure':
      return failure(result.message)
  }
}

const isKnown = ({ code, vendor }: Avp): boolean =>
  vendor === Microsoft ? microsoft.has(code) : vendor === 0 && plain.has(code)

const plain: ReadonlySet<number> = new Set([AvpCode['User-Name'], AvpCode['User-Password'], AvpCode['EAP-Message']])
const microsoft: ReadonlySet<number> = new Set([AvpCode['MS-CHAP-Challenge'], AvpCode['MS-CHAP2-Response']])

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
