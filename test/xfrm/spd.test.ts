import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UsageError } from '../../src/errors.ts'
import { newPacketFlow, type PacketFlow } from '../../src/ip/index.ts'
import { PolicyDirection } from '../../src/xfrm/policy.ts'
import type { PortRange, XfrmPolicyConfig, XfrmSelector } from '../../src/xfrm/port.ts'
import { overlaps } from '../../src/xfrm/selector.ts'
import { Spd } from '../../src/xfrm/spd.ts'
import { policyConfig, selector } from './support.ts'

// Few distinct values, so that random policies and flows meet often.
const octet = fc.nat(3)
const address = (bytes: number, last: number) => {
  const octets = new Uint8Array(bytes).fill(10)
  octets[bytes - 1] = last
  return octets
}
const ports = fc.oneof(
  fc.constant<PortRange>({ first: 0, last: 65535 }),
  fc.constant<PortRange>({ first: 65535, last: 0 }),
  fc.tuple(fc.nat(4), fc.nat(4)).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
)
const protocol = fc.constantFrom(0, 6, 17)
const selectors: fc.Arbitrary<XfrmSelector> = fc
  .record({ bytes: fc.constantFrom(4, 16), s: fc.tuple(octet, octet), d: fc.tuple(octet, octet) })
  .chain(({ bytes, s, d }) =>
    fc.record({
      source: fc.constant({ start: address(bytes, Math.min(...s)), end: address(bytes, Math.max(...s)) }),
      destination: fc.constant({ start: address(bytes, Math.min(...d)), end: address(bytes, Math.max(...d)) }),
      protocol,
      sourcePort: ports,
      destinationPort: ports,
    }),
  )
const policies = fc.record({
  index: fc.nat(12),
  direction: fc.constantFrom('in' as const, 'out' as const, 'fwd' as const),
  selector: selectors,
  priority: fc.nat(3),
  action: fc.constantFrom('allow' as const, 'allow' as const, 'block' as const),
  type: fc.constantFrom('main' as const, 'main' as const, 'sub' as const),
  ifId: fc.constantFrom(0, 0, 7),
  // The last one has a bit outside of its own mask.
  mark: fc.constantFrom({ value: 0, mask: 0 }, { value: 0, mask: 0 }, { value: 1, mask: 1 }, { value: 3, mask: 1 }),
})
const flows: fc.Arbitrary<PacketFlow> = fc
  .record({
    bytes: fc.constantFrom(4, 16),
    s: octet,
    d: octet,
    protocol: fc.constantFrom(6, 17, 50),
    known: fc.boolean(),
    sport: fc.nat(4),
    dport: fc.nat(4),
  })
  .map(({ bytes, s, d, protocol, known, sport, dport }) => {
    const flow = newPacketFlow()
    flow.family = bytes === 4 ? 4 : 6
    flow.addressBytes = bytes
    flow.source.set(address(bytes, s))
    flow.destination.set(address(bytes, d))
    flow.protocol = protocol
    flow.portsKnown = known
    flow.sourcePort = known ? sport : 0
    flow.destinationPort = known ? dport : 0
    return flow
  })
const steps = fc.oneof(
  { weight: 2, arbitrary: policies.map((policy) => ({ verb: 'add' as const, policy })) },
  { weight: 1, arbitrary: policies.map((policy) => ({ verb: 'update' as const, policy })) },
  { weight: 1, arbitrary: fc.nat(12).map((index) => ({ verb: 'remove' as const, index })) },
  {
    weight: 6,
    arbitrary: fc.record({
      verb: fc.constant('lookup' as const),
      flow: flows,
      mark: fc.nat(2),
      ifId: fc.constantFrom(0, 7, 8),
    }),
  },
)

const numbers = { in: PolicyDirection.IN, out: PolicyDirection.OUT, fwd: PolicyDirection.FWD }

/**
 * The slow twin: a list in order of installation, scanned for the best match with arithmetic of its own. What the kernel's rules say: sub
 * policies first, and then the main one must agree; lower priority, then older; one whose priority changes becomes the youngest.
 */
