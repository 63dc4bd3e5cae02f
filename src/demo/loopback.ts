import { pskConnection } from '../config/connection.ts'
import { Endpoint } from '../endpoint/endpoint.ts'
import { formatIkeSas, formatPolicies, formatStates } from '../endpoint/status-text.ts'
import { formatIp, parseIp } from '../ip/index.ts'
import { createMemoryTun } from '../tap-tun/index.ts'
import { attack } from './attack.ts'
import { bulkTransfer } from './bulk.ts'
import { Host } from './host.ts'
import type { Narrator } from './output.ts'
import { type DemoDraft, type DemoReport, newDraft } from './report.ts'
import { sequenceHead, sequenceStep } from './sequence.ts'

const bulkPackets = 20_000
const bulkBytes = 1_300
const pings = 4

const nets = { west: '10.1.0.0/16', east: '10.2.0.0/16' }
const hosts = { west: parseIp('10.1.0.1'), east: parseIp('10.2.0.1') }

interface Pair {
  readonly west: Host
  readonly east: Host
}

/** Two endpoints in this process, over UDP sockets on 127.0.0.1 at ports that the system chooses, with TUN devices in memory. */
export async function loopbackDemo(narrator: Narrator): Promise<DemoReport> {
  const startedAt = performance.now()
  const draft = newDraft('loopback')
  const pair = await startPair()
  try {
    await handshake(pair, narrator, draft)
    await pingBothWays(pair, narrator, draft)
    await transfer(pair, narrator, draft)
    await sendFalsePackets(pair, narrator, draft)
    await deleteAll(pair, narrator, draft)
  } catch (error) {
    draft.problems.push(error instanceof Error ? error.message : String(error))
  } finally {
    await Promise.all([pair.west.endpoint.close(), pair.east.endpoint.close()])
  }
  draft.durationMs = Math.round(performance.now() - startedAt)
  draft.ok = draft.problems.length === 0
  return draft
}

async function startPair(): Promise<Pair> {
  // One secret for one run: it never leaves this process.
  const psk = crypto.getRandomValues(new Uint8Array(32))
  const east = await startHost('east', 'west', psk, {})
  const { ike: port, nat: natPort } = east.endpoint.paths.ports
  const west = await startHost('west', 'east', psk, { remoteAddress: '127.0.0.1', port, natPort })
  return { west, east }
}

type Name = keyof typeof nets

async function startHost(us: Name, peer: Name, psk: Uint8Array, remote: object): Promise<Host> {
  const tun = createMemoryTun({ name: `memory-${us}` })
  const connection = pskConnection({
    name: 'demo',
    psk,
    localAddress: '127.0.0.1',
    localId: `${us}.example`,
    remoteId: `${peer}.example`,
    children: [{ name: 'net', localTs: [nets[us]], remoteTs: [nets[peer]] }],
    ...remote,
  })
  const listen = { addresses: [parseIp('127.0.0.1')], ikePort: 0, natPort: 0 }
  return new Host(await Endpoint.start({ connections: [connection], listen, tun }), tun, hosts[us])
}

async function handshake({ west, east }: Pair, narrator: Narrator, draft: DemoDraft): Promise<void> {
  narrator.title('Handshake')
  narrator.say(sequenceHead('west, initiator', 'east, responder'))
  west.endpoint.on('event', (event) => {
    if (event.kind !== 'message') return
    draft.ikeMessages++
    narrator.say(sequenceStep(event))
  })
  const { details, child } = await west.endpoint.initiate('demo')
  draft.established = true
  draft.ikeSuite = details.suite
  draft.espSuite = child?.suite ?? ''
  await settle(() => east.endpoint.status().ikeSas[0]?.children.length === 1)
  const status = west.endpoint.status()
  narrator.title('Negotiated')
  narrator.say(`  IKE ${draft.ikeSuite}\n  ESP ${draft.espSuite}`)
  narrator.say(indent(formatIkeSas(status.ikeSas)))
  narrator.title('States of west')
  narrator.say(indent(formatStates(status.states)))
  narrator.title('Policies of west')
  narrator.say(indent(formatPolicies(status.policies)))
}

