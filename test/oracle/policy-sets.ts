import { concat, writeU16 } from '../../src/bytes/index.ts'
import {
  buildIpv4,
  buildIpv6,
  checksum,
  formatIp,
  formatRange,
  type IpAddress,
  parseIp,
  rangeOfPrefix,
  transportChecksum,
} from '../../src/ip/index.ts'
import type { PortRange, XfrmMark, XfrmPolicyConfig, XfrmSelector, XfrmTemplate } from '../../src/xfrm/index.ts'
import { markValue } from '../../src/xfrm/mark.ts'
import type { Dice } from './dice.ts'

/** A policy for both sides. */
export interface TriedPolicy {
  readonly config: XfrmPolicyConfig
  /** What `ip xfrm policy` takes of it, selector and the rest. */
  readonly selector: string
  readonly rest: string
}

export interface TriedFlow {
  readonly packet: Uint8Array
  readonly mark: number
  /** Comes to the machine itself, or is routed on. */
  readonly isLocal: boolean
  /** Whether states are flushed before. */
  readonly flush: boolean
}

/** One thing done to the database. */
export type Step =
  | { readonly verb: 'add' | 'update'; readonly policy: TriedPolicy }
  | { readonly verb: 'delete'; readonly policy: TriedPolicy }

export interface TriedSet {
  readonly steps: readonly Step[]
  readonly flows: readonly TriedFlow[]
}

const protocols = [0, 0, 0, 0, 17, 17, 6, 132, 1, 99] as const
const marks: readonly XfrmMark[] = [
  { value: 1, mask: 1 },
  { value: 1, mask: 3 },
  { value: 2, mask: 3 },
  { value: 0, mask: 1 },
  // A bit outside of its own mask.
  { value: 3, mask: 1 },
]
const anyPort: PortRange = { first: 0, last: 65535 }

/** Up to 50 policies, some changed and deleted again, and flows that meet many of them. */
export function randomSet(dice: Dice): TriedSet {
  const family = dice.percent(60) ? 4 : 6
  const steps: Step[] = []
  const seen = new Set<string>()
  const live: TriedPolicy[] = []
  // Few priorities: many ties.
  const priorities = dice.oneOf([1, 3, 6, 50])
  const count = 1 + dice.below(50)
  for (let index = 1; index <= count; index++) {
    const policy = randomPolicy(dice, dice.percent(90) ? family : 10 - family, index, priorities)
    // A second one of the same selector is refused by the kernel.
    const key = `${policy.config.direction} ${policy.config.type} ${policy.config.ifId} ${maskedText(policy.config.mark)} ${policy.selector}`
    if (seen.has(key)) continue
    seen.add(key)
    live.push(policy)
    steps.push({ verb: 'add', policy })
  }
  for (let changes = dice.below(6); changes > 0 && live.length > 0; changes--) {
    const at = dice.below(live.length)
    const policy = live[at]!
    // ip does not say a mark whose value is 0 when it deletes.
    if (dice.percent(40) && !(policy.config.mark !== undefined && markValue(policy.config.mark) === 0)) {
      live.splice(at, 1)
      steps.push({ verb: 'delete', policy })
    } else {
      const changed = changedPolicy(dice, policy, priorities)
      live[at] = changed
      steps.push({ verb: 'update', policy: changed })
    }
  }
  const flushAlways = dice.percent(70)
  const flows: TriedFlow[] = []
  for (let left = 30; left > 0; left--) {
    // What the kernel answers to a packet for itself may ask for states too.
    const flush = flushAlways || flows.at(-1)?.isLocal !== false || dice.percent(20)
    flows.push(randomFlow(dice, dice.percent(90) ? family : 10 - family, flush))
  }
  return { steps, flows }
}

/** The lines of `ip -batch` for the steps. */
export function batchOf(steps: readonly Step[]): string {
  return steps
    .map(({ verb, policy: { config, selector, rest } }) => {
      if (verb !== 'delete') return `xfrm policy ${verb} ${selector} dir ${config.direction} ${rest}\n`
      return `xfrm policy delete ${selector} dir ${config.direction} ${maskedText(config.mark)} ptype ${config.type} ${ifText(config)}\n`
    })
    .join('')
}

function randomPolicy(dice: Dice, family: number, index: number, priorities: number): TriedPolicy {
  const direction = dice.oneOf(['out', 'out', 'out', 'fwd', 'fwd', 'in', 'in'] as const)
  const [selector, text] = randomSelector(dice, family)
  const type = dice.percent(15) ? 'sub' : 'main'
  const config: XfrmPolicyConfig = {
    ...{ index, direction, selector, type, label: '' },
    ...randomAction(dice, family, direction, priorities),
    // Nothing here belongs to an interface: those with one must never be met.
    ifId: dice.percent(5) ? 7 : 0,
    ...(dice.percent(30) ? { mark: dice.oneOf(marks) } : {}),
  }
  return { config, selector: text, rest: restOf(config) }
}