class LinearSpd {
  readonly policies: XfrmPolicyConfig[] = []

  add(policy: XfrmPolicyConfig): boolean {
    if (this.policies.some(({ index }) => index === policy.index)) return false
    this.policies.push(policy)
    return true
  }

  update(policy: XfrmPolicyConfig): boolean {
    const at = this.policies.findIndex(({ index }) => index === policy.index)
    if (at < 0) return this.add(policy)
    if (this.policies[at]!.direction !== policy.direction) return false
    if (this.policies[at]!.priority === policy.priority) this.policies[at] = policy
    else {
      this.policies.splice(at, 1)
      this.policies.push(policy)
    }
    return true
  }

  remove(index: number): void {
    const at = this.policies.findIndex((policy) => policy.index === index)
    if (at >= 0) this.policies.splice(at, 1)
  }

  lookup(direction: number, flow: PacketFlow, mark: number, ifId: number): (number | undefined)[] {
    const best = (type: string, of: number) => {
      const rules = this.policies.filter((policy) => policy.type === type && numbers[policy.direction] === of)
      const met = rules.filter(({ selector: rule, mark: own, ifId: at }) => {
        return at === ifId && (mark & own!.mask) === (own!.value & own!.mask) && matches(rule, flow)
      })
      return met.reduce<XfrmPolicyConfig | undefined>((one, other) => {
        return one === undefined || other.priority < one.priority ? other : one
      }, undefined)
    }
    const sub = best('sub', direction)
    if (sub === undefined) return [best('main', direction)?.index, undefined]
    if (direction === PolicyDirection.OUT && sub.action === 'block') return [sub.index, undefined]
    return [sub.index, best('main', direction === PolicyDirection.OUT ? direction : PolicyDirection.IN)?.index]
  }
}

const big = (octets: Uint8Array) => octets.reduce((sum, value) => (sum << 8n) + BigInt(value), 0n)

function matches(rule: XfrmSelector, flow: PacketFlow): boolean {
  const within = ({ start, end }: XfrmSelector['source'], full: Uint8Array) => {
    const value = big(full.subarray(0, flow.addressBytes))
    return start.length === flow.addressBytes && big(start) <= value && value <= big(end)
  }
  const port = ({ first, last }: PortRange, value: number) => {
    if (first === 0 && last === 65535) return true
    if (first === 65535 && last === 0) return !flow.portsKnown
    return flow.portsKnown && first <= value && value <= last
  }
  return (
    (rule.protocol === 0 || rule.protocol === flow.protocol) &&
    within(rule.source, flow.source) &&
    within(rule.destination, flow.destination) &&
    port(rule.sourcePort, flow.sourcePort) &&
    port(rule.destinationPort, flow.destinationPort)
  )
}

/** What a change came to, so that refusals are compared too. */
function accepted(change: () => void): boolean {
  try {
    change()
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError)
    return false
  }
}

describe('overlaps', () => {
  it.each([
    ['10.0.0.0/8', '10.2.0.0/16', true],
    ['10.1.3.0/24', '10.2.0.0/15', true],
    ['10.2.0.0/16', '10.2.0.0/16', false],
    ['10.1.0.0/16', '10.3.0.0/16', false],
    ['fd00::/8', 'fd00::/8', false],
  ])('of 10.1.0.0/16 to 10.2.0.0/16 and %s to %s is %s', (source, destination, expected) => {
    const one = selector('10.1.0.0/16', '10.2.0.0/16')
    expect(overlaps(one, selector(source, destination))).toBe(expected)
    expect(overlaps(selector(source, destination), one)).toBe(expected)
  })
})

