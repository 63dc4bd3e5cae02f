import type { EapMethod } from './method.ts'
import { MschapPeer } from './mschapv2-peer.ts'
import { MschapServer } from './mschapv2-server.ts'

/** Microsoft's CHAP, version 2, inside EAP: mutual, by a password, with a key. draft-kamath-pppext-eap-mschapv2, RFC 2759. */
export const mschapv2: EapMethod = {
  type: 26,
  name: 'mschapv2',
  beginServer: (world) => new MschapServer(world),
  beginPeer: (world) => new MschapPeer(world),
}
