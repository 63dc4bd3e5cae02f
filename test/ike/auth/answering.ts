import { concat, equalBytes, toHex } from '../../../src/bytes/index.ts'
import { pskConnection } from '../../../src/config/connection.ts'
import { nobleProvider } from '../../../src/crypto/noble.ts'
import type { ConnectionConfig, LocalAuth, RemoteAuth } from '../../../src/ike/config.ts'
import type { AuthenticationRefusal } from '../../../src/ike/explain/refusal.ts'
import type { Asks } from '../../../src/ike/index.ts'
import type { Answer, Answers, AskAction, No, Question } from '../../../src/ike/questions.ts'
import { RecordingXfrm } from '../../../src/testing/recording-xfrm.ts'
import { VirtualClock, VirtualNetwork } from '../../../src/testing/virtual-network.ts'
import { VirtualPeer } from '../../../src/testing/virtual-peer.ts'
import { left, leftConnection, right, rightConnection } from '../support.ts'

/** Answers some kinds of questions otherwise than usual; undefined goes on as usual. */
export type Otherwise = (question: Question, ask: AskAction) => Answer | Promise<Answer> | 'later' | undefined

export interface Side {
  readonly local: LocalAuth
  readonly remote: RemoteAuth
  readonly change?: (connection: ConnectionConfig) => ConnectionConfig
  readonly otherwise?: Otherwise
  readonly asks?: Asks
}

export const psk: LocalAuth & RemoteAuth = { method: 'psk', secret: new TextEncoder().encode('secret') }
export const nobody: LocalAuth & RemoteAuth = { method: 'null' }
export const eapOnly: LocalAuth & RemoteAuth = { method: 'eap-only' }
export const signs = (key: string, sendCertificates: 'always' | 'asked' | 'never' = 'asked'): LocalAuth => ({
  method: 'pubkey',
  credential: { description: key },
  sendCertificates,
})
export const trusts = (key: string): RemoteAuth => ({
  method: 'pubkey',
  trust: { description: key },
  authorities: [nobleProvider.hash('sha1', text(key))],
})
/** `description`: user, colon, password; what follows after a space tells how the method is. */
export const eapUser = (description: string): LocalAuth => ({ method: 'eap', methods: { description } })
export const eapServer = (description: string): RemoteAuth => ({ method: 'eap', methods: { description } })

export const text = (characters: string): Uint8Array => new TextEncoder().encode(characters)
export const no = (about: string): No => ({ ok: false, message: `${about} says no`, hint: `change ${about}` })

/** A signature that is none: SHA-256 over the key's name and the octets. */
const signature = (key: string, octets: Uint8Array): Uint8Array =>
  nobleProvider.hash('sha256', concat(text(key), octets))

const eapPacket = (code: number, identifier: number, data: string): Uint8Array => {
  const body = text(data)
  return concat(Uint8Array.of(code, identifier, 0, 4 + body.length), body)
}
const eapText = (packet: Uint8Array): string => new TextDecoder().decode(packet.subarray(4))
const mskOf = (description: string): Uint8Array | undefined =>
  description.includes('keyless')
    ? undefined
    : concat(...[0, 1].map((n) => nobleProvider.hash('sha256', text(`${n}${description}`))))

/** A method of two rounds: who are you, what is your password. */
const usual: { readonly [Kind in Question['kind']]?: (question: Extract<Question, { kind: Kind }>) => Answers[Kind] } =
  {
    sign: ({ auth, octets }) => ({
      ok: true,
      method: 14,
      data: signature(auth.credential.description, octets),
      certificates: [{ encoding: 4, data: text(auth.credential.description) }],
    }),
    verify: ({ auth, octets, data }) =>
      equalBytes(data, signature(auth.trust.description, octets))
        ? {
            ok: true,
            peer: { subject: `CN=${auth.trust.description}`, issuer: 'CN=ca', names: [], serial: '01', notAfter: 1 },
          }
        : no('the signature'),
    'eap-peer': ({ auth, packet }) => {
      const [user = '', password = ''] = auth.methods.description.split(' ')[0]!.split(':')
      if (packet[0] === 4) return no('the server')
      if (packet[0] === 3)
        return {
          ok: true,
          done: true,
          msk: mskOf(auth.methods.description),
          mutual: !auth.methods.description.includes('one-way'),
        }
      return { ok: true, packet: eapPacket(2, packet[1]!, eapText(packet) === 'who' ? user : password) }
    },
    'eap-server': ({ auth, packet }) => {
      const { description } = auth.methods
      const [user = '', password = ''] = description.split(' ')[0]!.split(':')
      if (packet === undefined) return { ok: true, packet: eapPacket(1, 1, 'who') }
      const said = eapText(packet)
      if (packet[1] === 1) return said === user ? { ok: true, packet: eapPacket(1, 2, 'password') } : no('the user')
      if (said !== password) return { ...no('the password'), packet: eapPacket(4, 2, '') }
      return { ok: true, done: true, packet: eapPacket(3, 2, ''), msk: mskOf(description), identity: user }
    },
    authorize: () => ({ ok: true }),
    'select-child': ({ children }) => ({ ok: true, child: children[0]! }),
  }

