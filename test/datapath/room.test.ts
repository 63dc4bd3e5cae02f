import { describe, expect, it } from 'vitest'
import { nodeProvider } from '../../src/crypto/node.ts'
import { HEADROOM, TAILROOM } from '../../src/datapath/index.ts'
import { EspEncapsulator } from '../../src/esp/index.ts'
import { defaultHeadroom, defaultTailroom } from '../../src/tap-tun/index.ts'
import { countingRandom, parametersOf, suites } from '../esp/suites.ts'

describe('the room around a packet', () => {
  it.each(suites)('is enough for $name', (suite) => {
    const esp = new EspEncapsulator(nodeProvider, parametersOf(suite, true), countingRandom())
    expect(esp.headerBytes).toBeLessThanOrEqual(HEADROOM)
    expect(esp.maxTrailerBytes).toBeLessThanOrEqual(TAILROOM)
  })

  it('is there around the packets of a TUN device', () => {
    expect(defaultHeadroom).toBeGreaterThanOrEqual(HEADROOM)
    expect(defaultTailroom).toBeGreaterThanOrEqual(TAILROOM)
  })
})
