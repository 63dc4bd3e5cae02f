import { wipe } from '../bytes/index.ts'
import type { CryptoProvider, RandomSource } from '../crypto/provider.ts'
import {
  andThen,
  type EapMethod,
  type EapPeerCredentials,
  type EapPeerResult,
  EapPeerSession,
  type EapServerCredentials,
  type EapServerResult,
  EapServerSession,
  type EapWorld,
  type MaybePromise,
} from '../eap/index.ts'
import { EapCode, encodeEapPacket } from '../eap/packet.ts'
import { formatIdentity } from '../ike/auth/identity.ts'
import { IdType } from '../ike/codec/numbers.ts'
import type { Handle, Identity } from '../ike/config.ts'
import type { EapPeerAnswer, EapPeerQuestion, EapServerAnswer, EapServerQuestion, No } from '../ike/questions.ts'
import { Conversations } from './conversations.ts'

/** How we prove ourselves by EAP. */
export interface EapPeerRole {
  /** Those that we take. */
  readonly methods: readonly EapMethod[]
  readonly credentials: EapPeerCredentials
  /** Undefined: our IKE identity as text. */
  readonly identity?: string
  /** Said in the clear, where the real name is only for the inside of a tunnel. RFC 5281 §7.3. */
  readonly anonymousIdentity?: string
  /** A server's words for the user, which nothing authenticates. */
  readonly onNotification?: (text: string) => void
}

/** How peers prove themselves by EAP to us. */
export interface EapServerRole {
  /** In order of preference. */
  readonly methods: readonly EapMethod[]
  readonly credentials: EapServerCredentials
  /**
   * `ask`: by EAP-Request/Identity, which every client answers; many have an address as their IKE identity. `ike`: the IKE identity
   * as text, without asking (RFC 7296 §2.16).
   */
  readonly identity?: 'ask' | 'ike'
}

/** Somebody else is the server of EAP, for example RADIUS: one conversation of theirs. */
export interface EapConversation {
  /** `packet`: the peer's, undefined to begin. */
  next(packet: Uint8Array | undefined): MaybePromise<EapServerAnswer>
  destroy(): void
}

export interface EapMethodsOptions {
  readonly crypto: CryptoProvider
  readonly random: RandomSource
  /** The setting that these methods stand in, for hints: `connections.office.remote.eap`. */
  readonly setting: string
  readonly peer?: EapPeerRole
  /** A server of our own, or how a conversation with somebody else's begins. */
  readonly server?: EapServerRole | ((question: EapServerQuestion) => EapConversation)
  /** Whom the server takes, by the identity that EAP proves, whatever the IKE identity says. Undefined: everybody who proves one. */
  readonly users?: readonly string[]
  /** Octets of the largest EAP packet: 1400 fits into a message that is not cut. RFC 3748 §3.1. */
  readonly mtu?: number
  /** Monotonic, ms. */
  readonly now?: () => number
  /** How long a conversation may rest, ms. */
  readonly idleMs?: number
  readonly maxConversations?: number
}

/**
 * Speaks EAP for one connection, as peer, as server or both: what `EapPeerAuth.methods` and `EapServerAuth.methods` hold. Answers come in
 * the same turn where the methods and credentials need no longer. Nothing in a message or a description is a password.
 */
export class EapMethods implements Handle {
  readonly description: string
  readonly #options: EapMethodsOptions
  readonly #world: EapWorld
  readonly #peers: Conversations<EapPeerSession>
  readonly #servers: Conversations<EapConversation>

  constructor(options: EapMethodsOptions) {
    this.#options = options
    const { crypto, random, mtu = 1400, peer, server } = options
    this.#world = { crypto, random, mtu }
    this.#peers = new Conversations(options)
    this.#servers = new Conversations(options)
    const methods = [peer, typeof server === 'function' ? undefined : server].flatMap((role) => role?.methods ?? [])
    this.description = `eap-${[...new Set(methods.map(({ name }) => name))].join(',') || 'server'}`
  }

