import type { EapMethods } from '../../src/credentials/eap.ts'
import { parseIdentity } from '../../src/ike/auth/identity.ts'
import type { EapPeerAnswer, EapServerAnswer } from '../../src/ike/questions.ts'
import { parseIp } from '../../src/ip/address.ts'

/** What the core would ask. */
export const serverQuestion = (
  methods: EapMethods,
  session: number,
  packet: Uint8Array | undefined,
  id = 'laptop',
) => ({
  kind: 'eap-server' as const,
  auth: { method: 'eap' as const, methods },
  session,
  connection: 'office',
  id: parseIdentity(id),
  remote: { address: parseIp('192.0.2.1'), port: 500 },
  packet,
})
export const peerQuestion = (methods: EapMethods, session: number, packet: Uint8Array, id = 'laptop') => ({
  kind: 'eap-peer' as const,
  auth: { method: 'eap' as const, methods },
  session,
  id: parseIdentity(id),
  packet,
})

/** As the core would carry it. */
export async function authenticate(
  serverMethods: EapMethods,
  peerMethods: EapMethods,
  session = 1,
  id?: string,
): Promise<{ server: EapServerAnswer; peer: EapPeerAnswer }> {
  let packet: Uint8Array | undefined
  for (;;) {
    const asked = await serverMethods.answerEapServer(serverQuestion(serverMethods, session, packet, id))
    if (asked.packet === undefined) throw new Error('no packet')
    const answered = await peerMethods.answerEapPeer(peerQuestion(peerMethods, session, asked.packet, id))
    if (!asked.ok || 'done' in asked || !answered.ok || 'done' in answered) return { server: asked, peer: answered }
    packet = answered.packet
  }
}