function changedPolicy(dice: Dice, { config, selector }: TriedPolicy, priorities: number): TriedPolicy {
  const family = config.selector.source.start.length === 4 ? 4 : 6
  const action = randomAction(dice, family, config.direction, priorities)
  // Another priority: see docs/coverage.md on the place of a policy that keeps its own.
  const priority = action.priority === config.priority ? (config.priority + 1) >>> 0 : action.priority
  const changed = { ...config, ...action, priority }
  return { config: changed, selector, rest: restOf(changed) }
}

function randomAction(dice: Dice, family: number, direction: string, priorities: number) {
  const priority = dice.percent(1) ? 0xffffffff : dice.below(priorities)
  if (dice.percent(25)) return { action: 'block' as const, priority, templates: [] }
  if (dice.percent(50)) return { action: 'allow' as const, priority, templates: [] }
  const count = dice.percent(80) ? 1 : dice.oneOf([2, 3, 5, 6])
  const templates = Array.from({ length: count }, (_, at) => randomTemplate(dice, family, direction, at))
  return { action: 'allow' as const, priority, templates }
}

function randomTemplate(dice: Dice, family: number, direction: string, at: number): XfrmTemplate {
  const transport = at === 0 && dice.percent(20)
  // The inside of a tunnel may be of either family; transport mode is of its packet's.
  const outer = transport || dice.percent(80) || at > 0 ? family : 10 - family
  const address = (last: number) => parseIp(outer === 4 ? `192.0.2.${last}` : `2001:db8::${last}`)
  return {
    saddr: transport ? parseIp(family === 4 ? '0.0.0.0' : '::') : address(1),
    daddr: transport ? parseIp(family === 4 ? '0.0.0.0' : '::') : address(2 + dice.below(2)),
    proto: 50,
    mode: transport ? 'transport' : 'tunnel',
    reqid: 1 + dice.below(2),
    ...(dice.percent(10) ? { spi: 0x1000 + dice.below(2) } : {}),
    level: dice.percent(30) && (transport || direction !== 'out') ? 'use' : 'required',
  }
}

function randomSelector(dice: Dice, family: number): [XfrmSelector, string] {
  const source = randomPrefix(dice, family)
  const destination = randomPrefix(dice, family)
  let protocol: number = dice.oneOf(protocols)
  if (protocol === 1 && family === 6) protocol = 58
  const words = [`src ${formatRange(source)} dst ${formatRange(destination)}`]
  if (protocol !== 0) words.push(`proto ${protocol}`)
  let [sourcePort, destinationPort] = [anyPort, anyPort]
  if (protocol === 1 || protocol === 58) {
    if (dice.percent(60)) {
      const type = dice.oneOf(icmpTypes(family))
      const code = dice.percent(50) ? dice.below(2) : -1
      sourcePort = code < 0 ? { first: type << 8, last: (type << 8) | 255 } : single((type << 8) | code)
      words.push(`type ${type}`, code < 0 ? '' : `code ${code}`)
    }
  } else if (protocol !== 0 && protocol !== 99) {
    if (dice.percent(40)) {
      sourcePort = single(1 + dice.below(3))
      words.push(`sport ${sourcePort.first}`)
    }
    if (dice.percent(40)) {
      destinationPort = single(1 + dice.below(3))
      words.push(`dport ${destinationPort.first}`)
    }
  }
  return [{ source, destination, protocol, sourcePort, destinationPort }, words.filter((word) => word !== '').join(' ')]
}

const single = (port: number): PortRange => ({ first: port, last: port })

function randomPrefix(dice: Dice, family: number) {
  const lengths =
    family === 4 ? [0, 0, 8, 15, 16, 22, 24, 29, 30, 31, 32, 32] : [0, 0, 16, 31, 32, 48, 112, 125, 126, 127, 128, 128]
  return rangeOfPrefix(randomAddress(dice, family, dice.percent(25)), dice.oneOf(lengths))
}

function randomAddress(dice: Dice, family: number, isLocal: boolean): IpAddress {
  const net = isLocal ? 9 : dice.below(2)
  const [middle, last] = [dice.below(3), 1 + dice.below(6)]
  return parseIp(family === 4 ? `10.${net}.${middle}.${last}` : `fd00:${net}:${middle}::${last}`)
}

