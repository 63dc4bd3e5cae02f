import type { XfrmEvent } from '../monitor.ts'
import type { XfrmPolicy } from '../policy.ts'
import type { MigrateRequest, XfrmMapping } from '../port.ts'
import type { XfrmState } from '../state.ts'
import { kernelDirections, kernelPolicy } from './from-policy.ts'
import { familyOf, kernelAddress, kernelSelector, zeroSelector } from './from-selector.ts'
import { type Calendar, kernelModes, kernelSaId, kernelState } from './from-state.ts'
import type { XfrmMessage } from './message.ts'
import { EncapType } from './numbers.ts'

/** What happened in our tables, as the kernel would tell it. */
export function kernelEvent(event: XfrmEvent, calendar?: Calendar): XfrmMessage {
  switch (event.type) {
    case 'newsa':
    case 'updsa':
      return { type: event.type, ...kernelState(event.state, calendar) }
    case 'delsa': {
      const { body, attributes } = kernelState(event.state, calendar)
      return { type: 'delsa', body: kernelSaId(event.state), attributes: { ...attributes, sa: body } }
    }
    case 'expire': {
      const { body, attributes } = kernelState(event.state, calendar)
      const { mark, ifId } = attributes
      return {
        type: 'expire',
        body: { state: body, hard: event.expire.hard ? 1 : 0 },
        attributes: { ...(mark === undefined ? {} : { mark }), ...(ifId === undefined ? {} : { ifId }) },
      }
    }
    case 'newpolicy':
    case 'updpolicy':
      return { type: event.type, ...kernelPolicy(event.policy) }
    case 'delpolicy': {
      const { body, attributes } = kernelPolicy(event.policy)
      const { selector, index, dir } = body
      return { type: 'delpolicy', body: { selector, index, dir }, attributes: { ...attributes, policy: body } }
    }
    case 'acquire':
      return acquireMessage(event.policy, event.larval)
    case 'migrate':
      return migrateMessage(event.migrate)
    case 'mapping':
      return mappingMessage(event.mapping)
  }
}

function acquireMessage(policy: XfrmPolicy, larval: XfrmState): XfrmMessage {
  const { body, attributes } = kernelPolicy(policy)
  const { id, saddr, selector, seq } = kernelState(larval).body
  const [template] = attributes.templates ?? []
  const { aalgos = 0, ealgos = 0, calgos = 0 } = template ?? {}
  return { type: 'acquire', body: { id, saddr, selector, policy: body, aalgos, ealgos, calgos, seq }, attributes }
}

/** XFRM_MSG_MIGRATE, as told and as asked for. */
export function migrateMessage(request: MigrateRequest): XfrmMessage {
  const { selector, direction, type, ifId = 0, encap, migrations } = request
  return {
    type: 'migrate',
    body: { selector: kernelSelector(selector) ?? zeroSelector, index: 0, dir: kernelDirections[direction] },
    attributes: {
      migrations: migrations.map((one) => ({
        ...{ oldDaddr: kernelAddress(one.oldDaddr), oldSaddr: kernelAddress(one.oldSaddr) },
        ...{ newDaddr: kernelAddress(one.newDaddr), newSaddr: kernelAddress(one.newSaddr) },
        ...{ proto: one.proto, mode: kernelModes[one.mode], reqid: one.reqid },
        ...{ oldFamily: familyOf(one.oldDaddr), newFamily: familyOf(one.newDaddr) },
      })),
      policyType: { type: type === 'sub' ? 1 : 0 },
      ...(ifId === 0 ? {} : { ifId }),
      ...(encap === undefined
        ? {}
        : {
            encap: {
              type: encap.type === 'tcp' ? EncapType.TCP : EncapType.UDP,
              ...{ sport: encap.sport, dport: encap.dport, originalAddress: new Uint8Array(16) },
            },
          }),
    },
  }
}

function mappingMessage(mapping: XfrmMapping): XfrmMessage {
  return {
    type: 'mapping',
    body: {
      ...{ id: kernelSaId(mapping), reqid: mapping.reqid },
      ...{ oldSaddr: kernelAddress(mapping.oldAddress), newSaddr: kernelAddress(mapping.newAddress) },
      ...{ oldSport: mapping.oldPort, newSport: mapping.newPort },
    },
    attributes: {},
  }
}
