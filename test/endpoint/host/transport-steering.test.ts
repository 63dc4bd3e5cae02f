import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AppliedState } from '../../../src/endpoint/host/applied-state.ts'
import { type SteeringRequest, TransportSteering } from '../../../src/endpoint/host/transport-steering.ts'
import { silentLog } from '../../../src/endpoint/log.ts'
import { parseIp } from '../../../src/ip/index.ts'
import type { PortRange } from '../../../src/xfrm/port.ts'

const any = { first: 0, last: 65_535 }
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'typeswan-steering-'))
  setRpFilter('all', 0)
  setRpFilter('tun0', 0)
})
afterEach(() => rmSync(folder, { recursive: true }))

const rpFilterOf = (device: string) => join(folder, 'sys/net/ipv4/conf', device, 'rp_filter')
function setRpFilter(device: string, value: number): void {
  mkdirSync(join(folder, 'sys/net/ipv4/conf', device), { recursive: true })
  writeFileSync(rpFilterOf(device), String(value))
}

const notes = () => readdirSync(folder).filter((name) => name.startsWith('applied'))

async function open(refuse: (call: string) => boolean = () => false) {
  const calls: string[] = []
  const ip = async (args: readonly string[]) => {
    calls.push(args.join(' '))
    if (refuse(args.join(' '))) throw new Error(`"ip ${args.join(' ')}" failed: Operation not supported`)
    return ''
  }
  const state = new AppliedState(folder, silentLog)
  const world = {
    device: 'tun0',
    mark: 0x10,
    ports: { ike: 500, nat: 4500, tcp: { local: 4500, remote: [443] } },
    ip,
    log: silentLog,
    state,
  }
  const steering = await TransportSteering.open({ ...world, sysctls: join(folder, 'sys') })
  calls.length = 0
  return { steering, calls }
}

function request(protocol: number, destinationPort: PortRange = any, peer = '192.0.2.9'): SteeringRequest {
  const at = (text: string) => ({ start: parseIp(text), end: parseIp(text) })
  const local = peer.includes(':') ? '2001:db8::1' : '192.0.2.1'
  const selector = { source: at(local), destination: at(peer), protocol, sourcePort: any, destinationPort }
  return { selector, local: parseIp(local), peer: parseIp(peer) }
}

const route = '192.0.2.9/32 dev tun0 src 192.0.2.1 table 7296'
const tail = 'lookup 7296 pref 7296'

describe('packets of transport mode', () => {
  it('are led into the device by protocol and ports, and no longer when the policy goes', async () => {
    const { steering, calls } = await open()
    steering.follow(1, request(132, { first: 80, last: 90 }))
    await steering.settled()
    const rule = `to 192.0.2.9/32 iif lo fwmark 0/0x10 ipproto 132 dport 80-90 ${tail}`
    expect(calls).toEqual([`-4 route add ${route}`, `-4 rule add ${rule}`])
    expect(notes()).toHaveLength(1)
    steering.forget(1)
    await steering.settled()
    expect(calls.slice(2)).toEqual([`-4 rule del ${rule}`, `-4 route del ${route}`])
    expect(notes()).toEqual([])
  })

  it('share the route, and rules that are alike, until the last policy goes', async () => {
    const { steering, calls } = await open()
    steering.follow(1, request(132))
    steering.follow(2, request(132))
    steering.follow(3, request(47))
    steering.forget(1)
    steering.forget(3)
    await steering.settled()
    expect(calls.filter((call) => call.includes(' add '))).toHaveLength(3)
    expect(calls.filter((call) => call.includes(' del '))).toEqual([
      `-4 rule del to 192.0.2.9/32 iif lo fwmark 0/0x10 ipproto 47 ${tail}`,
    ])
    await steering.close()
    expect(calls.filter((call) => call.includes(' del '))).toHaveLength(3)
  })

  it('leave the way back of IKE and ESP outside, where the selector holds them', async () => {
    const { steering, calls } = await open()
    steering.follow(1, request(0))
    await steering.settled()
    expect(calls).toEqual([
      `-4 route add ${route}`,
      '-4 rule add to 192.0.2.9/32 ipproto 17 sport 500 lookup main pref 7295',
      '-4 rule add to 192.0.2.9/32 ipproto 17 sport 4500 lookup main pref 7295',
      '-4 rule add to 192.0.2.9/32 ipproto 50 lookup main pref 7295',
      '-4 rule add to 192.0.2.9/32 ipproto 6 sport 4500 lookup main pref 7295',
      '-4 rule add to 192.0.2.9/32 ipproto 6 dport 443 lookup main pref 7295',
      `-4 rule add to 192.0.2.9/32 iif lo fwmark 0/0x10 ${tail}`,
    ])
  })

  it('go by IPv6 rules for an IPv6 peer', async () => {
    const { steering, calls } = await open()
    steering.follow(1, request(0, any, '2001:db8::9'))
    await steering.settled()
    expect(calls).toEqual([
      '-6 route add 2001:db8::9/128 dev tun0 src 2001:db8::1 table 7296',
      '-6 rule add to 2001:db8::9/128 ipproto 6 sport 4500 lookup main pref 7295',
      '-6 rule add to 2001:db8::9/128 ipproto 6 dport 443 lookup main pref 7295',
      `-6 rule add to 2001:db8::9/128 iif lo fwmark 0/0x10 ${tail}`,
    ])
  })

  it('are not led there by a selector that no rule can say', async () => {
    const { steering, calls } = await open()
    steering.follow(1, request(1, { first: 8, last: 8 }))
    await steering.settled()
    expect(calls).toEqual([])
  })

  it('move with a policy that changes, without a gap for what stays', async () => {
    const { steering, calls } = await open()
    steering.follow(1, request(132))
    steering.follow(1, request(47))
    await steering.settled()
    expect(calls.filter((call) => call.includes('route'))).toEqual([`-4 route add ${route}`])
    expect(calls.at(-1)).toContain('rule del')
  })
})

describe('a machine', () => {
  it('without rules by ports is refused with the command', async () => {
    await expect(open((call) => call.includes('ipproto'))).rejects.toMatchObject({
      code: 'NO_STEERING',
      message: expect.stringContaining('ip rule add to 192.0.2.1/32'),
    })
  })

  it('that asks strictly for the way back does so loosely at the device', async () => {
    setRpFilter('all', 1)
    await open()
    expect(readFileSync(rpFilterOf('tun0'), 'utf8')).toBe('2')
  })

  it('that asks for nothing stays as it is', async () => {
    await open()
    expect(readFileSync(rpFilterOf('tun0'), 'utf8')).toBe('0')
  })
})

describe('what a killed endpoint left', () => {
  it('is taken back, if it is the deletion of a rule or route', async () => {
    const changes = [
      { kind: 'ip', device: 'tun0', words: ['-4', 'rule', 'del', 'pref', '7296'] },
      { kind: 'ip', device: 'tun0', words: ['-4', 'link', 'del', 'eth0'] },
      { kind: 'ip', device: 'tun0', words: ['-4', 'rule', 'del', '-force'] },
    ]
    writeFileSync(join(folder, 'applied-1.json'), JSON.stringify({ version: 1, pid: 4_000_000, started: '1', changes }))
    const undone: unknown[] = []
    await new AppliedState(folder, silentLog).cleanUp(async (change) => void undone.push(change))
    expect(undone).toEqual([changes[0]])
    expect(notes()).toEqual([])
  })
})
