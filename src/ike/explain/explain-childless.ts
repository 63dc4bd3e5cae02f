import type { ConnectionConfig } from '../config.ts'
import type { PeerRefusal } from './refusal.ts'

/** We want the IKE_SA without a first CHILD_SA, and the responder does not offer that. RFC 6023 §3. */
export function explainNotChildless({ name, childless, children }: ConnectionConfig): PeerRefusal {
  const why = childless === 'force' ? 'childless is "force"' : 'the connection has no children'
  return {
    kind: 'peer-error',
    by: 'local',
    detail: 'CHILDLESS_IKEV2_SUPPORTED',
    message: `the peer of connection ${name} does not set up IKE_SAs without a CHILD_SA (no CHILDLESS_IKEV2_SUPPORTED), and ${why}`,
    hint:
      children.length === 0
        ? `connections.${name}.children: name one, or switch childless IKE_SAs on at the peer`
        : `connections.${name}.childless: prefer, or switch childless IKE_SAs on at the peer`,
  }
}

/** The initiator asks for a CHILD_SA in IKE_AUTH, where we make none. RFC 6023. */
export function explainChildRefused({ name }: ConnectionConfig): PeerRefusal {
  return {
    kind: 'limit',
    by: 'local',
    detail: 'NO_ADDITIONAL_SAS',
    message: `the peer of connection ${name} asks for a CHILD_SA in IKE_AUTH, and childless is "force": it has to ask in CREATE_CHILD_SA`,
    hint: `connections.${name}.childless: allow, or switch childless IKE_SAs on at the peer`,
  }
}
