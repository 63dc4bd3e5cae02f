import { equalConstantTime, wipe } from '../bytes/index.ts'
import { andThen, type MaybePromise } from './maybe-promise.ts'
import type { EapFailure, EapPeerExchange, EapPeerStep, EapPeerWorld, EapSuccess } from './method.ts'
import { authenticatorResponse, type MschapExchange, mschapMsk, ntPasswordHash, ntResponse } from './mschapv2-keys.ts'
import { decodeMschapPacket, encodeMschapPacket, MschapOp, type MschapPacket } from './mschapv2-packet.ts'

/** The peer's side: the server has to prove that it knows the password too. RFC 2759 §§4 to 6. */
export class MschapPeer implements EapPeerExchange {
  readonly #world: EapPeerWorld
  #state: 'begun' | 'answered' | 'done' | 'refused' = 'begun'
  /** What the server has to say, `S=...`. */
  #expected = ''
  #reason: string | undefined
  #msk: Uint8Array | undefined

  constructor(world: EapPeerWorld) {
    this.#world = world
  }

  next(data: Uint8Array): MaybePromise<EapPeerStep> {
    if (data[0] === MschapOp.ChangePassword) {
      return failure('the server wants a new password (EAP-MSCHAPv2): change it elsewhere')
    }
    const packet = decodeMschapPacket(data)
    switch (packet.op) {
      case MschapOp.Challenge:
        return this.#state === 'begun' ? this.#answer(packet) : failure('EAP-MSCHAPv2: a second Challenge')
      case MschapOp.Success:
        return this.#state === 'answered' ? this.#succeed(packet.message) : outOfPlace
      case MschapOp.Failure:
        return this.#state === 'answered' ? this.#refused(packet.message) : outOfPlace
      default:
        return outOfPlace
    }
  }

  finish(): EapSuccess | EapFailure {
    if (this.#state !== 'done') {
      return { kind: 'failure', message: 'EAP Success before the server has proved that it knows the password' }
    }
    const msk = this.#msk
    this.#msk = undefined
    return { kind: 'success', msk, mutual: true }
  }

  reason(): string | undefined {
    return this.#reason
  }

  destroy(): void {
    wipe(this.#msk)
    this.#msk = undefined
  }

  #answer({ id, challenge }: MschapPacket & { readonly op: 1 }): MaybePromise<EapPeerStep> {
    const { crypto, random, identity, credentials } = this.#world
    if (credentials.password === undefined) return failure('no password is set for EAP-MSCHAPv2')
    return andThen(credentials.password(), (password) => {
      const peerChallenge = random(16, 'nonce')
      const user = identity.slice(identity.lastIndexOf('\\') + 1)
      const exchange: MschapExchange = { authenticatorChallenge: challenge, peerChallenge, user }
      const hash = ntPasswordHash(password)
      const response = ntResponse(crypto, exchange, hash)
      this.#expected = authenticatorResponse(crypto, exchange, hash, response)
      this.#msk = mschapMsk(crypto, hash, response)
      this.#state = 'answered'
      wipe(hash)
      return {
        kind: 'response',
        data: encodeMschapPacket({ op: MschapOp.Response, id, peerChallenge, ntResponse: response, name: identity }),
      }
    })
  }

  #succeed(message: string): EapPeerStep {
    const proof = utf8(message.slice(0, this.#expected.length).toUpperCase())
    if (!equalConstantTime(proof, utf8(this.#expected))) {
      return failure('the server could not prove that it knows the password: it is not ours')
    }
    this.#state = 'done'
    return { kind: 'response', data: Uint8Array.of(MschapOp.Success) }
  }

  #refused(message: string): EapPeerStep {
    this.#state = 'refused'
    this.#reason = refusalText(message)
    return { kind: 'response', data: Uint8Array.of(MschapOp.Failure) }
  }
}

/** `E=691 R=0 C=... V=3 M=...` in words. RFC 2759 §6. */
export function refusalText(message: string): string {
  const code = /(?:^| )E=(\d{1,10})/.exec(message)?.[1]
  const meaning = code === undefined ? undefined : meanings[code]
  const said = /(?:^| )M=([^\0]{1,200})/.exec(message)?.[1]
  const words = said === undefined ? '' : `, and said: ${JSON.stringify(said)}`
  if (code === undefined) return `the server refused us (EAP-MSCHAPv2)${words}`
  return `the server refused us (EAP-MSCHAPv2 error ${code}): ${meaning ?? 'an error that RFC 2759 does not name'}${words}`
}

const meanings: Readonly<Record<string, string>> = {
  646: 'we may not log on at this hour',
  647: 'our account is disabled',
  648: 'our password has expired, and has to be changed elsewhere',
  649: 'our account has no permission to dial in',
  691: 'wrong user name or password',
  709: 'the password could not be changed',
}

const failure = (message: string): EapFailure => ({ kind: 'failure', message })
const outOfPlace = failure('EAP-MSCHAPv2: a message out of place')
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
