import type { TrafficSelector } from '../codec/index.ts'
import type { ChildConfig, ConnectionConfig, TrafficSelectorConfig } from '../config.ts'
import { narrow } from '../negotiation/traffic-selector.ts'
import { formatTrafficSelector } from '../negotiation/traffic-selector-text.ts'
import type { TrafficSelectorRefusal } from './refusal.ts'

/** A peer may offer hundreds of selectors: this many are shown. */
const mostShown = 16

/** We, as responder, found nothing in common with what the peer offered. Without `child` all children of the connection were tried. */
export function explainRefusedTs(subject: {
  readonly connection: ConnectionConfig
  readonly child?: ChildConfig
  readonly offeredTSi: readonly TrafficSelector[]
  readonly offeredTSr: readonly TrafficSelector[]
}): TrafficSelectorRefusal {
  const { connection, offeredTSi, offeredTSr } = subject
  const children = subject.child === undefined ? connection.children : [subject.child]
  const offered = { offeredTSi: textsOf(offeredTSi), offeredTSr: textsOf(offeredTSr) }
  const configured = {
    configuredLocal: textsOf(children.flatMap(({ localTs }) => localTs)),
    configuredRemote: textsOf(children.flatMap(({ remoteTs }) => remoteTs)),
  }
  return {
    kind: 'ts-unacceptable',
    by: 'local',
    ...offered,
    ...configured,
    message:
      `no traffic selectors in common with the peer of connection ${connection.name}: it wants ` +
      `${listOf(offered.offeredTSi)} (its side) to ${listOf(offered.offeredTSr)} (our side), ` +
      `configured is ${listOf(configured.configuredRemote)} to ${listOf(configured.configuredLocal)}`,
    hint: hintFor(connection, children, offeredTSi, offeredTSr),
  }
}

/** The peer answered TS_UNACCEPTABLE; it does not say what it would take. */
export function explainPeerRefusedTs(subject: {
  readonly connection: ConnectionConfig
  readonly child: ChildConfig
}): TrafficSelectorRefusal {
  const { connection, child } = subject
  const configuredLocal = textsOf(child.localTs)
  const configuredRemote = textsOf(child.remoteTs)
  return {
    kind: 'ts-unacceptable',
    by: 'peer',
    offeredTSi: configuredLocal,
    offeredTSr: configuredRemote,
    configuredLocal,
    configuredRemote,
    message:
      `the peer of child ${child.name} of connection ${connection.name} accepts none of our traffic selectors ` +
      `(TS_UNACCEPTABLE): we offered ${listOf(configuredLocal)} (our side) to ${listOf(configuredRemote)} (its side)`,
    hint: `connections.${connection.name}.children.${child.name}.localTs and remoteTs: they must overlap what the peer has as its remote and local ones`,
  }
}

/** Our child takes one pair of addresses at a time, and the offer does not begin with one. */
export function explainPairsOnly(subject: {
  readonly connection: ConnectionConfig
  readonly offeredTSi: readonly TrafficSelector[]
  readonly offeredTSr: readonly TrafficSelector[]
}): TrafficSelectorRefusal {
  const { name } = subject.connection
  return {
    ...explainRefusedTs(subject),
    message: `the peer of connection ${name} offers ranges, and each CHILD_SA is for one pair of addresses here (SINGLE_PAIR_REQUIRED)`,
    hint: `connections.${name}.children: set singlePair to false, or let the peer put the addresses of the packet first`,
  }
}

/** The peer wants a CHILD_SA for each pair of addresses, and no packet of ours names one. */
export function explainPeerWantsPairs(subject: {
  readonly connection: ConnectionConfig
  readonly child: ChildConfig
}): TrafficSelectorRefusal {
  const { connection, child } = subject
  const at = `connections.${connection.name}.children.${child.name}`
  return {
    ...explainPeerRefusedTs(subject),
    message: `the peer of child ${child.name} of connection ${connection.name} wants one CHILD_SA for each pair of addresses (SINGLE_PAIR_REQUIRED)`,
    hint: `${at}.start: set it to "trap", so that packets ask for their pair, or name single addresses in localTs and remoteTs`,
  }
}

/** Names the setting of the child that comes nearest: the one of which at most one side does not fit. */
function hintFor(
  connection: ConnectionConfig,
  children: readonly ChildConfig[],
  TSi: readonly TrafficSelector[],
  TSr: readonly TrafficSelector[],
): string {
  const path = `connections.${connection.name}.children`
  const overlaps = (offered: readonly TrafficSelector[], ours: readonly TrafficSelectorConfig[]) =>
    narrow(offered, ours).length > 0
  const bothFit = children.find(({ localTs, remoteTs }) => overlaps(TSr, localTs) && overlaps(TSi, remoteTs))
  if (bothFit !== undefined) {
    return `${path}.${bothFit.name}: each side fits, but what is left of them differs in family (IPv4, IPv6) or protocol, so no packet goes from one to the other`
  }
  const localFits = children.find(({ localTs }) => overlaps(TSr, localTs))
  if (localFits !== undefined) return `${path}.${localFits.name}.remoteTs: add ${listOf(textsOf(TSi))}`
  const remoteFits = children.find(({ remoteTs }) => overlaps(TSi, remoteTs))
  if (remoteFits !== undefined) return `${path}.${remoteFits.name}.localTs: add ${listOf(textsOf(TSr))}`
  const name = children[0]?.name
  if (name === undefined) return `${path}: there is none; add one`
  return `${path}.${name}: add ${listOf(textsOf(TSr))} to localTs and ${listOf(textsOf(TSi))} to remoteTs`
}

function textsOf(selectors: readonly (TrafficSelector | TrafficSelectorConfig)[]): string[] {
  const texts = selectors.slice(0, mostShown).map(formatTrafficSelector)
  if (selectors.length > mostShown) texts.push(`and ${selectors.length - mostShown} more`)
  return texts
}

const listOf = (texts: readonly string[]): string => (texts.length === 0 ? 'nothing' : texts.join(', '))
