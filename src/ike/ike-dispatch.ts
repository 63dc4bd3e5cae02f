import { equalBytes, toHex } from '../bytes/index.ts'
import { decodeHeader, type IkeHeader, isInitial } from './codec/index.ts'
import type { IkeSa } from './ike-sa.ts'
import type { IkeSas } from './ike-sas.ts'
import { contained } from './message/contained.ts'
import { pump, receiveInitResponse, receiveProtected } from './message/ike-messages.ts'
import { decodeOr, drop } from './message/message-drop.ts'
import { hint, namedByInvalidSpi, type StrayMessages } from './message/stray-messages.ts'
import { copyEndpoint, type IkeRuntime, type Path } from './runtime.ts'
import type { InitResponder } from './set-up/init-responder.ts'

/** Brings each arriving message to its IKE_SA, to the responder, or to nobody. RFC 7296 §2.6, §3.1. */
export class IkeDispatch {
  readonly #runtime: IkeRuntime
  readonly #sas: IkeSas
  readonly #responder: InitResponder
  readonly #strays: StrayMessages

  constructor(runtime: IkeRuntime, sas: IkeSas, responder: InitResponder, strays: StrayMessages) {
    this.#runtime = runtime
    this.#sas = sas
    this.#responder = responder
    this.#strays = strays
  }

  /** `message` and `path` are borrowed for the duration of the call. */
  receive(message: Uint8Array, path: Path): void {
    const header = decodeOr(() => decodeHeader(message), this.#runtime, path)
    if (header === undefined) return
    if (header.majorVersion !== 2) return this.#responder.refuseVersion(header, path, this.#strays)
    if (isInitial(header.exchangeType)) return this.#receiveInit(header, message, path)
    // RFC 7296 §2.6: our own SPI finds the IKE_SA; which of the two it is, the Initiator flag tells.
    const sa = this.#sas.find(header.flags.initiator ? header.SPIr : header.SPIi)
    if (sa !== undefined && belongsTo(sa, header)) return receiveProtected(sa, header, message, path)
    if (!this.#repeatLastWord(message, path)) this.#receiveStray(header, message, path)
  }

  #receiveInit(header: IkeHeader, message: Uint8Array, path: Path): void {
    if (header.flags.response) {
      const sa = this.#sas.find(header.SPIi)
      if (sa?.role !== 'initiator' || header.flags.initiator)
        return drop(this.#runtime, path, 'unknown-spi', toHex(header.SPIi))
      return receiveInitResponse(sa, header, message, path)
    }
    const sa = this.#responder.receive(header, message, path, this.#runtime.nextId)
    if (sa === undefined) return
    this.#runtime.nextId++
    this.#sas.add(sa)
  }

  /** False when `message` is not one that an IKE_SA answered last before it ended. */
  #repeatLastWord(message: Uint8Array, { local, remote }: Path): boolean {
    const lastWord = this.#runtime.lastWords.repeat(message, this.#runtime.now)
    if (lastWord === undefined) return false
    for (const one of lastWord) this.#runtime.send(copyEndpoint(local), copyEndpoint(remote), one)
    return true
  }

  #receiveStray(header: IkeHeader, message: Uint8Array, path: Path): void {
    const named = decodeOr(() => ({ sa: namedByInvalidSpi(this.#runtime, header, message, path) }), this.#runtime, path)
    if (named === undefined) return
    const { sa } = named
    if (sa !== undefined) {
      hint(sa)
      return contained(sa, () => pump(sa))
    }
    const { SPIi, SPIr } = header
    drop(this.#runtime, path, 'unknown-spi', `${toHex(SPIi)}/${toHex(SPIr)}`)
    // Only for an IKE_SA that is gone: for one that stands the token is a secret between its peers.
    const isGone = this.#sas.find(SPIi) === undefined && this.#sas.find(SPIr) === undefined
    this.#strays.answerUnknown(header, path, () => (isGone ? this.#runtime.crashTokens?.make(SPIi, SPIr) : undefined))
  }
}

/** Both SPIs and the direction fit: a peer that is the original initiator sets the Initiator flag. RFC 7296 §3.1. */
function belongsTo(sa: IkeSa, header: IkeHeader): boolean {
  if (sa.init === undefined || header.flags.initiator === (sa.role === 'initiator')) return false
  return equalBytes(sa.SPIi, header.SPIi) && equalBytes(sa.init.SPIr, header.SPIr)
}
