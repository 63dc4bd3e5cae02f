import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EapMethods } from '../../src/credentials/eap.ts'
import { radiusEapServer } from '../../src/credentials/radius.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { gtc, md5Challenge, mschapv2, passwordOf } from '../../src/eap/index.ts'
import { parseIp } from '../../src/ip/address.ts'
import { RadiusAccounting, TerminateCause, UdpRadiusClient } from '../../src/radius/index.ts'
import { authenticate } from '../credentials/eap-rounds.ts'
import { worldWith } from '../eap/conversation.ts'
import { type Freeradius, hasFreeradius, startFreeradius } from './freeradius.ts'

const users = `
alice Cleartext-Password := "correct horse"
  Framed-IP-Address = 10.3.0.7,
  Framed-Route = "10.9.0.0/16 0.0.0.0 1",
  MS-Primary-DNS-Server = 10.9.0.53,
  Class = 0x0a0b0c,
  Session-Timeout = 3600,
  Reply-Message = "Hello, alice"

bob Cleartext-Password := "battery staple"
  Framed-IPv6-Address = fd00::b0b
`
const nas = { identifier: 'moon.example.org', address: parseIp('127.0.0.1') }
const { random } = worldWith()

describe.skipIf(!hasFreeradius())('FreeRADIUS', () => {
  let server: Freeradius
  let client: UdpRadiusClient
  let accounting: UdpRadiusClient

  beforeAll(async () => {
    server = await startFreeradius(users)
    const secret = new TextEncoder().encode(server.secret)
    const newClient = (port: number) =>
      new UdpRadiusClient({
        crypto: nodeProvider,
        random: (length) => globalThis.crypto.getRandomValues(new Uint8Array(length)),
        servers: [{ at: { address: parseIp('127.0.0.1'), port }, secret }],
      })
    client = newClient(server.authPort)
    accounting = newClient(server.acctPort)
  }, 30_000)

  afterAll(async () => {
    client?.close()
    accounting?.close()
    await server?.stop()
  })

  const gateway = () =>
    new EapMethods({
      crypto: nodeProvider,
      random,
      setting: 'connections.office.remote.eap',
      server: radiusEapServer({ crypto: nodeProvider, random, client, nas, setting: 'radius' }),
    })
  const laptop = (identity: string, password: string, methods = [mschapv2]) =>
    new EapMethods({
      crypto: nodeProvider,
      random,
      setting: 'connections.home.local.eap',
      peer: { methods, identity, credentials: passwordOf(password) },
    })

  it('proves a peer by MSCHAPv2, and gives its key, address, routes and name servers', async () => {
    const answers = await authenticate(gateway(), laptop('alice', 'correct horse'))
    expect(answers.server).toMatchObject({
      done: true,
      identity: 'alice',
      addresses: [parseIp('10.3.0.7')],
      attributes: [
        { type: 3, value: parseIp('10.9.0.53') },
        { type: 13, value: Uint8Array.of(10, 9, 0, 0, 255, 255, 0, 0) },
      ],
    })
    expect(answers.peer).toMatchObject({ done: true, mutual: true })
    if (!('done' in answers.server) || !('done' in answers.peer)) return
    expect(answers.server.msk).toHaveLength(64)
    expect(answers.server.msk).toEqual(answers.peer.msk)
  })

  it.each([md5Challenge, gtc])('takes a Nak for $name, which makes no key', async (method) => {
    const answers = await authenticate(gateway(), laptop('bob', 'battery staple', [method]))
    expect(answers.server).toMatchObject({
      done: true,
      identity: 'bob',
      msk: undefined,
      addresses: [parseIp('fd00::b0b')],
    })
    expect(answers.peer).toMatchObject({ done: true, msk: undefined })
  })

  it('refuses a wrong password with its reason on the side of the peer', async () => {
    const answers = await authenticate(gateway(), laptop('alice', 'wrong'))
    expect(answers.server).toMatchObject({ ok: false, message: expect.stringContaining('RADIUS refused alice') })
    expect(answers.peer).toMatchObject({ ok: false, message: expect.stringContaining('error 691') })
  })

  it('is told when sessions begin, go on and end', async () => {
    const books = new RadiusAccounting(accounting.ask, nas, () => 1_700_000_000)
    const session = {
      id: 'moon-1',
      userName: 'alice',
      addresses: [parseIp('10.3.0.7')],
      classes: [Uint8Array.of(10, 11, 12)],
      connection: 'office',
      remote: { address: parseIp('192.0.2.9'), port: 4500 },
    }
    const traffic = { seconds: 61, inputOctets: 2 ** 33 + 5, inputPackets: 7, outputOctets: 99, outputPackets: 3 }
    const outcomes = [
      await books.on(),
      await books.start(session),
      await books.interim(session, traffic),
      await books.stop(session, traffic, TerminateCause.UserRequest),
    ]
    expect(outcomes.map((outcome) => outcome.ok && outcome.code)).toEqual([5, 5, 5, 5])
    const detail = server.detail()
    for (const line of [
      'Acct-Status-Type = Accounting-On',
      'Acct-Status-Type = Start',
      'Acct-Status-Type = Interim-Update',
      'Acct-Status-Type = Stop',
      'Acct-Session-Id = "moon-1"',
      'Acct-Input-Gigawords = 2',
      'Acct-Input-Octets = 5',
      'Framed-IP-Address = 10.3.0.7',
      'Class = 0x0a0b0c',
      'Acct-Terminate-Cause = User-Request',
      'NAS-Port-Type = Virtual',
      'Calling-Station-Id = "192.0.2.9:4500"',
    ]) {
      expect(detail).toContain(line)
    }
  })

  it('is not believed, nor answers, when the secret is another', async () => {
    const stranger = new UdpRadiusClient({
      crypto: nodeProvider,
      random,
      servers: [{ at: { address: parseIp('127.0.0.1'), port: server.authPort }, secret: Uint8Array.of(1, 2, 3) }],
      timeoutMs: 50,
      tries: 2,
    })
    const outcome = await stranger.ask({ code: 1, attributes: [] })
    stranger.close()
    expect(outcome).toEqual({ ok: false, message: `no answer of RADIUS at 127.0.0.1:${server.authPort}` })
  })
})
