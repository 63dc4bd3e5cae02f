import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex } from '../../src/bytes/index.ts'
import { Encr, encrInfo, Integ } from '../../src/crypto/transforms.ts'
import {
  createEspCipher,
  DecapStatus,
  EspDecapsulator,
  EspEncapsulator,
  type EspSaParameters,
  newDecapResult,
} from '../../src/esp/index.ts'
import { FlowStatus, newPacketFlow, parseFlow } from '../../src/ip/index.ts'
import { traceNames } from '../support/ike-traces.ts'
import { loadTrace } from '../support/vectors.ts'
import { providers } from './suites.ts'

/** The ESP half of a recorded conversation of two strongSwan daemons. `plaintext` includes the trailer. */
interface EspTrace {
  readonly childSas: readonly {
    readonly encr: keyof typeof Encr
    readonly integ: keyof typeof Integ
    readonly esn?: boolean
    readonly spiInitiatorInbound: string
    readonly spiResponderInbound: string
    readonly encI2R: string
    readonly integI2R: string
    readonly encR2I: string
    readonly integR2I: string
  }[]
  readonly packets: readonly {
    readonly n: number
    readonly kind: string
    readonly udpPayload: string
    readonly spi: string
    readonly seq: number
    readonly iv: string
    readonly plaintext: string
    readonly padLength: number
    readonly nextHeader: number
  }[]
}
type ChildSa = EspTrace['childSas'][number]

/** Trace name and ESP packets in it. */
const traces = [
  ['psk-gcm128-sha256-ecp256', 18],
  ['psk-cbc256-sha256-modp2048', 18],
  ['psk-chacha20-x25519', 18],
  ['psk-invalid-ke-cookie', 6],
  ['psk-ppk', 18],
  ['psk-x448', 6],
  ['psk-xcbc', 6],
  ['psk-ccm-ecp521', 6],
  ['rsa-frag-gcm256', 18],
  ['rsa-pss-sha384', 6],
  ['ecdsa256-legacy-auth', 6],
  ['ecdsa256-nofrag', 6],
  ['eap-md5', 6],
  ['eap-mschapv2-nofrag-gcm', 6],
  ['pq-psk-x25519-mlkem768', 18],
  ['pq-psk-ecp256-ke1ecp384', 18],
] as const

/** The other traces, and why they are not run. */
const notRun: Record<string, string> = {
  'no-proposal': 'the responder refused: there are no ESP packets',
}

function parametersOf(child: ChildSa, spi: string, enc: string, integ: string): EspSaParameters {
  const id = Encr[child.encr]
  const saltBytes = encrInfo(id)!.saltBytes
  const keymat = fromHex(enc)
  const keyBytes = keymat.length - saltBytes
  const encr = { id, key: keymat.slice(0, keyBytes), salt: keymat.slice(keyBytes) }
  const base = { spi: Number.parseInt(spi, 16), encr, esn: child.esn === true, replayWindow: 64 }
  return integ === '' ? base : { ...base, integ: { id: Integ[child.integ], key: fromHex(integ) } }
}

/** Both SAs of each CHILD_SA by the SPI in its packets. */
const parametersBySpi = (trace: EspTrace) =>
  new Map(
    trace.childSas.flatMap((child): [string, EspSaParameters][] => [
      [child.spiResponderInbound, parametersOf(child, child.spiResponderInbound, child.encI2R, child.integI2R)],
      [child.spiInitiatorInbound, parametersOf(child, child.spiInitiatorInbound, child.encR2I, child.integR2I)],
    ]),
  )

const available = traces.map(([name, count]) => ({ name, count, trace: loadTrace<EspTrace>(name)! }))

describe('the recorded conversations', () => {
  it('are each run or named with the reason why not', () => {
    expect([...traces.map(([name]) => name), ...Object.keys(notRun)].sort()).toEqual([...traceNames].sort())
  })

  it.each(Object.entries(notRun))('%s is not run: %s', (name) => {
    expect(loadTrace<EspTrace>(name)!.packets.filter(({ kind }) => kind === 'esp')).toEqual([])
  })
})

describe.each(providers)('ESP packets of recorded conversations, $name', (crypto) => {
  for (const { name, count, trace } of available) {
    it(`${name}: open to IP packets, and are refused a second time`, () => {
      const packets = trace.packets.filter((packet) => packet.kind === 'esp')
      expect(packets.length).toBe(count)
      const states = new Map(
        [...parametersBySpi(trace)].map(([spi, parameters]) => [spi, new EspDecapsulator(crypto, parameters)]),
      )
      const result = newDecapResult()
      const flow = newPacketFlow()
      for (const packet of packets) {
        const bytes = fromHex(packet.udpPayload)
        const state = states.get(packet.spi)!
        expect(state.decapsulate(bytes, 0, bytes.length, result), `packet ${packet.n}`).toBe(DecapStatus.OK)
        const inner = toHex(bytes.subarray(result.offset, result.offset + result.length))
        expect(inner).toBe(packet.plaintext.slice(0, -2 * (packet.padLength + 2)))
        expect(result.nextHeader).toBe(packet.nextHeader)
        expect(state.replay.low).toBe(packet.seq)
        expect(parseFlow(bytes, result.offset, result.length, flow)).toBe(FlowStatus.OK)
        expect(flow.totalLength).toBe(result.length)
        const again = fromHex(packet.udpPayload)
        expect(state.decapsulate(again, 0, again.length, result)).toBe(DecapStatus.REPLAY_DUPLICATE)
      }
    })

    it(`${name}: seal to the same octets from the same IVs`, () => {
      const parameters = parametersBySpi(trace)
      for (const packet of trace.packets.filter((each) => each.kind === 'esp')) {
        expect(sealAgain(parameters.get(packet.spi)!, packet), `packet ${packet.n}`).toBe(packet.udpPayload)
      }
    })
  }

  /** CBC through the encapsulator, which takes its IV from the random source; AEADs, which count, one layer below. */
  function sealAgain(parameters: EspSaParameters, packet: EspTrace['packets'][number]): string {
    const iv = fromHex(packet.iv)
    const text = fromHex(packet.plaintext)
    if (parameters.integ === undefined) {
      const bytes = concat(fromHex(packet.udpPayload).subarray(0, 8), iv, text, new Uint8Array(16))
      createEspCipher(crypto, parameters).seal(bytes, 0, text.length, 0)
      return toHex(bytes)
    }
    const out = new EspEncapsulator(crypto, parameters, () => iv)
    out.startAfter(packet.seq - 1, 0)
    const inner = text.subarray(0, text.length - 2 - packet.padLength)
    const buffer = new Uint8Array(out.headerBytes + inner.length + out.maxTrailerBytes)
    buffer.set(inner, out.headerBytes)
    return toHex(buffer.subarray(0, out.encapsulate(buffer, out.headerBytes, inner.length, packet.nextHeader)))
  }
})
