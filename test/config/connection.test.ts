import { describe, expect, it } from 'vitest'
import { type PskConnection, pskConnection } from '../../src/config/connection.ts'
import { UsageError } from '../../src/errors.ts'
import { formatIdentity } from '../../src/ike/auth/identity.ts'
import { formatProposal } from '../../src/ike/negotiation/proposal-keywords.ts'
import { formatTrafficSelector } from '../../src/ike/negotiation/traffic-selector-text.ts'

const settings: PskConnection = {
  name: 'office',
  psk: 'secret',
  localAddress: '10.0.0.1',
  remoteAddress: '10.0.0.2',
  children: [{ name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16[tcp/80]'] }],
}

describe('pskConnection', () => {
  it('fills in safe defaults', () => {
    const connection = pskConnection(settings)
    expect(connection).toMatchObject({ encap: 'force', livenessDelayMs: 30_000, keepaliveMs: 20_000 })
    expect(formatIdentity(connection.local.id)).toBe('10.0.0.1')
    expect(connection.remote).toMatchObject({ port: 500, natPort: 4500, id: { type: 1 } })
    expect(formatProposal(connection.ikeProposals[0]!)).toMatch(/^aes128gcm16-.*-x25519-/)
    const [child] = connection.children
    expect(child).toMatchObject({ mode: 'tunnel', replayWindow: 1024, startAction: 'none' })
    expect(child?.remoteTs.map(formatTrafficSelector)).toEqual(['10.2.0.0/16[tcp/80]'])
  })

  it.each([
    [{}, { softMs: 3_600_000, hardMs: 3_960_000 }, 360_000],
    [{ softMs: 600_000 }, { softMs: 600_000, hardMs: 660_000 }, 60_000],
    [{ hardMs: 660_000 }, { softMs: 600_000, hardMs: 660_000 }, 60_000],
    [{ hardMs: 86_400_000 }, { softMs: 3_600_000, hardMs: 86_400_000 }, 360_000],
    [{ softMs: Number.POSITIVE_INFINITY }, { softMs: Number.POSITIVE_INFINITY, hardMs: Number.POSITIVE_INFINITY }, 0],
    [{ softBytes: 7 }, { softMs: 3_600_000, hardMs: 3_960_000, softBytes: 7 }, 360_000],
  ])('keeps the proportion of the lifetimes of a child: %o', (lifetime, whole, ms) => {
    const children = settings.children.map((child) => ({ ...child, lifetime }))
    const [child] = pskConnection({ ...settings, children }).children
    expect(child).toMatchObject({ lifetime: whole, jitter: { ms, bytes: 0, packets: 0 } })
  })

  it('copies the key', () => {
    const psk = Uint8Array.of(1, 2, 3)
    const connection = pskConnection({ ...settings, psk })
    psk.fill(0)
    expect(connection.local.auth).toEqual({ method: 'psk', secret: Uint8Array.of(1, 2, 3) })
    expect(connection.remote.auth).toEqual({ method: 'psk', secret: Uint8Array.of(1, 2, 3) })
  })

  it('waits for any peer with any identity when no remote is named', () => {
    const { remoteAddress: _, ...anyPeer } = settings
    expect(pskConnection(anyPeer).remote).toMatchObject({ address: undefined, id: undefined })
    expect(pskConnection({ ...settings, remoteId: '%any' }).remote.id).toBeUndefined()
  })

  it('takes weak algorithms only when they are allowed', () => {
    const weak = { ...settings, proposals: ['aes128-sha1-modp1024'] }
    expect(() => pskConnection(weak)).toThrow(/sha1, modp1024/)
    expect(() => pskConnection({ ...weak, allowWeak: ['sha1'] })).toThrow(/uses modp1024/)
    expect(pskConnection({ ...weak, allowWeak: ['sha1', 'modp1024'] }).ikeProposals).toHaveLength(1)
  })

  it('refuses an empty key and a missing local identity', () => {
    const { localAddress: _, ...withoutAddress } = settings
    expect(() => pskConnection({ ...settings, psk: '' })).toThrow(UsageError)
    expect(() => pskConnection(withoutAddress)).toThrow(/localId/)
  })
})
