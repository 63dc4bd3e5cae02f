import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import { newPacketFlow, type PacketFlow, parseFlow, parseIp, parseRange } from '../../src/ip/index.ts'
import {
  unlimited,
  type XfrmAcquire,
  type XfrmExpire,
  type XfrmLifetime,
  type XfrmListener,
  type XfrmMapping,
  type XfrmMark,
  type XfrmPolicyConfig,
  type XfrmSelector,
  type XfrmStateConfig,
  type XfrmUnknownSpi,
} from '../../src/xfrm/port.ts'
import { Xfrm } from '../../src/xfrm/xfrm.ts'
import { countingRandom, parametersOf, type Suite, suites } from '../esp/suites.ts'

/** Writes down what the database tells. */
export class Recorder implements XfrmListener {
  readonly acquires: XfrmAcquire[] = []
  readonly expires: XfrmExpire[] = []
  readonly mappings: XfrmMapping[] = []
  readonly unknown: XfrmUnknownSpi[] = []

  acquire(acquire: XfrmAcquire): void {
    this.acquires.push(acquire)
  }
  expire(expire: XfrmExpire): void {
    this.expires.push(expire)
  }
  unknownSpi(packet: XfrmUnknownSpi): void {
    this.unknown.push(packet)
  }
  mapping(mapping: XfrmMapping): void {
    this.mappings.push(mapping)
  }
}

export interface VirtualClock {
  now: number
}

export function newXfrm(listener: XfrmListener, clock: VirtualClock, crypto: CryptoProvider = nodeProvider): Xfrm {
  return new Xfrm({ crypto, random: countingRandom(), listener, clock: () => clock.now })
}

export interface StateFields {
  readonly spi: number
  readonly saddr: string
  readonly daddr: string
  readonly direction: 'in' | 'out'
  readonly reqid?: number
  readonly suite?: Suite
  readonly esn?: boolean
  readonly replayWindow?: number
  readonly tfcPad?: number
  readonly encap?: { readonly sport: number; readonly dport: number } | 'none'
  readonly lifetime?: Partial<XfrmLifetime>
  readonly mark?: XfrmMark
  readonly outputMark?: XfrmMark
  readonly ifId?: number
  readonly seq?: number
}

/** A state with the fixed keys of its suite (the first by default), in UDP between ports 4500. */
export function stateConfig(fields: StateFields): XfrmStateConfig {
  const { spi: _, ...parameters } = parametersOf(
    fields.suite ?? suites[0]!,
    fields.esn ?? false,
    fields.replayWindow ?? 64,
  )
  const { encap = { sport: 4500, dport: 4500 } } = fields
  return {
    ...parameters,
    spi: fields.spi,
    proto: 50,
    direction: fields.direction,
    saddr: parseIp(fields.saddr),
    daddr: parseIp(fields.daddr),
    reqid: fields.reqid ?? 1,
    mode: 'tunnel',
    ...(encap === 'none' ? {} : { encap }),
    ...(fields.tfcPad === undefined ? {} : { tfcPad: fields.tfcPad }),
    ...(fields.mark === undefined ? {} : { mark: fields.mark }),
    ...(fields.outputMark === undefined ? {} : { outputMark: fields.outputMark }),
    ...(fields.ifId === undefined ? {} : { ifId: fields.ifId }),
    ...(fields.seq === undefined ? {} : { seq: fields.seq }),
    lifetime: { ...unlimited, ...fields.lifetime },
    label: 'child',
  }
}

export interface SelectorFields {
  readonly protocol?: number
  readonly sourcePort?: readonly [number, number]
  readonly destinationPort?: readonly [number, number]
}

export function selector(source: string, destination: string, fields: SelectorFields = {}): XfrmSelector {
  const ports = ([first, last]: readonly [number, number] = [0, 65535]) => ({ first, last })
  return {
    source: parseRange(source),
    destination: parseRange(destination),
    protocol: fields.protocol ?? 0,
    sourcePort: ports(fields.sourcePort),
    destinationPort: ports(fields.destinationPort),
  }
}

export interface PolicyFields {
  readonly index: number
  readonly direction: 'in' | 'out' | 'fwd'
  readonly selector: XfrmSelector
  readonly priority?: number
  readonly action?: 'allow' | 'block'
  /** [saddr, daddr, reqid], or none for bypass. */
  readonly template?: readonly [string, string, number]
  readonly mark?: XfrmMark
  readonly ifId?: number
  readonly type?: 'main' | 'sub'
}

export function policyConfig(fields: PolicyFields): XfrmPolicyConfig {
  const templates = fields.template === undefined ? [] : [templateOf(...fields.template)]
  return {
    index: fields.index,
    direction: fields.direction,
    selector: fields.selector,
    action: fields.action ?? 'allow',
    priority: fields.priority ?? 100,
    templates,
    ...(fields.mark === undefined ? {} : { mark: fields.mark }),
    ...(fields.ifId === undefined ? {} : { ifId: fields.ifId }),
    ...(fields.type === undefined ? {} : { type: fields.type }),
    label: 'child',
  }
}

export function flowOf(packet: Uint8Array): PacketFlow {
  const flow = newPacketFlow()
  const status = parseFlow(packet, 0, packet.length, flow)
  if (status !== 0) throw new Error(`parseFlow: ${status}`)
  return flow
}

function templateOf(saddr: string, daddr: string, reqid: number) {
  return { saddr: parseIp(saddr), daddr: parseIp(daddr), proto: 50, mode: 'tunnel' as const, reqid }
}