  /** Our answer to the server's packet. */
  answerEapPeer(question: EapPeerQuestion): MaybePromise<EapPeerAnswer> {
    const { peer, setting } = this.#options
    if (peer === undefined) return no('no EAP method is set for our own side', `${setting}: name a method`)
    const { session } = question
    let conversation = this.#peers.find(session)
    if (conversation === undefined) {
      const identity = peer.identity ?? identityName(question.id)
      conversation = new EapPeerSession({ ...peer, world: this.#world, identity })
      if (!this.#peers.add(session, conversation)) return this.#tooMany()
    }
    return andThen(conversation.receive(question.packet), (result) => this.#peerAnswer(session, result))
  }

  /** Our next packet for the peer, or the end. */
  answerEapServer(question: EapServerQuestion): MaybePromise<EapServerAnswer> {
    const { server, setting } = this.#options
    if (server === undefined) return no('no EAP method is set for the peer', `${setting}: name a method`)
    const { session, packet } = question
    let conversation = this.#servers.find(session)
    if (packet === undefined) {
      conversation = typeof server === 'function' ? server(question) : this.#ownServer(server, question)
      if (!this.#servers.add(session, conversation)) return this.#tooMany()
    }
    if (conversation === undefined) return no('the EAP conversation rested for too long', `${setting}: idle`)
    return andThen(conversation.next(packet), (answer) => {
      if (!answer.ok || 'done' in answer) this.#servers.end(session)
      return answer.ok && 'done' in answer ? this.#ofUser(answer, question.id) : answer
    })
  }

  /** IDi, by which the connection was chosen, proves nothing: who may come is a matter of what EAP has proved. RFC 7296 §2.16. */
  #ofUser(answer: EapSuccess, id: Identity): EapServerAnswer {
    const { users, server, setting } = this.#options
    const { identity, msk, packet } = answer
    const isIke = typeof server === 'object' && server.identity === 'ike'
    const isExpected = !isIke || identity.toLowerCase() === identityName(id).toLowerCase()
    if (isExpected && users?.includes(identity) !== false) return answer
    if (msk !== undefined) wipe(msk)
    const refusal = isExpected
      ? no(`EAP: ${identity} is not among the users that are taken here`, `${setting}.users`)
      : no(`EAP: ${identityName(id)} proved to be ${identity}`, `${setting}.identity: ask, where the two may differ`)
    // EAP Failure in the place of EAP Success.
    return { ...refusal, packet: encodeEapPacket({ code: EapCode.Failure, identifier: packet[1]! }) }
  }

  /** The IKE_SA is gone: what its conversation holds is wiped. */
  end(session: number): void {
    this.#peers.end(session)
    this.#servers.end(session)
  }

  #ownServer(role: EapServerRole, question: EapServerQuestion): EapConversation {
    const identity = role.identity === 'ike' ? identityName(question.id) : undefined
    const session = new EapServerSession({ ...role, world: this.#world, identity })
    return {
      next: (packet) =>
        andThen(packet === undefined ? session.begin() : session.receive(packet), (result) =>
          this.#serverAnswer(result),
        ),
      destroy: () => session.destroy(),
    }
  }

  #peerAnswer(session: number, result: EapPeerResult): EapPeerAnswer {
    if (result.kind === 'send') return { ok: true, packet: result.packet }
    this.#peers.end(session)
    if (result.kind === 'success') return { ok: true, done: true, msk: result.msk, mutual: result.mutual }
    const { setting } = this.#options
    return no(`EAP: ${result.message}`, `${setting}: identity, password and methods have to be what the server expects`)
  }

  #serverAnswer(result: EapServerResult): EapServerAnswer {
    const { packet } = result
    switch (result.kind) {
      case 'send':
        return result.refusal === undefined
          ? { ok: true, packet }
          : { ok: true, packet, refusal: this.#serverNo(result.refusal) }
      case 'success':
        return { ok: true, done: true, packet, msk: result.msk, identity: result.identity }
      case 'failure':
        return { ...this.#serverNo(result.message), packet }
    }
  }

  #serverNo(message: string): No {
    return no(
      `EAP: ${message}`,
      `${this.#options.setting}: the users, methods, authorities and lists that stand there; or what the peer shows`,
    )
  }

  #tooMany(): No {
    const { setting } = this.#options
    return no('too many EAP conversations are under way', `${setting}: maxConversations`)
  }
}

type EapSuccess = Extract<EapServerAnswer, { readonly done: true }>

/** An IKE identity as a user name: names and addresses as they are, a key id as its text. */
export function identityName(id: Identity): string {
  if (id.type === IdType.ID_KEY_ID || id.type === IdType.ID_FQDN || id.type === IdType.ID_RFC822_ADDR) {
    return new TextDecoder().decode(id.data)
  }
  return formatIdentity(id)
}

const no = (message: string, hint: string): No => ({ ok: false, message, hint })
