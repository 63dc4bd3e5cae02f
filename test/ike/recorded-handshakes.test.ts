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
import { loadMessageTrace, type MessageTrace, traceNames } from '../support/ike-traces.ts'
import type { TraceChildSa, TraceIkeSa } from '../support/trace.ts'

/** A recorded handshake with what its two sides were configured for. */
interface HandshakeTrace extends MessageTrace {
  readonly childSas: readonly TraceChildSa[]
  readonly config: {
    readonly idI: string
    readonly idR: string
    readonly pskI: string
    /** With several key exchanges there is one list for both sides. */
    readonly proposals?: string
    readonly proposalsI?: string
    readonly proposalsR?: string
    readonly espProposals: string
    readonly ppkId?: string
    readonly ppk?: string
  }
}

type Role = 'initiator' | 'responder'

/** Conversations with pre-shared keys. */
const recordings = [
  'psk-gcm128-sha256-ecp256',
  'psk-cbc256-sha256-modp2048',
  'psk-chacha20-x25519',
  'psk-invalid-ke-cookie',
  'psk-ccm-ecp521',
  'psk-x448',
  'psk-xcbc',
  'psk-ppk',
  'pq-psk-ecp256-ke1ecp384',
  'pq-psk-x25519-mlkem768',
]
/** The other conversations; their keys, messages and AUTH are compared in `keymat-traces` and `message-crypto-traces`. */
const notPlayed: Record<string, string> = {
  'eap-md5': 'EAP',
  'eap-mschapv2-nofrag-gcm': 'EAP',
  'ecdsa256-legacy-auth': 'certificates',
  'ecdsa256-nofrag': 'certificates',
  'rsa-frag-gcm256': 'certificates',
  'rsa-pss-sha384': 'certificates',
  'no-proposal': 'there is no handshake: the responder refused',
}
const address = { initiator: '192.0.2.1', responder: '192.0.2.2' }

/** One key exchange of the recorded IKE SA. A responder of ML-KEM has no private value: its answer is given as it is. */
interface RecordedKe {
  readonly group: number
  readonly privateValue: string | undefined
  readonly publicValue: string
  readonly secret: string
}

function recordedKes(sa: TraceIkeSa, role: Role): RecordedKe[] {
  const isInitiator = role === 'initiator'
  if (sa.keyExchanges === undefined) {
    const privateValue = isInitiator ? sa.privRequester : sa.privResponder
    return [{ group: sa.dhGroup, privateValue, publicValue: sa.pubResponder, secret: sa.gir }]
  }
  return sa.keyExchanges.map(({ method, responderData, secret, mlkemSeedRequester, ...ke }) => ({
    group: method,
    privateValue: isInitiator ? (mlkemSeedRequester ?? ke.privRequester) : ke.privResponder,
    publicValue: responderData,
    secret,
  }))
}

/** Makes the key exchanges of the recorded groups with the recorded private values. */
function withPrivateValues(base: CryptoProvider, recorded: readonly RecordedKe[]): CryptoProvider {
  const ofGroup = (group: number) => recorded.find((one) => one.group === group)
  return {
    name: base.name,
    hash: base.hash.bind(base),
    hmac: base.hmac.bind(base),
    prf: base.prf.bind(base),
    aead: base.aead.bind(base),
    cipher: base.cipher.bind(base),
    mac: base.mac.bind(base),
    keyExchangeFromPrivate: base.keyExchangeFromPrivate.bind(base),
    keyExchange(group, random) {
      const ke = ofGroup(group)
      return ke?.privateValue === undefined
        ? base.keyExchange(group, random)
        : base.keyExchangeFromPrivate(group, fromHex(ke.privateValue))
    },
    respondKeyExchange(group, peerPublic) {
      const { privateValue, publicValue, secret } = ofGroup(group)!
      if (privateValue === undefined) return { publicValue: fromHex(publicValue), sharedSecret: fromHex(secret) }
      const own = base.keyExchangeFromPrivate(group, fromHex(privateValue))
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
  const ppk =
    config.ppk === undefined
      ? undefined
      : { id: new TextEncoder().encode(config.ppkId), secret: fromHex(config.ppk), required: false }
  return pskConnection({
    name: 'recorded',
    psk: config.pskI,
    localAddress: address[role],
    remoteAddress: address[isInitiator ? 'responder' : 'initiator'],
    localId: isInitiator ? config.idI : config.idR,
    remoteId: isInitiator ? config.idR : config.idI,
    proposals: [(isInitiator ? config.proposalsI : config.proposalsR) ?? config.proposals!],
    children: [{ name: 'net', localTs: ['0.0.0.0/0'], remoteTs: ['0.0.0.0/0'], espProposals: [config.espProposals] }],
    ...(ppk === undefined ? {} : { ppk }),
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
    crypto: withPrivateValues(base, recordedKes(sa!, role)),
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
      ['IKE_SA_INIT', 'IKE_INTERMEDIATE', 'IKE_AUTH'].includes(header.exchange) &&
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

it('every recorded conversation is played, or named with what it asks for', () => {
  const named = [...recordings, ...Object.keys(notPlayed)]
  expect(named.sort()).toEqual([...traceNames].sort())
})

describe.each([nobleProvider, nodeProvider])('a handshake that strongSwan recorded, over $name', (provider) => {
  const roles = ['initiator', 'responder'] as const
  const cases = recordings.flatMap((name) => roles.map((role) => ({ name, role })))
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
