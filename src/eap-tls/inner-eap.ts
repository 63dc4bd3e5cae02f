import {
  EapCode,
  type EapMethod,
  type EapPeerResult,
  EapPeerSession,
  type EapPeerWorld,
  EapServerSession,
  type EapServerWorld,
  EapType,
  encodeEapPacket,
} from '../eap/index.ts'

/** EAP inside of TLS, as a peer. Packets are whole ones; the server says how it ended inside or outside of TLS. */
export class InnerPeer {
  readonly #session: EapPeerSession
  #over: EapPeerResult | undefined
  #key: Uint8Array | undefined

  constructor(world: EapPeerWorld, methods: readonly EapMethod[]) {
    const { identity, credentials } = world
    this.#session = new EapPeerSession({ world, methods, credentials, identity })
  }

  /** Our name, before the server has asked for it. RFC 5281 §11.2.1. */
  async hello(): Promise<EapPeerResult> {
    const data = new Uint8Array(0)
    return this.hear(encodeEapPacket({ code: EapCode.Request, identifier: 0, type: EapType.Identity, data }))
  }

  /** A packet of the server. */
  async hear(packet: Uint8Array): Promise<EapPeerResult> {
    return this.#note(await this.#session.receive(packet))
  }

  /** The server says outside that it ended well: undefined when our method agrees, else why not. */
  succeed(): string | undefined {
    const over = this.#over ?? this.#end(EapCode.Success)
    return over.kind === 'success' ? undefined : over.kind === 'failure' ? over.message : undone
  }

  /** The server says outside that it failed: what the method has heard of the reason. */
  fail(): string {
    const over = this.#over ?? this.#end(EapCode.Failure)
    return over.kind === 'failure' ? over.message : 'the server refused us after the method inside of TLS'
  }

  /** The key of the method inside, given away once; undefined where it makes none. */
  takeKey(): Uint8Array | undefined {
    const key = this.#key
    this.#key = undefined
    return key
  }

  destroy(): void {
    this.#session.destroy()
    this.#key?.fill(0)
  }

  #end(code: 3 | 4): EapPeerResult {
    const result = this.#session.receive(encodeEapPacket({ code, identifier: 0 }))
    // No method waits for anything at its end.
    return result instanceof Promise ? { kind: 'failure', message: undone } : this.#note(result)
  }

  #note(result: EapPeerResult): EapPeerResult {
    if (result.kind === 'send') return result
    this.#over = result
    if (result.kind === 'success') this.#key = result.msk
    return result
  }
}

/** EAP inside of TLS, as a server. `identity`: undefined where the peer is to be asked for it. */
export function innerServer(
  world: EapServerWorld,
  methods: readonly EapMethod[],
  identity: string | undefined,
): EapServerSession {
  return new EapServerSession({ world, methods, credentials: world.credentials, identity })
}

const undone = 'the method inside of TLS has not come to its end'
