import {
  decodeMessage,
  ExchangeType,
  NotifyType,
  type Payload,
  ProtocolId,
  type TrafficSelector,
} from '../../src/ike/codec/index.ts'
import { Attacker, natDetection, range, type Target } from './attacker.ts'
import { EspForger } from './esp-forger.ts'
import type { Datagram } from './gateway.ts'
import {
  type AttackerKeyPairs,
  authPayload,
  childKeysToVictim,
  deriveAttackerSa,
  espSuites,
  ikeSuites,
  proposalOf,
  type Suite,
} from './keys.ts'

export const attackerPsk = new TextEncoder().encode('known to the attackers')

/** An offer of a CHILD_SA whose answer gives ESP keys. */
interface ChildOffer {
  readonly suite: Suite
  readonly Ni: Uint8Array
}

/** An attacker who knows the pre-shared key of the connection for anyone, and sets up IKE_SAs with the victim. */
export class HostileInitiator extends Attacker {
  readonly #pairs: AttackerKeyPairs
  readonly #identity: Payload & { readonly kind: 'IDi' }
  /** Every attacker has inner addresses of its own: 10.66.net.0/24. */
  readonly #net: string
  #offer: ChildOffer | undefined

  constructor(world: Target, address: string, pairs: AttackerKeyPairs) {
    super(world, address)
    this.#pairs = pairs
    this.#net = address.slice(address.lastIndexOf('.') + 1)
    const data = new TextEncoder().encode(`attacker-${address}`)
    this.#identity = { kind: 'IDi', critical: false, idType: 2, reserved: 0, data }
  }

  /** An IKE_SA_INIT request, with the payloads to build variants of it from. RFC 7296 §1.2. */
  initRequest(suite: Suite, SPIi: Uint8Array = this.world.dice.octets(8)): Payload[] {
    const { octets } = this.world.dice
    const data = this.#pairs.of(suite.ke).publicValue
    return [
      { kind: 'SA', critical: false, proposals: [proposalOf(suite, ProtocolId.IKE, new Uint8Array(0))] },
      { kind: 'KE', critical: false, group: suite.ke, data },
      { kind: 'Nonce', critical: false, data: octets(32) },
      ...natDetection(SPIi, new Uint8Array(8), { address: this.world.address, port: this.world.ports.ike }),
    ]
  }

  /** Makes sure that there is an IKE_SA with keys, before IKE_AUTH when `established` is false. False when the victim took none. */
  ensure(established: boolean): boolean {
    const steps = this.steps(established)
    for (;;) {
      const step = steps.next()
      if (step.done === true) return step.value
    }
  }

