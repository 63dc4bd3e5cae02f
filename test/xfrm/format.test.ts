import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseIp } from '../../src/ip/index.ts'
import { formatPolicy, formatState, type TableFormatOptions } from '../../src/xfrm/format/index.ts'
import type { XfrmPolicyConfig } from '../../src/xfrm/port.ts'
import { XfrmCounter, XfrmStats, xfrmCounterNames } from '../../src/xfrm/stats.ts'
import { suites } from '../esp/suites.ts'
import { newXfrm, policyConfig, Recorder, selector, stateConfig } from './support.ts'

const fields = { spi: 0x1001, saddr: '192.0.2.1', daddr: '198.51.100.2', reqid: 7 }

function printed(config: Parameters<typeof stateConfig>[0], options?: TableFormatOptions): string {
  const xfrm = newXfrm(new Recorder(), { now: 0 })
  xfrm.newSa(stateConfig(config))
  return formatState([...xfrm.states()][0]!, options)
}

function printedPolicy(config: XfrmPolicyConfig): string {
  const xfrm = newXfrm(new Recorder(), { now: 0 })
  xfrm.newPolicy(config)
  return formatPolicy([...xfrm.policies()][0]!)
}

describe('formatState', () => {
  it('prints an AEAD state as ip xfrm state list nokeys', () => {
    expect(printed({ ...fields, direction: 'out' })).toBe(
      'src 192.0.2.1 dst 198.51.100.2\n' +
        '\tproto esp spi 0x00001001 reqid 7 mode tunnel\n' +
        '\treplay-window 0 flag af-unspec\n' +
        '\taead rfc4106(gcm(aes)) <<Keys hidden>> 128\n' +
        '\tencap type espinudp sport 4500 dport 4500 addr 0.0.0.0\n' +
        '\tanti-replay context: seq 0x0, oseq 0x0, bitmap 0x00000000\n',
    )
  })

  it('prints the direction as newer versions do where that is asked for', () => {
    expect(printed({ ...fields, direction: 'out' }, { direction: true })).toMatch(/\tdir out\n$/)
  })

  it('prints both transforms and the extended sequence numbers', () => {
    const suite = suites.find(({ name }) => name.includes('SHA2-256'))!
    const text = printed({ ...fields, saddr: '2001:db8::1', daddr: '2001:db8::2', direction: 'in', suite, esn: true })
    expect(text).toContain('src 2001:db8::1 dst 2001:db8::2\n')
    expect(text).toContain('\treplay-window 0 flag af-unspec esn\n')
    expect(text).toContain('\tauth-trunc hmac(sha256) <<Keys hidden>> 128\n\tenc cbc(aes) <<Keys hidden>>\n')
    expect(text).toContain(
      '\tanti-replay esn context:\n' +
        '\t seq-hi 0x0, seq 0x0, oseq-hi 0x0, oseq 0x0\n' +
        '\t replay_window 64, bitmap-length 2\n' +
        '\t 00000000 00000000 \n',
    )
  })

  it('adds limits and counters when it is given the time', () => {
    const lifetime = { softBytes: 1000, hardBytes: 2000, softMs: 100_000 }
    expect(
      printed({ ...fields, direction: 'in', lifetime }, { stats: true, calendar: { now: 12_000, unixMs: 1e12 } }),
    ).toContain(
      '\tlifetime config:\n' +
        '\t  limit: soft 1000(bytes), hard 2000(bytes)\n' +
        '\t  limit: soft (INF)(packets), hard (INF)(packets)\n' +
        '\t  expire add: soft 100(sec), hard 0(sec)\n' +
        '\t  expire use: soft 0(sec), hard 0(sec)\n' +
        '\tlifetime current:\n' +
        '\t  0(bytes), 0(packets)\n' +
        '\t  add 2001-09-09 01:46:28 use -\n' +
        '\tstats:\n' +
        '\t  replay-window 0 replay 0 failed 0\n',
    )
  })

  it('prints a larval state as the kernel does', () => {
    const xfrm = newXfrm(new Recorder(), { now: 0 })
    xfrm.allocSpi({ spi: 0x2000, proto: 50, saddr: parseIp('192.0.2.1'), daddr: parseIp('198.51.100.2'), reqid: 9 })
    // As printed by iproute2 6.1.0 after `ip xfrm state allocspi`.
    expect(formatState([...xfrm.states()][0]!)).toBe(
      'src 192.0.2.1 dst 198.51.100.2\n' +
        '\tproto esp spi 0x00002000 reqid 9 mode tunnel\n' +
        '\treplay-window 0 \n' +
        '\tanti-replay context: seq 0x0, oseq 0x0, bitmap 0x00000000\n' +
        '\tsel src 192.0.2.1/32 dst 198.51.100.2/32 \n',
    )
  })
})

