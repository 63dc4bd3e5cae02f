import { PeerError } from '../../errors.ts'
import { ask, type Flow } from '../asking/flow.ts'
import { NotifyType, type Payload } from '../codec/index.ts'
import type { ChildConfig } from '../config.ts'
import { explainNoChild } from '../explain/explain-child.ts'
import type { IkeSa } from '../ike-sa.ts'
import { need } from '../message/notifies.ts'
import { knownTrafficSelectors } from '../negotiation/traffic-selector.ts'
import { copySelectors } from './child-selectors.ts'

/**
 * The children of the connection that a request for a CHILD_SA is compared with: all, or the one that somebody of ours selects.
 * Throws `PeerError` with TS_UNACCEPTABLE, and tells why, when it is none.
 */
export function* selectChildren(sa: IkeSa, payloads: readonly Payload[]): Flow<readonly ChildConfig[]> {
  const { connection, provenPeer, runtime } = sa
  if (runtime.asks.selectChild !== true || provenPeer === undefined) return connection.children
  const selectors = (kind: 'TSi' | 'TSr') => copySelectors(knownTrafficSelectors(need(payloads, kind).selectors))
  const answer = yield* ask({
    kind: 'select-child',
    peer: provenPeer,
    TSi: selectors('TSi'),
    TSr: selectors('TSr'),
    children: connection.children.map(({ name }) => name),
  })
  const selected = answer.ok ? connection.children.filter(({ name }) => name === answer.child) : []
  if (selected.length > 0) return selected
  const refusal = explainNoChild(connection, answer)
  runtime.emit({ kind: 'refused', sa: sa.ref, remote: sa.path.remote, refusal, child: '' })
  throw new PeerError('TS_UNACCEPTABLE', refusal.message, {
    notify: NotifyType.TS_UNACCEPTABLE,
    explanation: refusal,
  })
}
