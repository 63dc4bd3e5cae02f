import { wipe } from '../bytes/index.ts'
import type { CryptoProvider, RandomSource } from '../crypto/provider.ts'
import { andThen } from '../eap/index.ts'
import type { EapServerAnswer, EapServerQuestion } from '../ike/questions.ts'
import {
  type RadiusAsk,
  RadiusEapConversation,
  type RadiusEapResult,
  type RadiusNas,
  type RadiusSession,
} from '../radius/index.ts'
import type { EapConversation } from './eap.ts'
import { poolAttributes } from './pool-attributes.ts'

export interface RadiusEapServerOptions {
  readonly crypto: CryptoProvider
  readonly random: RandomSource
  /** `UdpRadiusClient.ask` and `.secretOf`. */
  readonly client: { readonly ask: RadiusAsk; readonly secretOf: (server: number) => Uint8Array }
  readonly nas: RadiusNas
  /** For hints: `connections.office.remote.radius`. */
  readonly setting: string
  /** Octets of the largest EAP packet. */
  readonly mtu?: number
  /** A peer has come in by RADIUS: for accounting, time limits and disconnecting. */
  readonly onAccept?: (question: EapServerQuestion, identity: string, session: RadiusSession) => void
}

/** What `EapMethodsOptions.server` holds when a RADIUS server is to decide. RFC 3579. */
export function radiusEapServer(options: RadiusEapServerOptions): (question: EapServerQuestion) => EapConversation {
  const { crypto, random, client, nas, mtu = 1400 } = options
  return (question) => {
    const { connection, remote } = question
    let isOver = false
    const conversation = new RadiusEapConversation({
      ...{ crypto, random, nas, mtu, port: { connection, remote } },
      ask: client.ask,
      secretOf: client.secretOf,
    })
    return {
      next: (packet) =>
        packet === undefined
          ? answerOf(conversation.begin(), question, options)
          : andThen(conversation.receive(packet), (result) => {
              // Nobody hears any more that it has come in.
              if (isOver && result.kind === 'success') wipe(result.msk)
              return isOver ? tooLate(options) : answerOf(result, question, options)
            }),
      destroy() {
        isOver = true
      },
    }
  }
}

const tooLate = ({ setting }: RadiusEapServerOptions): EapServerAnswer => ({
  ok: false,
  message: 'EAP: the peer went away before RADIUS answered',
  hint: `${setting}: the servers, and the time that they take`,
})

function answerOf(
  result: RadiusEapResult,
  question: EapServerQuestion,
  { setting, onAccept }: RadiusEapServerOptions,
): EapServerAnswer {
  const { packet } = result
  if (result.kind === 'send') return { ok: true, packet }
  if (result.kind === 'failure') {
    const hint = `${setting}: the servers, the secret, and the users there`
    return { ok: false, message: `EAP: ${result.message}`, hint, packet }
  }
  const { msk, identity, session } = result
  onAccept?.(question, identity, session)
  return {
    ok: true,
    done: true,
    packet,
    msk,
    identity,
    addresses: session.addresses,
    attributes: poolAttributes({ dns: session.nameServers, subnets: session.routes }),
  }
}