// Expected text as printed by iproute2 6.1.0 for the same policies, but for ranges, which the kernel does not have.
describe('formatPolicy', () => {
  const nets = ['10.1.0.0/16', '10.2.0.0/16'] as const

  it('prints selector, direction, priority and template', () => {
    const template = ['192.0.2.1', '198.51.100.2', 7] as const
    expect(printedPolicy(policyConfig({ index: 1, direction: 'out', selector: selector(...nets), template }))).toBe(
      'src 10.1.0.0/16 dst 10.2.0.0/16 \n' +
        '\tdir out priority 100 ptype main \n' +
        '\ttmpl src 192.0.2.1 dst 198.51.100.2\n' +
        '\t\tproto esp reqid 7 mode tunnel\n',
    )
  })

  it.each([
    ['tcp ports', { protocol: 6, sourcePort: [80, 80], destinationPort: [443, 443] }, 'proto tcp sport 80 dport 443 '],
    ['ICMP type and code', { protocol: 1, sourcePort: [0x800, 0x800] }, 'proto icmp type 8 code 0 '],
    ['a protocol without a name', { protocol: 99 }, 'proto 99 '],
    ['a range of ports', { protocol: 17, destinationPort: [1000, 1999] }, 'proto udp dport 1000-1999 '],
  ] as const)('prints %s', (_, upper, text) => {
    const config = policyConfig({ index: 1, direction: 'fwd', action: 'block', selector: selector(...nets, upper) })
    expect(printedPolicy(config)).toBe(
      `src 10.1.0.0/16 dst 10.2.0.0/16 ${text}\n\tdir fwd action block priority 100 ptype main \n`,
    )
  })

  it('prints a range of addresses that is no prefix', () => {
    const config = policyConfig({ index: 1, direction: 'in', selector: selector('10.0.0.5-10.0.0.9', '0.0.0.0/0') })
    expect(printedPolicy(config)).toContain('src 10.0.0.5-10.0.0.9 dst 0.0.0.0/0 \n')
  })
})

const kernelStat = '/proc/net/xfrm_stat'

describe('XfrmStats', () => {
  it('counts under one name and prints all, one line each', () => {
    const stats = new XfrmStats()
    stats.count(XfrmCounter.XfrmInNoPols)
    stats.count(XfrmCounter.XfrmInNoPols)
    expect(stats.value('XfrmInNoPols')).toBe(2)
    expect(Object.values(stats.snapshot()).reduce((sum, value) => sum + value)).toBe(2)
    const lines = stats.format().split('\n')
    expect(lines[0]).toBe('XfrmInError             \t0')
    expect(lines[11]).toBe('XfrmInNoPols            \t2')
    expect(lines).toHaveLength(xfrmCounterNames.length + 1)
  })

  it.skipIf(!existsSync(kernelStat))('has the names of the running kernel, in its order', () => {
    const names = [...readFileSync(kernelStat, 'utf8').matchAll(/^\w+/gm)].map(([name]) => name)
    // Older kernels have fewer at the end; this one may be newer than the list.
    const common = Math.min(names.length, xfrmCounterNames.length)
    expect(names.slice(0, common)).toEqual(xfrmCounterNames.slice(0, common))
  })
})
