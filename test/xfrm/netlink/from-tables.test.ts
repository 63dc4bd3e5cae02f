import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Encr } from '../../../src/crypto/transforms.ts'
import { UsageError } from '../../../src/errors.ts'
import { formatEvent } from '../../../src/xfrm/format/index.ts'
import {
  decodeXfrmMessage,
  encodeDelPolicy,
  encodeNewPolicy,
  encodeNewSa,
  kernelState,
  kernelStateOfConfig,
} from '../../../src/xfrm/netlink/index.ts'
import { newXfrm, policyConfig, Recorder, selector, stateConfig } from '../support.ts'

const fields = { spi: 0x1001, saddr: '192.0.2.1', daddr: '198.51.100.2', reqid: 7 }
const oneState = (config: ReturnType<typeof stateConfig>) => {
  const xfrm = newXfrm(new Recorder(), { now: 0 })
  xfrm.newSa(config)
  return [...xfrm.states()][0]!
}

describe('kernelState', () => {
  it('has a bit for each number of the window that was received, where the kernel looks for it', () => {
    const steps = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 60 })
    fc.assert(
      fc.property(steps, fc.constantFrom(32, 64, 96), (numbers, replayWindow) => {
        const state = oneState(stateConfig({ ...fields, direction: 'in', esn: true, replayWindow }))
        const { replay } = state.decapsulator!
        const received = new Set(numbers.filter((number) => replay.advance(number, 0) === 0))
        const { bitmap, seq } = kernelState(state).attributes.replayEsn!
        for (let number = Math.max(1, seq - replayWindow + 1); number <= seq; number++) {
          const bit = (number - 1) % replayWindow
          expect(((bitmap[bit >>> 5]! >>> (bit & 31)) & 1) === 1).toBe(received.has(number))
        }
      }),
      { numRuns: 50 },
    )
  })

  it('has the last 32 numbers below the highest in the small structure', () => {
    const state = oneState(stateConfig({ ...fields, direction: 'in', replayWindow: 32 }))
    for (const number of [1, 3, 40, 38]) state.decapsulator!.replay.advance(number, 0)
    expect(kernelState(state).attributes.replay).toEqual({ seq: 40, oseq: 0, bitmap: 0b101 })
  })

  it('has keys of the right length, and none of their octets', () => {
    const config = stateConfig({ ...fields, direction: 'out' })
    const { key } = kernelState(oneState(config)).attributes.algAead!
    expect(key).toEqual(new Uint8Array(config.encr.key.length + config.encr.salt.length))
  })
})

describe('requests of the kernel', () => {
  it('carry the keys, and the direction where it is asked for', () => {
    const config = stateConfig({ ...fields, direction: 'out' })
    const { message, header } = decodeXfrmMessage(encodeNewSa(config, { seq: 3, direction: true }))
    expect(header).toEqual({ flags: 5, seq: 3, portId: 0 })
    expect(message).toEqual({ type: 'newsa', ...kernelStateOfConfig(config, true) })
    expect(kernelStateOfConfig(config).attributes.algAead!.key).toEqual(
      Uint8Array.from([...config.encr.key, ...config.encr.salt]),
    )
  })

  it('are refused for what the kernel does not have', () => {
    const config = stateConfig({ ...fields, direction: 'in' })
    const implicit = { ...config, encr: { ...config.encr, id: Encr.ENCR_AES_GCM_16_IIV } }
    expect(() => encodeNewSa(implicit)).toThrow(UsageError)
    expect(() => encodeNewSa({ ...config, replayWindow: 65_536 })).toThrow(UsageError)
    const ranges = selector('10.0.0.5-10.0.0.9', '0.0.0.0/0')
    expect(() => encodeNewPolicy(policyConfig({ index: 1, direction: 'in', selector: ranges }))).toThrow(UsageError)
  })

  it('name a policy by the index with its direction in the low bits', () => {
    const { message } = decodeXfrmMessage(encodeDelPolicy({ index: 4, direction: 'fwd' }))
    expect(message).toMatchObject({ type: 'delpolicy', body: { index: 42, dir: 2 } })
  })
})

describe('formatEvent', () => {
  it('tells what happened to a state and a policy', () => {
    const xfrm = newXfrm(new Recorder(), { now: 0 })
    const texts: string[] = []
    xfrm.monitor.listen((event) => texts.push(formatEvent(event)))
    const config = stateConfig({ ...fields, direction: 'out' })
    xfrm.newSa(config)
    xfrm.delSa(config)
    xfrm.newPolicy(policyConfig({ index: 1, direction: 'in', selector: selector('10.0.0.0/8', '0.0.0.0/0') }))
    xfrm.delPolicy(1)
    expect(texts[0]).toMatch(/^src 192\.0\.2\.1 dst 198\.51\.100\.2\n\tproto esp spi 0x00001001 reqid 7 mode tunnel\n/)
    expect(texts[1]).toBe(`Deleted ${texts[0]}`)
    expect(texts[2]).toBe('src 10.0.0.0/8 dst 0.0.0.0/0 \n\tdir in priority 100 ptype main \n')
    expect(texts[3]).toBe(`Deleted ${texts[2]}`)
  })
})
