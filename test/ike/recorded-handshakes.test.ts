import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex } from '../../src/bytes/index.ts'
import { pskConnection } from '../../src/config/connection.ts'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider, RandomSource } from '../../src/crypto/provider.ts'
import type { IkeAction, IkeEvent } from '../../src/ike/events.ts'
import { IkeEndpoint } from '../../src/ike/ike-endpoint.ts'
import { parseIp } from '../../src/ip/address.ts'
import { RecordingXfrm } from '../../src/testing/recording-xfrm.ts'
import { loadMessageTrace, type MessageTrace } from '../support/ike-traces.ts'
import type { TraceChildSa, TraceIkeSa } from '../support/trace.ts'

/** A recorded handshake with what its two sides were configured for. */
interface HandshakeTrace extends MessageTrace {
  readonly childSas: readonly TraceChildSa[]
  readonly config: {
    readonly idI: string
    readonly idR: string
    readonly pskI: string
    readonly proposalsI: string
    readonly proposalsR: string
    readonly espProposals: string
  }
}

type Role = 'initiator' | 'responder'

const names = ['psk-gcm128-sha256-ecp256', 'psk-cbc256-sha256-modp2048', 'psk-chacha20-x25519', 'psk-invalid-ke-cookie']
const address = { initiator: '192.0.2.1', responder: '192.0.2.2' }

/** Makes the key exchange of the recorded group with the recorded private value. */
function withPrivateValue(base: CryptoProvider, group: number, privateValue: Uint8Array): CryptoProvider {
  const recorded = () => base.keyExchangeFromPrivate(group, privateValue)
  return {
    name: base.name,
    hash: base.hash.bind(base),
    hmac: base.hmac.bind(base),
    aead: base.aead.bind(base),
    prf: base.prf.bind(base),
    cipher: base.cipher.bind(base),
    mac: base.mac.bind(base),
    keyExchangeFromPrivate: base.keyExchangeFromPrivate.bind(base),
    keyExchange: (wanted, random) => (wanted === group ? recorded() : base.keyExchange(wanted, random)),
    respondKeyExchange: (_, peerPublic) => {
      const own = recorded()
      return { publicValue: own.publicValue.slice(), sharedSecret: own.finish(peerPublic) }
    },
  }
}

/** The recorded SPIs and nonce of one side, told apart by their lengths; the endpoint's own secret comes first. */
function recordedRandom(sa: TraceIkeSa, spiIn: string, role: Role): RandomSource {
  const [spi, nonce] = role === 'initiator' ? [sa.spiI, sa.ni] : [sa.spiR, sa.nr]
  let secretTaken = false
  return (length) => {
    if (length === 8) return fromHex(spi)
    if (length === 4) return fromHex(spiIn)
    if (length !== 32 || !secretTaken) {
      secretTaken ||= length === 32
      return new Uint8Array(length).fill(7)
    }
    return fromHex(nonce)
  }
}

function connectionOf({ config }: HandshakeTrace, role: Role) {
  const isInitiator = role === 'initiator'
  const esp = config.espProposals.replace(/-(ecp256|modp2048|x25519)$/, '')
  return pskConnection({
    name: 'recorded',
    psk: config.pskI,
    localAddress: address[role],
    remoteAddress: address[isInitiator ? 'responder' : 'initiator'],
    localId: isInitiator ? config.idI : config.idR,
    remoteId: isInitiator ? config.idR : config.idI,
    proposals: [isInitiator ? config.proposalsI : config.proposalsR],
    children: [{ name: 'net', localTs: ['0.0.0.0/0'], remoteTs: ['0.0.0.0/0'], espProposals: [`${esp}-noesn`] }],
  })
}

/** Plays the other side's recorded messages to an endpoint of ours in `role`. */
function replay(trace: HandshakeTrace, role: Role, base: CryptoProvider) {
  const [sa] = trace.ikeSas
  const [child] = trace.childSas as readonly (TraceChildSa & {
    spiInitiatorInbound: string
    spiResponderInbound: string
  })[]
  const isInitiator = role === 'initiator'
  const xfrm = new RecordingXfrm()
  const ike = new IkeEndpoint({
    crypto: withPrivateValue(base, sa!.dhGroup, fromHex(isInitiator ? sa!.privRequester : sa!.privResponder)),
    random: recordedRandom(sa!, isInitiator ? child!.spiInitiatorInbound : child!.spiResponderInbound, role),
    xfrm,
    connections: [connectionOf(trace, role)],
  })
  const [local, remote] = [parseIp(address[role]), parseIp(address[isInitiator ? 'responder' : 'initiator'])]
  const events: IkeEvent[] = []
  const note = (actions: readonly IkeAction[]) => {
    for (const action of actions) if (action.type === 'event') events.push(action.event)
  }
  if (isInitiator) note(ike.initiate('recorded', 0, { localAddress: local }))
  const theirs = trace.packets.filter(
    ({ header }) =>
      ['IKE_SA_INIT', 'IKE_AUTH'].includes(header.exchange) &&
      header.spiI === sa!.spiI &&
      header.initiator !== isInitiator,
  )
  theirs.forEach(({ udpPayload, srcPort, dstPort }, at) => {
    const payload = fromHex(udpPayload)
    const message = dstPort === 4500 ? payload.subarray(4) : payload
    const datagram = { local: { address: local, port: dstPort }, remote: { address: remote, port: srcPort }, message }
    note(ike.handleDatagram(datagram, at + 1))
  })
  return { events, xfrm, child: child! }
}

describe.each([nobleProvider, nodeProvider])('a handshake that strongSwan recorded, over $name', (provider) => {
  const cases = names.flatMap((name) => (['initiator', 'responder'] as const).map((role) => ({ name, role })))
  it.each(cases)('$name: our $role takes the other side through to the recorded keys', ({ name, role }) => {
    const trace = loadMessageTrace(name) as HandshakeTrace
    const { events, xfrm, child } = replay(trace, role, provider)
    expect(events.filter(({ kind }) => kind === 'ike-established' || kind === 'child-established')).toHaveLength(2)
    const installed = [...xfrm.states.values()].map(({ direction, encr, integ }) => ({
      // The initiator's outbound packets are protected by the keys from initiator to responder.
      i2r: (direction === 'out') === (role === 'initiator'),
      encr: toHex(concat(encr.key, encr.salt)),
      integ: integ === undefined ? '' : toHex(integ.key),
    }))
    expect(installed.filter(({ i2r }) => i2r)).toEqual([{ i2r: true, encr: child.encI2R, integ: child.integI2R }])
    expect(installed.filter(({ i2r }) => !i2r)).toEqual([{ i2r: false, encr: child.encR2I, integ: child.integR2I }])
  })
})
