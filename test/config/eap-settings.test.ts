import { describe, expect, test } from 'vitest'
import type { ConfigProblems } from '../../src/config/index.ts'
import type { EapMethods } from '../../src/credentials/eap.ts'
import { IdType } from '../../src/ike/codec/numbers.ts'
import type { EapPeerAuth, EapServerAuth } from '../../src/ike/config.ts'
import type { EapPeerAnswer, EapServerAnswer } from '../../src/ike/questions.ts'
import { parse } from './pki-files.ts'

const rest = {
  remote: { address: '192.0.2.2' },
  children: { net: { localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] } },
}
const server = { key: 'gate.key', certificates: ['gate.pem'], authorities: ['root.pem'] }
const client = { authorities: ['root.pem'], serverNames: ['gate.example'] }
const certificate = (name: string) => ({ key: `${name}.key`, certificates: [`${name}.pem`] })
const eapUsers = { 'alice@example': { password: 'open sesame' } }

/** The EAP handles of a gateway and a client with these settings. */
function handles(ours: object, theirs: object): { server: EapMethods; peer: EapMethods } {
  const { connections } = parse({
    eapUsers,
    connections: {
      gateway: { ...rest, psk: 'x', local: { id: 'gate.example' }, remote: { ...rest.remote, eap: ours } },
      client: { ...rest, psk: 'x', local: { id: 'alice@example', eap: theirs } },
    },
  })
  const remote = connections[0]!.remote.auth as EapServerAuth
  const local = connections[1]!.local.auth as EapPeerAuth
  return { server: remote.methods as EapMethods, peer: local.methods as EapMethods }
}

async function converse(ours: object, theirs: object): Promise<{ server: EapServerAnswer; peer: EapPeerAnswer }> {
  const { server, peer } = handles(ours, theirs)
  const common = { session: 1, id: { type: IdType.ID_RFC822_ADDR, data: new TextEncoder().encode('alice@example') } }
  let packet: Uint8Array | undefined
  for (;;) {
    const asked = await server.answerEapServer({
      ...{ ...common, kind: 'eap-server', auth: { method: 'eap', methods: server }, connection: 'gateway' },
      remote: { address: Uint8Array.of(192, 0, 2, 2), port: 500 },
      packet,
    })
    if (!('packet' in asked) || asked.packet === undefined) throw new Error('no packet')
    const answered = await peer.answerEapPeer({
      ...{ ...common, kind: 'eap-peer', auth: { method: 'eap', methods: peer } },
      packet: asked.packet,
    })
    if (!asked.ok || 'done' in asked || !answered.ok || 'done' in answered) return { server: asked, peer: answered }
    packet = answered.packet
  }
}

const good = {
  server: { ok: true, done: true, identity: 'alice@example' },
  peer: { ok: true, done: true, mutual: true },
}

describe('EAP on TLS as the settings say', () => {
  test.each<[string, object, object]>([
    ['tls', { ...server, methods: ['tls'] }, { ...client, ...certificate('alice'), methods: ['tls'] }],
    ['ttls', { ...server, methods: ['ttls'] }, { ...client, methods: ['ttls'], password: 'open sesame' }],
    [
      'ttls with EAP inside',
      { ...server, methods: ['ttls'], inner: ['mschapv2', 'eap-gtc', 'eap-mschapv2'] },
      { ...client, methods: ['ttls'], inner: ['eap-mschapv2', 'pap'], password: 'open sesame' },
    ],
    [
      'ttls with PAP inside',
      { ...server, methods: ['ttls'], inner: ['pap'] },
      { ...client, methods: ['ttls'], inner: ['pap', 'eap-md5'], password: 'open sesame' },
    ],
    ['peap', { ...server, methods: ['peap'] }, { ...client, methods: ['peap'], password: 'open sesame' }],
    [
      'peap with TLS 1.3 alone and a cryptobinding',
      { ...server, methods: ['peap'], tls: { minimum: '1.3' }, cryptobinding: 'required' },
      { ...client, methods: ['peap'], password: 'open sesame', tls: { minimum: '1.3', maximum: '1.3' } },
    ],
  ])('%s proves both', async (_, ours, theirs) => {
    expect(await converse(ours, theirs)).toMatchObject(good)
  })

  test('TLS versions without a common one, and a cryptobinding that the other side never makes, end it', async () => {
    const peap = (more: object) => ({ methods: ['peap'], ...more })
    const ours = { ...server, ...peap({ tls: { minimum: '1.3' } }) }
    const older = { ...client, ...peap({ password: 'open sesame', tls: { maximum: '1.2' } }) }
    expect(await converse(ours, older)).toMatchObject({ server: { ok: false } })
    const bound = { ...server, ...peap({ cryptobinding: 'required' }) }
    const without = { ...client, ...peap({ password: 'open sesame', cryptobinding: 'never' }) }
    expect(await converse(bound, without)).toMatchObject({ server: { ok: false } })
    expect(() => handles({ ...server, ...peap({ tls: { minimum: '1.3', maximum: '1.2' } }) }, older)).toThrow(
      'tls.maximum: is below minimum',
    )
  })

  test('refuses a revoked client by the list that is set', async () => {
    const theirs = { ...client, ...certificate('gone'), identity: 'gone@example', methods: ['tls'] }
    expect(await converse({ ...server, methods: ['tls'] }, theirs)).toMatchObject({ server: { ok: true } })
    expect(await converse({ ...server, methods: ['tls'], crls: ['root.crl'] }, theirs)).toMatchObject({
      server: { ok: false, message: expect.stringMatching(/gone@example.* was revoked at/) },
    })
  })

  test('refuses a server that nobody can vouch for strictly', async () => {
    const theirs = { ...client, ...certificate('alice'), methods: ['tls'], revocation: 'strict' }
    expect(await converse({ ...server, methods: ['tls'] }, theirs)).toMatchObject({
      peer: { ok: false, message: expect.stringMatching(/gate/) },
    })
  })

  test('tells what does not run inside', () => {
    const problem = (theirs: object) => {
      try {
        handles({ ...server, methods: ['tls'] }, { ...client, password: 'x', ...theirs })
        return ''
      } catch (error) {
        return (error as ConfigProblems).message
      }
    }
    expect(problem({ methods: ['ttls'], inner: ['gtc'] })).toMatch(/"gtc" does not run inside of TTLS/)
    expect(problem({ methods: ['peap'], inner: ['pap'] })).toMatch(/"pap" does not run inside of PEAP/)
  })
})
