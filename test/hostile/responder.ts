import { decodeMessage, ExchangeType, type Payload, type Proposal, ProtocolId } from '../../src/ike/codec/index.ts'
import { mutatePayloads } from '../../src/testing/hostile-payloads.ts'
import { Attacker, natDetection, range, type VictimRequest } from './attacker.ts'
import { EspForger } from './esp-forger.ts'
import type { Datagram } from './gateway.ts'
import { selectors } from './initiator.ts'
import {
  type AttackerKeyPairs,
  authPayload,
  childKeysToVictim,
  deriveAttackerSa,
  espSuites,
  ikeSuites,
} from './keys.ts'
import { calledAddress, calledPsk, type World } from './world.ts'

/** The peer that the victim calls: has all keys, and answers as it should or not. */
export class HostileResponder extends Attacker<World> {
  readonly #pairs: AttackerKeyPairs
  readonly #identity = {
    kind: 'IDr' as const,
    critical: false,
    idType: 2,
    reserved: 0,
    data: new TextEncoder().encode('called.example.org'),
  }

  constructor(world: World, pairs: AttackerKeyPairs) {
    super(world, calledAddress)
    this.#pairs = pairs
  }

  /** Has the victim ask something if it does not wait for an answer already; the request, if it asked. */
  nextRequest(): VictimRequest | undefined {
    const { world } = this
    this.absorb()
    const called = world.victim.ike.status().find(({ sa }) => sa.connection === 'called')
    if (called === undefined) {
      this.forget()
      world.command(() => world.victim.ike.initiate('called', world.now, { localAddress: world.victim.address }))
    } else if (this.asked.length === 0 && called.state === 'established') {
      const installed = called.children.find(({ state }) => state === 'installed')
      const { id } = called.sa
      world.command(() =>
        installed !== undefined && called.children.length > 2
          ? world.victim.ike.deleteChild(id, installed.spiIn, world.now)
          : world.victim.ike.createChild(id, world.dice.pick(['net', 'pfs']), world.now),
      )
    }
    this.absorb()
    return this.asked.pop()
  }

  /** A good answer to IKE_SA_INIT, the keys derived. */
  answerInit(request: VictimRequest, change: (payloads: Payload[]) => Payload[] = (same) => same): Datagram {
    const { octets } = this.world.dice
    const { header, payloads } = decodeMessage(request.message)
    const suite = ikeSuites[0]!
    const SPIr = octets(8)
    const Nr = octets(32)
    const pair = this.#pairs.of(suite.ke)
    const answer = change([
      { kind: 'SA', critical: false, proposals: [proposalFrom(payloads)] },
      { kind: 'KE', critical: false, group: suite.ke, data: pair.publicValue },
      { kind: 'Nonce', critical: false, data: Nr },
      ...natDetection(header.SPIi, SPIr, { address: this.world.address, port: this.world.ports.ike }),
    ])
    const { SPIi } = header
    const response = this.plain(
      { SPIi, SPIr, flags: { initiator: false, response: true, higherVersion: false } },
      answer,
    )
    const KEi = payloads.find((one) => one.kind === 'KE')
    const Ni = payloads.find((one) => one.kind === 'Nonce')!.data
    if (KEi?.group !== suite.ke) return response
    this.forget()
    this.sa = deriveAttackerSa(
      { role: 'responder', suite, SPIi, SPIr, Ni, Nr, initRequest: request.message, initResponse: response.payload },
      pair.finish(KEi.data),
      octets,
    )
    return response
  }

  /** The payloads of a good answer to a protected request, or undefined when it is not under our keys. */
  answerPayloads({ message, exchange }: VictimRequest): Payload[] | undefined {
    const opened = this.sa?.inbound.open(message)
    if (opened?.ok !== true) return undefined
    const { octets } = this.world.dice
    if (exchange === ExchangeType.IKE_AUTH) {
      return [
        this.#identity,
        authPayload(this.sa!, calledPsk, this.#identity),
        ...this.#childAnswer(opened.payloads, this.sa!),
      ]
    }
    if (exchange !== ExchangeType.CREATE_CHILD_SA) return opened.payloads.filter(({ kind }) => kind === 'D')
    const Ni = opened.payloads.find((one) => one.kind === 'Nonce')!.data
    const KEi = opened.payloads.find((one) => one.kind === 'KE')
    const Nr = octets(32)
    const pair = KEi === undefined ? undefined : this.#pairs.of(KEi.group)
    return [
      ...this.#childAnswer(opened.payloads, { Ni, Nr }, KEi && pair?.finish(KEi.data)),
      { kind: 'Nonce', critical: false, data: Nr },
      ...(pair === undefined
        ? []
        : [{ kind: 'KE' as const, critical: false, group: pair.group, data: pair.publicValue }]),
    ]
  }

  response(request: VictimRequest, payloads: readonly Payload[]): Datagram {
    const { messageId, exchange: exchangeType } = request
    return this.protected({ messageId, exchangeType, flags: responseFlags }, payloads)
  }

  /** Answers that hold what was not asked for. */
  mutated(payloads: readonly Payload[]): Payload[] {
    return mutatePayloads(payloads, this.world.dice, { spis: [this.world.dice.octets(4)], groups: [14, 19, 31] })
  }

  #childAnswer(
    offered: readonly Payload[],
    nonces: { readonly Ni: Uint8Array; readonly Nr: Uint8Array },
    sharedSecret?: Uint8Array,
  ): Payload[] {
    const { dice } = this.world
    const proposal = proposalFrom(offered)
    const ours = { ...proposal, spi: dice.octets(4) }
    const suite = espSuites.find(({ encr }) => encr === proposal.transforms[0]?.id)
    const { spi } = proposal
    if (suite !== undefined && spi.length === 4) {
      const spiIn = new DataView(spi.buffer, spi.byteOffset, 4).getUint32(0)
      this.forgers.push(
        new EspForger(
          { spi: spiIn, ...childKeysToVictim(this.sa!, 'responder', suite, nonces, sharedSecret) },
          '10.67.0.9',
        ),
      )
      if (this.forgers.length > 4) this.forgers.shift()
    }
    return [
      { kind: 'SA', critical: false, proposals: [ours] },
      selectors('TSi', [range('10.1.0.0', '10.1.255.255')]),
      selectors('TSr', [range('10.67.0.0', '10.67.255.255')]),
    ]
  }
}

const responseFlags = { initiator: false, response: true, higherVersion: false } as const

/** The first proposal, one transform of each type. */
function proposalFrom(payloads: readonly Payload[]): Proposal {
  const SA = payloads.find((one) => one.kind === 'SA')
  const proposal = SA?.proposals[0] ?? { number: 1, protocol: ProtocolId.ESP, spi: new Uint8Array(0), transforms: [] }
  const transforms = proposal.transforms.filter(
    ({ type }, at) => proposal.transforms.findIndex((other) => other.type === type) === at,
  )
  return { ...proposal, transforms }
}