async function pingBothWays({ west, east }: Pair, narrator: Narrator, draft: DemoDraft): Promise<void> {
  narrator.title('Ping through the tunnel')
  for (let sequence = 1; sequence <= pings; sequence++) {
    const [from, to] = sequence % 2 === 1 ? [west, east] : [east, west]
    const roundTripMs = await from.ping(to, sequence)
    draft.pingsSent++
    if (roundTripMs !== undefined) draft.pingsReceived++
    const result = roundTripMs === undefined ? 'no reply' : `reply after ${roundTripMs.toFixed(2)} ms`
    narrator.say(`  ${formatIp(from.address)} to ${formatIp(to.address)}: ${result}`)
  }
  if (draft.pingsReceived < draft.pingsSent) draft.problems.push('pings went unanswered')
}

async function transfer({ west, east }: Pair, narrator: Narrator, draft: DemoDraft): Promise<void> {
  narrator.title(`Transfer of ${bulkPackets} packets of ${bulkBytes} octets, west to east`)
  const bar = narrator.bar('packets', bulkPackets)
  const result = await bulkTransfer(west, east, bulkPackets, bulkBytes, (received) => bar.update(received))
  bar.stop()
  draft.packetsSent = result.packetsSent
  draft.packetsReceived = result.packetsReceived
  draft.mbps = Math.round(result.mbps * 10) / 10
  const seconds = (result.elapsedMs / 1000).toFixed(2)
  narrator.say(`  ${result.packetsReceived} of ${result.packetsSent} arrived in ${seconds} s: ${draft.mbps} Mbit/s`)
  if (result.packetsReceived !== result.packetsSent) draft.problems.push('packets of the transfer were lost')
}

async function sendFalsePackets({ west, east }: Pair, narrator: Narrator, draft: DemoDraft): Promise<void> {
  narrator.title('False packets, from the right UDP source')
  const result = await attack(west, east, pings + 1)
  draft.tamperedDropped = result.tamperedDropped
  draft.replayedDropped = result.replayedDropped
  narrator.say(`  one octet changed: ${dropText(result.tamperedDropped, 'wrong ICV')}`)
  narrator.say(`  sent a second time: ${dropText(result.replayedDropped, 'sequence number seen before')}`)
  narrator.say(`  the packet itself: ${result.genuineDelivered ? 'delivered and answered' : 'lost'}`)
  const { XfrmInStateProtoError, XfrmInStateSeqError } = east.endpoint.status().xfrmStats
  narrator.say(
    `  counters of east: XfrmInStateProtoError ${XfrmInStateProtoError}, XfrmInStateSeqError ${XfrmInStateSeqError}`,
  )
  if (result.tamperedDropped !== 1) draft.problems.push('the tampered packet was not dropped and counted once')
  if (result.replayedDropped !== 1) draft.problems.push('the replayed packet was not dropped and counted once')
  if (!result.genuineDelivered) draft.problems.push('the genuine packet was not delivered')
}

async function deleteAll({ west, east }: Pair, narrator: Narrator, draft: DemoDraft): Promise<void> {
  narrator.title('Delete')
  west.endpoint.deleteIke(west.endpoint.status().ikeSas[0]!.id)
  draft.cleanEnd = await settle(() => isEmpty(west) && isEmpty(east))
  narrator.say(draft.cleanEnd ? '  no SA, state or policy is left on either side' : '  something is left')
  if (!draft.cleanEnd) draft.problems.push('SAs, states or policies were left after the DELETE')
}

function isEmpty({ endpoint }: Host): boolean {
  const { ikeSas, states, policies } = endpoint.status()
  return ikeSas.length + states.length + policies.length === 0
}

const dropText = (count: number, why: string): string =>
  count === 1 ? `dropped and counted (${why})` : `counted ${count} times, not once`

const indent = (text: string): string => text.replace(/^/gm, '  ')

/** Waits until `condition` holds, 2 s at most; false when it did not. */
async function settle(condition: () => boolean): Promise<boolean> {
  const end = performance.now() + 2_000
  while (!condition()) {
    if (performance.now() > end) return false
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return true
}
