import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nodeProvider } from '../../src/crypto/node.ts'
import { Datapath, droppedAs, HEADROOM, TAILROOM } from '../../src/datapath/index.ts'
import { EspEncapsulator } from '../../src/esp/index.ts'
import { FlowStatus, newPacketFlow, parseFlow } from '../../src/ip/index.ts'
import { countingRandom, parametersOf, suites } from '../esp/suites.ts'
import { inner, twoSides } from './support.ts'

const good = inner()
const good6 = inner('fd00:1::1', 'fd00:2::1')
const flow = newPacketFlow()

/** Octets that begin like an IP packet often enough to come far. */
const contents = fc.oneof(
  fc.uint8Array({ maxLength: 120 }),
  fc.uint8Array({ minLength: 1, maxLength: 120 }).map((octets) => {
    octets[0] = octets[0]! & 1 ? 0x45 : 0x60
    return octets
  }),
  fc.tuple(fc.constantFrom(good, good6), fc.nat(200), fc.nat(255)).map(([packet, at, value]) => {
    const mutated = packet.slice()
    mutated[at % mutated.length] = value
    return mutated
  }),
  fc.tuple(fc.constantFrom(good, good6), fc.nat(200)).map(([packet, at]) => packet.slice(0, at % packet.length)),
)
const nextHeaders = fc.constantFrom(4, 41, 4, 41, 0, 17, 50, 59, 255)

/** Whether these octets may be delivered by the policy of `twoSides`: a whole IPv4 packet between its two networks. */
function mayPass(octets: Uint8Array, nextHeader: number): boolean {
  if (nextHeader !== 4 || parseFlow(octets, 0, octets.length, flow) !== FlowStatus.OK || flow.family !== 4) return false
  return flow.source[0] === 10 && flow.source[1] === 1 && flow.destination[0] === 10 && flow.destination[1] === 2
}

describe('a datapath that is fed anything', () => {
  it('never throws and never delivers what is not ESP of its peer', () => {
    const { left, right } = twoSides()
    const sealed = left.seal(good)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(3), fc.nat(200), fc.nat(254), (octets, kind, at, value) => {
        let packet = octets
        // Plain noise, noise behind a known SPI, a good packet with one octet changed, and a prefix of it.
        if (kind === 1) packet.set(sealed.subarray(0, Math.min(8, packet.length)))
        if (kind === 2) {
          packet = sealed.slice()
          packet[at % packet.length]! ^= value + 1
        }
        if (kind === 3) packet = sealed.slice(0, at % sealed.length)
        expect(droppedAs(right.receive(packet, left.socket))).toBeDefined()
      }),
      { numRuns: 5000 },
    )
    expect(right.delivered).toEqual([])
  })

  it('never throws for an authentic packet with anything inside, and delivers only what its policy names', () => {
    const { left, right } = twoSides()
    const esp = new EspEncapsulator(nodeProvider, { ...parametersOf(suites[0]!, false), spi: 0x1000 }, countingRandom())
    let passed = 0
    fc.assert(
      fc.property(contents, nextHeaders, (octets, nextHeader) => {
        const buffer = new Uint8Array(esp.headerBytes + octets.length + esp.maxTrailerBytes)
        buffer.set(octets, esp.headerBytes)
        const length = esp.encapsulate(buffer, esp.headerBytes, octets.length, nextHeader)
        right.delivered.length = 0
        right.receive(buffer.subarray(0, length), left.socket)
        const expected = mayPass(octets, nextHeader) ? [octets.slice(0, flow.totalLength)] : []
        passed += expected.length
        expect(right.delivered).toEqual(expected)
      }),
      { numRuns: 5000 },
    )
    // Both outcomes were seen, or the property says nothing.
    expect(passed).toBeGreaterThan(50)
    expect(right.xfrm.stats.value('XfrmInStateModeError')).toBeGreaterThan(50)
    expect(right.xfrm.stats.value('XfrmInNoPols')).toBeGreaterThan(50)
    expect(right.xfrm.stats.value('XfrmInStateProtoError')).toBe(0)
  })

  it('never throws for anything from the tunnel device, and sends only what its policy names', () => {
    const side = twoSides().left
    fc.assert(
      fc.property(contents, (octets) => {
        side.sent.length = 0
        side.send(octets)
        expect(side.sent).toHaveLength(mayPass(octets, 4) ? 1 : 0)
      }),
      { numRuns: 2000 },
    )
  })

  it('takes a packet that leads back to it while it is delivered', () => {
    const { left, right } = twoSides()
    const answers: Uint8Array[] = []
    // An echo on the right side, and the left one's answer to each answer, all within one call.
    let rounds = 0
    const datapath: Datapath = new Datapath(right.xfrm, {
      deliver: (buffer, offset, length) => {
        answers.push(buffer.slice(offset, offset + length))
        if (++rounds === 3) return
        const reply = new Uint8Array(HEADROOM + good.length + TAILROOM)
        reply.set(inner('10.2.0.1', '10.1.0.1'), HEADROOM)
        datapath.sendInner(reply, HEADROOM, good.length, 0)
      },
      sendEsp: () => {
        const again = left.seal(good)
        datapath.receiveEsp(again, 0, again.length, left.socket, right.socket, 0)
      },
    })
    const first = left.seal(good)
    datapath.receiveEsp(first, 0, first.length, left.socket, right.socket, 0)
    expect(answers).toEqual([good, good, good])
    const inbound = [...right.xfrm.states()].find(({ direction }) => direction === 'in')!
    expect(inbound).toMatchObject({ packets: 3, bytes: 3 * good.length })
    expect(right.told.mappings).toEqual([])
  })
})
