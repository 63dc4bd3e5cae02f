import type { RefusalReport } from './refusal-history.ts'
import type { ChildSaReport, EndpointStatus, IkeSaReport, PolicyReport, StateReport } from './status.ts'
import { type Column, formatBytes, formatDuration, formatTable } from './table.ts'

/** A status as tables for people: the endpoint, its IKE_SAs and CHILD_SAs, the databases, and what was dropped. */
export function formatStatus(status: EndpointStatus): string {
  const sections = [
    formatHead(status),
    formatIkeSas(status.ikeSas),
    section('States', formatStates(status.states)),
    section('Policies', formatPolicies(status.policies)),
    section('Refused lately', formatRefusals(status.refusals)),
    section('Dropped packets', formatDrops(status)),
  ]
  return sections.filter((text) => text !== '').join('\n\n')
}

/** The IKE_SAs with their CHILD_SAs. */
export function formatIkeSas(ikeSas: readonly IkeSaReport[]): string {
  if (ikeSas.length === 0) return 'No IKE_SA.'
  return ikeSas.map(formatIkeSa).join('\n\n')
}

/** The installed SAs of the database, one direction a row. */
export function formatStates(states: readonly StateReport[]): string {
  return formatTable(stateColumns, states.map(stateRow))
}

/** The policies of the database, in the order in which they are tried. */
export function formatPolicies(policies: readonly PolicyReport[]): string {
  return formatTable(policyColumns, policies.map(policyRow))
}

function formatHead(status: EndpointStatus): string {
  const { listen, tun, udp } = status
  const lines = [
    `typeswan ${status.version}, process ${status.pid}, up for ${formatDuration(status.uptimeMs)}`,
    `Listening: ${listen.addresses.join(', ')}; UDP ports ${listen.ikePort} and ${listen.natPort}`,
    tun === null
      ? 'Device: none'
      : `Device: ${tun.name}, MTU ${tun.mtu}, ${tun.packetsRead} packets from it, ${tun.packetsWritten} packets into it`,
    `Datagrams: ${udp.datagramsReceived} received, ${udp.datagramsSent} sent by ${udp.backend}${udp.plainEsp ? ', plain ESP too' : ''}`,
    `Connections: ${status.connections.join(', ') || 'none'}`,
  ]
  return lines.join('\n')
}

/** `pubkey with eap bob`: ours, then the peer's. */
function authText({ local, remote, eapIdentity }: IkeSaReport['auth']): string {
  if (remote.length === 0) return ''
  return `${local.join('+')} with ${remote.join('+')}${eapIdentity === undefined ? '' : ` ${eapIdentity}`}`
}

function formatIkeSa(sa: IkeSaReport): string {
  const age = sa.ageMs === null ? '' : ` for ${formatDuration(sa.ageMs)}`
  const nat = [
    sa.natLocal ? 'we are behind a NAT' : '',
    sa.natRemote ? 'the peer is behind a NAT, or asks for UDP encapsulation' : '',
  ]
  const notes = [authText(sa.auth), sa.suite, ...nat, sa.encap ? 'ESP in UDP' : ''].filter((note) => note !== '')
  const lines = [
    `${sa.connection}[${sa.id}]: ${sa.state}${age}, ${sa.role}, SPIs ${sa.SPIi}_i ${sa.SPIr}_r`,
    `  ${sa.local} (${sa.localId}) with ${sa.remote} (${sa.remoteId ?? 'not identified'})`,
  ]
  if (notes.length > 0) lines.push(`  ${notes.join('; ')}`)
  if (sa.virtualIps.length > 0) lines.push(`  inside we are ${sa.virtualIps.join(' and ')}`)
  if (sa.assignedIps.length > 0) lines.push(`  inside the peer is ${sa.assignedIps.join(' and ')}`)
  return [...lines, ...sa.children.map(formatChild)].join('\n')
}