// Not 0: the kernel takes a later fragment for a packet of type 0 and ports 0, we do not.
const icmpTypes = (family: number): readonly number[] => (family === 4 ? [8, 14, 15] : [128, 129, 200])

function randomFlow(dice: Dice, family: number, flush: boolean): TriedFlow {
  const isLocal = dice.percent(30)
  const mark = dice.percent(50) ? 0 : dice.below(4)
  const addresses = { source: randomAddress(dice, family, false), destination: randomAddress(dice, family, isLocal) }
  let protocol = dice.oneOf([17, 17, 17, 6, 6, 132, 1, 99])
  if (protocol === 1 && family === 6) protocol = 58
  const head = transportOf(dice, family, protocol, addresses)
  // A local host does not take pieces one by one. The kernel reads no ports in a first fragment, we do (RFC 4301 §7): those are not tried.
  const piece = isLocal ? 'whole' : dice.oneOf(['whole', 'whole', 'whole', 'later', 'options'] as const)
  const fields = { ...addresses, trafficClass: mark << 2, hopLimit: 64 }
  const packet = family === 4 ? ipv4Of(fields, protocol, head, piece) : ipv6Of(fields, protocol, head, piece)
  return { packet, mark, isLocal, flush }
}

/** Right for whoever looks at it before he asks the policies. */
function transportOf(
  dice: Dice,
  family: number,
  protocol: number,
  { source, destination }: { readonly source: IpAddress; readonly destination: IpAddress },
): Uint8Array {
  const head = new Uint8Array(40)
  if (protocol === 1 || protocol === 58) head.set([dice.oneOf(icmpTypes(family)), dice.below(2)])
  else head.set([0, 1 + dice.below(3), 0, 1 + dice.below(3)])
  if (protocol === 17) writeU16(head, 4, head.length)
  // No options, SYN.
  if (protocol === 6) head.set([0x50, 2], 12)
  const at = checksumAt[protocol]
  if (at === undefined) return head
  const sum =
    protocol === 1
      ? checksum(head, 0, head.length)
      : transportChecksum(source, destination, protocol, head, 0, head.length)
  writeU16(head, at, sum)
  return head
}

const checksumAt: Readonly<Record<number, number>> = { 1: 2, 6: 16, 17: 6, 58: 2 }

type Piece = 'whole' | 'later' | 'options'
type Fields = {
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly trafficClass: number
  readonly hopLimit: number
}

function ipv4Of(fields: Fields, protocol: number, payload: Uint8Array, piece: Piece): Uint8Array {
  if (piece === 'later') return buildIpv4({ ...fields, protocol, payload, fragmentOffset: 80, identification: 7 })
  return buildIpv4({ ...fields, protocol, payload })
}

function ipv6Of(fields: Fields, protocol: number, payload: Uint8Array, piece: Piece): Uint8Array {
  if (piece === 'whole') return buildIpv6({ ...fields, protocol, payload })
  // Destination options, filled with PadN.
  if (piece === 'options') {
    return buildIpv6({
      ...fields,
      protocol: 60,
      payload: concat(Uint8Array.of(protocol, 0, 1, 4, 0, 0, 0, 0), payload),
    })
  }
  const header = Uint8Array.of(protocol, 0, 0, 80, 0, 0, 0, 7)
  return buildIpv6({ ...fields, protocol: 44, payload: concat(header, payload) })
}

function restOf(config: XfrmPolicyConfig): string {
  const { index, action, priority, templates, mark, type } = config
  const kernelIndex = (index + 1) * 8 + { in: 0, out: 1, fwd: 2 }[config.direction]
  const words = [
    markText(mark),
    `index ${kernelIndex}`,
    `ptype ${type}`,
    `action ${action}`,
    `priority ${priority}`,
    ifText(config),
  ]
  return [...words, ...templates.map(templateText)].filter((word) => word !== '').join(' ')
}

function templateText({ saddr, daddr, mode, reqid, spi, level }: XfrmTemplate): string {
  const fixed = spi === undefined ? '' : `spi 0x${spi.toString(16)} `
  return `tmpl src ${formatIp(saddr)} dst ${formatIp(daddr)} proto esp ${fixed}mode ${mode} reqid ${reqid} level ${level}`
}

const markText = (mark: XfrmMark | undefined): string =>
  mark === undefined ? '' : `mark ${mark.value} mask ${mark.mask}`

/** As the kernel keeps it, and wants to hear it again. */
const maskedText = (mark: XfrmMark | undefined): string =>
  mark === undefined ? '' : `mark ${markValue(mark)} mask ${mark.mask}`

const ifText = ({ ifId = 0 }: XfrmPolicyConfig): string => (ifId === 0 ? '' : `if_id ${ifId}`)