describe('Spd', () => {
  it('finds what a linear scan finds, whatever was added, changed, removed and asked before', () => {
    fc.assert(
      fc.property(fc.array(steps, { minLength: 20, maxLength: 80 }), (run) => {
        const spd = new Spd()
        const twin = new LinearSpd()
        for (const step of run) {
          if (step.verb === 'add') {
            expect(accepted(() => spd.add(policyConfig(step.policy)))).toBe(twin.add(policyConfig(step.policy)))
          } else if (step.verb === 'update') {
            expect(accepted(() => spd.update(policyConfig(step.policy)))).toBe(twin.update(policyConfig(step.policy)))
          } else if (step.verb === 'remove') {
            spd.remove(step.index)
            twin.remove(step.index)
          } else {
            for (const direction of Object.values(PolicyDirection)) {
              const { flow, mark, ifId } = step
              const expected = twin.lookup(direction, flow, mark, ifId)
              expect([spd.lookup(direction, flow, mark, ifId)?.index, spd.also?.index]).toEqual(expected)
              expect([spd.lookupUncached(direction, flow, mark, ifId)?.index, spd.also?.index]).toEqual(expected)
            }
          }
        }
        expect([...spd].map(({ index }) => index).sort()).toEqual(twin.policies.map(({ index }) => index).sort())
      }),
      { numRuns: 300 },
    )
  })

  it('does not confuse flows that share a cache slot', () => {
    const spd = new Spd()
    for (let port = 0; port < 100; port++) {
      const rule = selector('10.0.0.0/8', '10.0.0.0/8', { protocol: 6, sourcePort: [port * 50, port * 50 + 49] })
      spd.add(policyConfig({ index: port, direction: 'out', selector: rule }))
    }
    const flow = newPacketFlow()
    Object.assign(flow, { family: 4, addressBytes: 4, protocol: 6, portsKnown: true })
    flow.source.set([10, 0, 0, 1])
    flow.destination.set([10, 0, 0, 2])
    // 5,000 flows over 1,024 slots, twice: each slot is fought for.
    for (let round = 0; round < 2; round++) {
      for (let port = 0; port < 5000; port++) {
        flow.sourcePort = port
        expect(spd.lookup(PolicyDirection.OUT, flow)?.index).toBe(Math.floor(port / 50))
      }
    }
  })

  it('does not take a fragment for a packet whose ports are both 0', () => {
    const spd = new Spd()
    const rule = selector('10.0.0.0/8', '10.0.0.0/8', { protocol: 17, sourcePort: [0, 0] })
    spd.add(policyConfig({ index: 1, direction: 'in', selector: rule }))
    const flow = newPacketFlow()
    Object.assign(flow, { family: 4, addressBytes: 4, protocol: 17 })
    flow.source.set([10, 0, 0, 1])
    flow.destination.set([10, 0, 0, 2])
    for (const portsKnown of [true, false, true]) {
      flow.portsKnown = portsKnown
      expect(spd.lookup(PolicyDirection.IN, flow)?.index).toBe(portsKnown ? 1 : undefined)
    }
  })

  it('refuses a second policy with one index, too many templates, one of AH, and mixed families', () => {
    const spd = new Spd()
    const rule = policyConfig({ index: 1, direction: 'out', selector: selector('10.0.0.0/8', '10.0.0.0/8') })
    spd.add(rule)
    expect(() => spd.add(rule)).toThrow(UsageError)
    const template = policyConfig({ ...rule, template: ['192.0.2.1', '192.0.2.2', 1] }).templates[0]!
    expect(() => spd.add({ ...rule, index: 2, templates: new Array(7).fill(template) })).toThrow(UsageError)
    expect(() => spd.add({ ...rule, index: 2, templates: [{ ...template, proto: 51 }] })).toThrow(UsageError)
    expect(() => spd.add({ ...rule, index: 2, selector: selector('10.0.0.0/8', 'fd00::/8') })).toThrow(UsageError)
    expect(spd.size).toBe(1)
  })

  it('keeps what it was given, not the arrays of the caller', () => {
    const spd = new Spd()
    const rule = selector('10.0.0.0/8', '10.0.0.0/8')
    spd.add(policyConfig({ index: 1, direction: 'out', selector: rule }))
    rule.source.start.fill(0xff)
    expect(spd.byIndex(1)!.selector.source.start).toEqual(Uint8Array.of(10, 0, 0, 0))
  })
})