function formatChild(child: ChildSaReport): string {
  const age = child.ageMs === null ? '' : ` for ${formatDuration(child.ageMs)}`
  const worker = child.worker === null ? '' : `, worker ${child.worker}`
  return [
    `  ${child.name}: ${child.state}${age}, ${child.suite}, SPIs ${child.spiIn}_in ${child.spiOut}_out, reqid ${child.reqid}${worker}`,
    `    ${child.localTs.join(', ')} === ${child.remoteTs.join(', ')}`,
    `    in ${child.packetsIn} packets, ${formatBytes(child.bytesIn)}; out ${child.packetsOut} packets, ${formatBytes(child.bytesOut)}`,
  ].join('\n')
}

/** The last refusals with their whole explanation. */
export function formatRefusals(refusals: readonly RefusalReport[]): string {
  return refusals
    .map(({ connection, child, remote, ageMs, count, text }) => {
      const what = [connection ?? 'a stranger', ...(child === null ? [] : [child])].join('/')
      const often = count === 1 ? '' : `, ${count} times`
      return `${what} with ${remote}, ${formatDuration(ageMs)} ago${often}:\n${text.replaceAll(/^/gm, '  ')}`
    })
    .join('\n')
}

const stateColumns: readonly Column[] = [
  { heading: 'DIR' },
  { heading: 'SPI' },
  { heading: 'FROM' },
  { heading: 'TO' },
  { heading: 'ALGORITHM' },
  { heading: 'REQID', numeric: true },
  { heading: 'PACKETS', numeric: true },
  { heading: 'OCTETS', numeric: true },
  { heading: 'REPLAYED', numeric: true },
  { heading: 'BAD ICV', numeric: true },
  { heading: 'CHILD_SA' },
]

function stateRow(state: StateReport): string[] {
  const { encap } = state
  const algorithm =
    state.phase === 'larval' ? '(waits for keys)' : [state.encr, state.integ].filter((name) => name !== null).join(' ')
  return [
    state.direction,
    state.spi,
    withPort(state.saddr, encap?.sport),
    withPort(state.daddr, encap?.dport),
    state.esn ? `${algorithm} ESN` : algorithm,
    String(state.reqid),
    String(state.packets),
    formatBytes(state.bytes),
    String(state.replayDrops + state.replayWindowDrops),
    String(state.integrityFailures),
    state.label,
  ]
}

const policyColumns: readonly Column[] = [
  { heading: 'DIR' },
  { heading: 'FROM' },
  { heading: 'TO' },
  { heading: 'PROTOCOL' },
  { heading: 'ACTION' },
  { heading: 'THROUGH' },
  { heading: 'REQID', numeric: true },
  { heading: 'PRIORITY', numeric: true },
  { heading: 'CHILD_SA' },
]

function policyRow(policy: PolicyReport): string[] {
  const { template } = policy
  return [
    policy.direction,
    policy.source + ports(policy.sourcePort),
    policy.destination + ports(policy.destinationPort),
    policy.protocol === 0 ? 'any' : String(policy.protocol),
    policy.action,
    template === null ? 'no tunnel' : `${template.saddr} > ${template.daddr}`,
    template === null ? '' : String(template.reqid),
    String(policy.priority),
    policy.label,
  ]
}

function formatDrops({ xfrmStats, tun, udp }: EndpointStatus): string {
  const counters: [string, number][] = [
    ...Object.entries(xfrmStats),
    ['TunWriteDrops', tun?.writeDrops ?? 0],
    ['TunReadDrops', tun?.readDrops ?? 0],
    ['UdpSendErrors', udp.sendErrors],
    ['UdpSendDrops', udp.sendDrops],
    ['UdpNoSocket', udp.noSocket],
    ['UdpInvalid', udp.invalidReceived],
  ]
  const rows = counters.filter(([, count]) => count > 0).map(([name, count]) => [name, String(count)])
  return rows.length === 0 ? '' : formatTable([{ heading: 'COUNTER' }, { heading: 'PACKETS', numeric: true }], rows)
}

const section = (title: string, text: string): string =>
  text.includes('\n') ? `${title}\n${text.replace(/^/gm, '  ')}` : ''

const withPort = (address: string, port: number | undefined): string => {
  if (port === undefined) return address
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

function ports({ first, last }: { first: number; last: number }): string {
  if (first === 0 && last === 65_535) return ''
  return first === last ? `[${first}]` : `[${first}-${last}]`
}