  /** The same for a target that takes its time: yields when an answer must have come before it goes on. */
  *steps(established: boolean): Generator<undefined, boolean> {
    if (this.sa !== undefined && this.#isLost()) this.forget()
    if (this.sa !== undefined && this.established !== established) this.forget()
    if (this.sa === undefined && !(yield* this.#init())) return false
    if (!established || this.established) return true
    this.world.setUp(this.protected({ exchangeType: ExchangeType.IKE_AUTH }, this.authRequest()))
    yield
    this.absorb()
    if (!this.world.stands(this.sa!.SPIi)) this.forget()
    else this.established = true
    return this.established
  }

  /** The payloads of a good IKE_AUTH request. */
  authRequest(): Payload[] {
    const suite = this.world.dice.pick(espSuites)
    this.#offer = { suite, Ni: this.sa!.Ni }
    return [
      this.#identity,
      authPayload(this.sa!, attackerPsk, this.#identity),
      ...this.childPayloads(suite, this.world.dice.octets(4)),
    ]
  }

  /** The payloads of a good CREATE_CHILD_SA request. */
  createRequest(spi: Uint8Array = this.world.dice.octets(4)): Payload[] {
    const { dice } = this.world
    const suite = dice.pick(espSuites)
    const Ni = dice.octets(32)
    this.#offer = { suite, Ni }
    const [SA, ...TS] = this.childPayloads(suite, spi)
    return [SA!, { kind: 'Nonce', critical: false, data: Ni }, ...TS]
  }

  childPayloads(suite: Suite, spi: Uint8Array): Payload[] {
    const last = 10 + this.world.dice.below(246)
    return [
      { kind: 'SA', critical: false, proposals: [proposalOf(suite, ProtocolId.ESP, spi)] },
      selectors('TSi', [range(`10.66.${this.#net}.0`, `10.66.${this.#net}.${last}`)]),
      selectors('TSr', [range('10.1.0.0', '10.1.255.255')]),
    ]
  }

  /** What comes next is not ours to draw keys from. */
  dropOffer(): void {
    this.#offer = undefined
  }

  protected override answered(message: Uint8Array): void {
    const offer = this.#offer
    this.#offer = undefined
    if (offer === undefined || this.sa === undefined) return
    const opened = this.sa.inbound.open(message)
    if (!opened.ok) throw new Error('the victim protected its answer with other keys')
    const spi = opened.payloads.find((one) => one.kind === 'SA')?.proposals[0]?.spi
    if (spi?.length !== 4) return
    const Nr = opened.payloads.find((one) => one.kind === 'Nonce')?.data ?? this.sa.Nr
    const keys = childKeysToVictim(this.sa, 'initiator', offer.suite, { Ni: offer.Ni, Nr })
    this.forgers.push(
      new EspForger({ spi: new DataView(spi.buffer, spi.byteOffset, 4).getUint32(0), ...keys }, `10.66.${this.#net}.9`),
    )
    if (this.forgers.length > 4) this.forgers.shift()
  }

  /** An IKE_SA before IKE_AUTH shows in no event when it ends: the attacks that end it forget it themselves. */
  #isLost(): boolean {
    return this.established && !this.world.stands(this.sa!.SPIi)
  }

  *#init(): Generator<undefined, boolean> {
    const { world } = this
    const suite = world.dice.chance(94) ? ikeSuites[0]! : world.dice.pick(ikeSuites)
    const SPIi = world.dice.octets(8)
    let payloads = this.initRequest(suite, SPIi)
    let reply = yield* this.#exchange(this.plain({ SPIi, SPIr: new Uint8Array(8) }, payloads))
    const cookie = reply?.payloads.find((one) => one.kind === 'N' && one.notify === NotifyType.COOKIE)
    if (cookie?.kind === 'N') {
      payloads = [cookiePayload(cookie.data), ...payloads]
      reply = yield* this.#exchange(this.plain({ SPIi, SPIr: new Uint8Array(8) }, payloads))
    }
    const KEr = reply?.payloads.find((one) => one.kind === 'KE')
    const Nr = reply?.payloads.find((one) => one.kind === 'Nonce')
    const Ni = payloads.find((one) => one.kind === 'Nonce')
    if (reply === undefined || KEr === undefined || Nr === undefined || Ni === undefined) return false
    const { request: initRequest, response: initResponse } = reply
    const settled = {
      role: 'initiator',
      suite,
      SPIi,
      SPIr: reply.SPIr,
      Ni: Ni.data,
      Nr: Nr.data,
      initRequest,
      initResponse,
    } as const
    this.sa = deriveAttackerSa(settled, this.#pairs.of(suite.ke).finish(KEr.data), world.dice.octets)
    this.nextId = 1
    return true
  }

  *#exchange(request: Datagram) {
    this.world.take(this.address)
    this.world.setUp(request)
    yield
    const answer = this.world.take(this.address).at(-1)
    if (answer === undefined) return undefined
    const { header, payloads } = decodeMessage(answer.payload)
    return { request: request.payload, response: answer.payload, SPIr: header.SPIr, payloads }
  }
}

const cookiePayload = (data: Uint8Array): Payload => ({
  kind: 'N',
  critical: false,
  protocol: 0,
  spi: new Uint8Array(0),
  notify: NotifyType.COOKIE,
  data,
})

export const selectors = (kind: 'TSi' | 'TSr', list: readonly TrafficSelector[]): Payload => ({
  kind,
  critical: false,
  selectors: list,
})
