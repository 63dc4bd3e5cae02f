import { NotifyType, type Payload } from './codec/index.ts'
import type { ConnectionConfig } from './config.ts'
import { explainNotChildless } from './explain-childless.ts'
import { explainNoPpk } from './explain-ppk.ts'
import { findNotify, notify } from './notifies.ts'
import type { Refusal } from './refusal.ts'

/** What both ends said in IKE_SA_INIT that IKE_AUTH depends on. */
export interface SetUp {
  /** Both have post-quantum pre-shared keys. RFC 8784 §3. */
  readonly ppk: boolean
  /** IKE_AUTH may be without a CHILD_SA: the responder said so. RFC 6023 §3. */
  readonly childless: boolean
}

/** Our notifies in an IKE_SA_INIT request. */
export function requestNotifies(connection: ConnectionConfig): Payload[] {
  return connection.ppk === undefined ? [] : [notify(NotifyType.USE_PPK)]
}

/** What the response says besides, and what comes of it: the peer's identity will choose among `candidates`. */
export function answerSetUp(
  candidates: readonly ConnectionConfig[],
  request: readonly Payload[],
): { readonly setUp: SetUp; readonly notifies: Payload[] } {
  const ppk = has(request, NotifyType.USE_PPK) && candidates.some((connection) => connection.ppk !== undefined)
  const childless = candidates.some((connection) => connection.childless !== 'never')
  const notifies = [
    ...(ppk ? [notify(NotifyType.USE_PPK)] : []),
    ...(childless ? [notify(NotifyType.CHILDLESS_IKEV2_SUPPORTED)] : []),
  ]
  return { setUp: { ppk, childless }, notifies }
}

/** What the response came to, as initiator. */
export function setUpOf(connection: ConnectionConfig, response: readonly Payload[]): SetUp {
  return {
    ppk: connection.ppk !== undefined && has(response, NotifyType.USE_PPK),
    childless: has(response, NotifyType.CHILDLESS_IKEV2_SUPPORTED),
  }
}

/** What keeps an initiator from going on with IKE_AUTH. */
export function setUpObstacle(connection: ConnectionConfig, setUp: SetUp): Refusal | undefined {
  if (connection.ppk?.required === true && !setUp.ppk) return explainNoPpk({ connection })
  const needsChildless = connection.childless === 'force' || connection.children.length === 0
  return needsChildless && !setUp.childless ? explainNotChildless(connection) : undefined
}

/** As initiator: the IKE_SA is set up alone, and its first CHILD_SA follows. RFC 6023 §2. */
export const beginsChildless = ({ childless }: ConnectionConfig, setUp: SetUp): boolean =>
  setUp.childless && (childless === 'prefer' || childless === 'force')

const has = (payloads: readonly Payload[], type: number): boolean => findNotify(payloads, type) !== undefined
