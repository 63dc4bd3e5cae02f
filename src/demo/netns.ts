import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { askControl } from '../endpoint/control-client.ts'
import type { EndpointStatus } from '../endpoint/status.ts'
import { formatIkeSas, formatPolicies, formatStates } from '../endpoint/status-text.ts'
import { Interruption } from './interruption.ts'
import { makeNamespaces, type Namespaces, namespaceExists, outer, type SideName } from './namespaces.ts'
import type { Narrator } from './output.ts'
import { moduleFile, NamespaceProcess } from './processes.ts'
import { type DemoDraft, type DemoReport, newDraft } from './report.ts'

const transferBytes = 100_000_000
const transferPort = 5001
const pings = 4

const inner = { west: '10.1.0.1', east: '10.2.0.1' } as const
const nets = { west: '10.1.0.0/16', east: '10.2.0.0/16' } as const

interface Lab {
  readonly namespaces: Namespaces
  /** Holds configurations and control sockets. */
  readonly folder: string
  readonly endpoints: Partial<Record<SideName, NamespaceProcess>>
  readonly processes: NamespaceProcess[]
}

/** Two `typeswan up` processes in two network namespaces with real TUN devices. Needs root. Cleans up, also when interrupted. */
export async function netnsDemo(narrator: Narrator): Promise<DemoReport> {
  const startedAt = performance.now()
  const draft = newDraft('netns')
  const interruption = new Interruption()
  let lab: Lab | undefined
  try {
    const namespaces = await makeNamespaces()
    lab = { namespaces, folder: mkdtempSync(join(tmpdir(), 'typeswan-demo-')), endpoints: {}, processes: [] }
    await interruption.race(runSteps(lab, narrator, draft))
  } catch (error) {
    draft.problems.push(error instanceof Error ? error.message : String(error))
  } finally {
    if (lab !== undefined) await cleanUp(lab, draft)
    interruption.end()
  }
  draft.durationMs = Math.round(performance.now() - startedAt)
  draft.ok = draft.problems.length === 0
  return draft
}

async function runSteps(lab: Lab, narrator: Narrator, draft: DemoDraft): Promise<void> {
  narrator.title('Two endpoints in two network namespaces')
  narrator.say(`  west ${outer.west}, inner ${inner.west}; east ${outer.east}, inner ${inner.east}`)
  const east = startEndpoint(lab, 'east', 'none', () => {})
  await statusWhere(lab, 'east', () => true)
  const west = startEndpoint(lab, 'west', 'start', (line) => {
    const message = / debug \S+\s+((?:->|<-) .*)/.exec(line)?.[1]
    if (message === undefined) return
    draft.ikeMessages++
    narrator.say(`  ${message}`)
  })
  narrator.title('Handshake, as west saw it')
  const status = await statusWhere(lab, 'west', ({ ikeSas }) => (ikeSas[0]?.children.length ?? 0) > 0)
  describe(status, narrator, draft)
  await pingThrough(lab, narrator, draft)
  await transferThrough(lab, narrator, draft)
  narrator.title('Delete')
  const codes = [await west.terminate(), await statusAfterDelete(lab, draft), await east.terminate()]
  narrator.say(`  west ended with code ${codes[0]}, east with ${codes[2]}`)
  if (codes[0] !== 0 || codes[2] !== 0) draft.problems.push('an endpoint did not end with code 0')
}

/** After west's DELETE, east has no SA left. Resolves to how many it has. */
async function statusAfterDelete(lab: Lab, draft: DemoDraft): Promise<number> {
  const { ikeSas, states, policies } = await statusWhere(lab, 'east', (status) => status.ikeSas.length === 0)
  const left = ikeSas.length + states.length + policies.length
  if (left > 0) draft.problems.push('SAs, states or policies were left after the DELETE')
  return left
}

function startEndpoint(lab: Lab, us: SideName, start: string, onLine: (line: string) => void): NamespaceProcess {
  const peer = us === 'west' ? 'east' : 'west'
  const file = join(lab.folder, `${us}.json`)
  const config = {
    tun: { name: `tsw-${us}`, addresses: [`${inner[us]}/32`] },
    control: controlPath(lab, us),
    log: 'debug',
    connections: {
      demo: {
        local: { address: outer[us], id: `${us}.example` },
        remote: { address: outer[peer], id: `${peer}.example` },
        psk: secretOf(lab),
        children: { net: { localTs: [nets[us]], remoteTs: [nets[peer]], start } },
      },
    },
  }
  writeFileSync(file, JSON.stringify(config, null, 2), { mode: 0o600 })
  const command = [process.execPath, moduleFile('../cli/main'), 'up', '--config', file]
  const started = new NamespaceProcess(lab.namespaces[us], command, onLine)
  lab.processes.push(started)
  lab.endpoints[us] = started
  return started
}

function describe(status: EndpointStatus, narrator: Narrator, draft: DemoDraft): void {
  const [sa] = status.ikeSas
  draft.established = sa?.state === 'established'
  draft.ikeSuite = sa?.suite ?? ''
  draft.espSuite = sa?.children[0]?.suite ?? ''
  narrator.title('Negotiated')
  narrator.say(`  IKE ${draft.ikeSuite}\n  ESP ${draft.espSuite}`)
  narrator.say(indent(formatIkeSas(status.ikeSas)))
  narrator.title('States of west')
  narrator.say(indent(formatStates(status.states)))
  narrator.title('Policies of west')
  narrator.say(indent(formatPolicies(status.policies)))
}