export interface AuthPair {
  readonly clock: VirtualClock
  readonly network: VirtualNetwork
  readonly a: VirtualPeer
  readonly b: VirtualPeer
  /** What a and b were asked, in order. */
  readonly asked: { readonly a: AskAction[]; readonly b: AskAction[] }
}

/** Two peers that answer questions in the usual way, as far as they are not told otherwise. */
export function authPair(a: Side, b: Side): AuthPair {
  const clock = new VirtualClock()
  const network = new VirtualNetwork(clock)
  const asked = { a: [] as AskAction[], b: [] as AskAction[] }
  const make = (name: 'a' | 'b', side: Side) => {
    const plain = pskConnection(name === 'a' ? leftConnection : rightConnection)
    const connection = {
      ...plain,
      local: { ...plain.local, auth: side.local },
      remote: { ...plain.remote, auth: side.remote },
    }
    return new VirtualPeer(network, {
      address: name === 'a' ? left : right,
      connections: [side.change?.(connection) ?? connection],
      xfrm: new RecordingXfrm(),
      ...(side.asks === undefined ? {} : { asks: side.asks }),
      answers(question, ask) {
        asked[name].push(ask)
        return answerOf(question, ask, side.otherwise)
      },
    })
  }
  return { clock, network, a: make('a', a), b: make('b', b), asked }
}

function answerOf(question: Question, ask: AskAction, otherwise?: Otherwise) {
  const special = otherwise?.(question, ask)
  if (special === 'later') return undefined
  // Each function is filed under the kind of the questions that it takes.
  return special ?? (usual[question.kind] as ((question: Question) => Answer) | undefined)?.(question)
}

/** The usual answer. */
export const usually = (question: Question): Answer => answerOf(question, { token: 0 } as AskAction)! as Answer

/** A pair in which `a` has begun. */
export function attempt(a: Side, b: Side, ms = 2_000): AuthPair {
  const pair = authPair(a, b)
  pair.a.initiate('office')
  pair.clock.advance(ms)
  return pair
}

/** The IKE_AUTH messages that `b` saw, each as its payloads; requests with `>`. */
export const authMessages = ({ b }: AuthPair): string[] =>
  b
    .eventsOf('message')
    .filter(({ exchange }) => exchange === 'IKE_AUTH')
    .map(({ response, payloads }) => `${response ? '<' : '>'} ${payloads.filter(isOfAuth).join(' ')}`.trimEnd())

const boring = [
  'SK',
  'N(MOBIKE_SUPPORTED)',
  'N(IKEV2_MESSAGE_ID_SYNC_SUPPORTED)',
  'N(IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED)',
]
const isOfAuth = (payload: string): boolean =>
  !boring.includes(payload) && !payload.startsWith('N(ADDITIONAL') && !payload.startsWith('N(SUPPORTED_AUTH')

export const refusals = (peer: VirtualPeer) =>
  peer.eventsOf('refused').map(({ refusal }) => refusal as AuthenticationRefusal)

export const stands = ({ a, b }: AuthPair): boolean =>
  [a, b].every((peer) => peer.eventsOf('child-established').length === 1 && peer.status()[0]?.state === 'established')

export const keyOf = (peer: VirtualPeer): string =>
  toHex([...(peer.xfrm as RecordingXfrm).states.values()].find(({ direction }) => direction === 'out')!.encr.key)