async function pingThrough(lab: Lab, narrator: Narrator, draft: DemoDraft): Promise<void> {
  narrator.title('Ping through the tunnel')
  for (const [from, to] of [
    ['west', 'east'],
    ['east', 'west'],
  ] as const) {
    const command = ['ping', '-c', String(pings), '-i', '0.2', '-W', '2', '-I', inner[from], inner[to]]
    const ping = new NamespaceProcess(lab.namespaces[from], command)
    await ping.end(15_000)
    const received = Number(/(\d+) received/.exec(ping.lines.join('\n'))?.[1] ?? 0)
    draft.pingsSent += pings
    draft.pingsReceived += received
    const times = /= (\S+ ms)/.exec(ping.lines.at(-1) ?? '')?.[1] ?? ''
    narrator.say(`  ${inner[from]} to ${inner[to]}: ${received} of ${pings} answered ${times}`)
  }
  if (draft.pingsReceived < draft.pingsSent) draft.problems.push('pings went unanswered')
}

interface TransferEnd {
  readonly bytes: number
  readonly sha256: string
  readonly elapsedMs: number
}

async function transferThrough(lab: Lab, narrator: Narrator, draft: DemoDraft): Promise<void> {
  narrator.title(`TCP transfer of ${transferBytes / 1e6} MB, west to east`)
  const program = [process.execPath, moduleFile('./netns-transfer')]
  const receiver = new NamespaceProcess(lab.namespaces.east, [...program, 'receive', inner.east, String(transferPort)])
  lab.processes.push(receiver)
  await poll(() => Promise.resolve(receiver.lines.includes('ready')), 5_000, 'the receiver does not listen')
  const before = await counters(lab)
  const arguments_ = ['send', inner.east, String(transferPort), String(transferBytes)]
  const sender = new NamespaceProcess(lab.namespaces.west, [...program, ...arguments_])
  lab.processes.push(sender)
  const bar = narrator.bar('octets', transferBytes)
  const watch = setInterval(() => {
    void counters(lab).then(
      ({ bytes }) => bar.update(Math.min(transferBytes, bytes - before.bytes)),
      () => {},
    )
  }, 250)
  const codes = await Promise.all([sender.end(120_000), receiver.end(120_000)])
  clearInterval(watch)
  bar.update(transferBytes)
  bar.stop()
  if (codes.some((code) => code !== 0))
    throw new Error(`the transfer failed: ${[...sender.errorLines, ...receiver.errorLines].join(' ')}`)
  const after = await counters(lab)
  draft.packetsSent = after.packetsSent - before.packetsSent
  draft.packetsReceived = after.packetsReceived - before.packetsReceived
  judge(JSON.parse(sender.lines.at(-1) ?? '{}'), JSON.parse(receiver.lines.at(-1) ?? '{}'), narrator, draft)
}

function judge(sent: TransferEnd, received: TransferEnd, narrator: Narrator, draft: DemoDraft): void {
  draft.mbps = Math.round((received.bytes * 80) / received.elapsedMs / 1000) / 10
  narrator.say(`  ${received.bytes} octets in ${(received.elapsedMs / 1000).toFixed(2)} s: ${draft.mbps} Mbit/s`)
  narrator.say(`  SHA-256 sent ${sent.sha256}\n      received ${received.sha256}`)
  if (received.bytes !== transferBytes || sent.sha256 !== received.sha256) {
    draft.problems.push('what arrived is not what was sent')
  }
}

/** Packets and octets that went from west to east, by the counters of both endpoints. */
async function counters(lab: Lab): Promise<{ packetsSent: number; packetsReceived: number; bytes: number }> {
  const [west, east] = [await statusOf(lab, 'west'), await statusOf(lab, 'east')]
  const child = east.ikeSas[0]?.children[0]
  return {
    packetsSent: west.ikeSas[0]?.children[0]?.packetsOut ?? 0,
    packetsReceived: child?.packetsIn ?? 0,
    bytes: child?.bytesIn ?? 0,
  }
}

async function cleanUp(lab: Lab, draft: DemoDraft): Promise<void> {
  await Promise.all(lab.processes.map((one) => one.terminate()))
  await lab.namespaces.remove()
  rmSync(lab.folder, { recursive: true, force: true })
  const left = [lab.namespaces.west, lab.namespaces.east].map(namespaceExists)
  draft.cleanEnd = !(await Promise.all(left)).includes(true)
  if (!draft.cleanEnd) draft.problems.push('a network namespace could not be removed')
}

const controlPath = (lab: Lab, side: SideName): string => join(lab.folder, `${side}.sock`)

/** Both sides read it from their files, which only root can read and which go with the demo. */
const secretOf = (lab: Lab): string => `demo secret ${lab.folder}`

// The endpoint is of this very package: its answer has this type.
const statusOf = async (lab: Lab, side: SideName): Promise<EndpointStatus> =>
  (await askControl(controlPath(lab, side), { command: 'status' })) as EndpointStatus

/** The first status of a side for which `condition` holds; throws with the end of its log when none comes in 15 s. */
async function statusWhere(
  lab: Lab,
  side: SideName,
  condition: (status: EndpointStatus) => boolean,
): Promise<EndpointStatus> {
  let status: EndpointStatus | undefined
  const log = (): string => lab.endpoints[side]?.errorLines.join('\n') ?? ''
  const check = async (): Promise<boolean> => {
    if (lab.endpoints[side]?.exitCode !== undefined) throw new Error(`${side} ended early:\n${log()}`)
    status = await statusOf(lab, side).catch(() => undefined)
    return status !== undefined && condition(status)
  }
  await poll(check, 15_000, `${side} does not come so far; the end of its log:\n`, log)
  return status!
}

async function poll(
  check: () => Promise<boolean>,
  timeoutMs: number,
  problem: string,
  detail: () => string = () => '',
): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!(await check())) {
    if (performance.now() > end) throw new Error(problem + detail())
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const indent = (text: string): string => text.replace(/^/gm, '  ')
