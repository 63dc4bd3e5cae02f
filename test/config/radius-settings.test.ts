import { describe, expect, test } from 'vitest'
import type { ConfigProblems } from '../../src/config/index.ts'
import type { EapMethods } from '../../src/credentials/eap.ts'
import type { EapServerAuth } from '../../src/ike/config.ts'
import { serverQuestion } from '../credentials/eap-rounds.ts'
import { parse } from './pki-files.ts'

const children = { net: { localTs: ['10.1.0.0/16'], remoteTs: ['dynamic'] } }
const local = { id: 'alice@example', key: 'alice.key', certificates: ['alice.pem'] }
const servers = [{ address: '127.0.0.1', port: 9, secret: 'between us' }]

const read = (eap: object): EapMethods => {
  const config = parse({ connections: { office: { children, local, remote: { id: '%any', eap } } } })
  // What the reader puts there.
  return (config.connections[0]!.remote.auth as EapServerAuth).methods as EapMethods
}

function problemsOf(eap: object): string[] {
  try {
    read(eap)
    return []
  } catch (error) {
    return (error as ConfigProblems).errors.map(({ message }) => message)
  }
}

describe('remote.eap.radius', () => {
  test('asks the servers that stand there, and says where to look when none answers', async () => {
    const methods = read({ radius: { servers, timeout: '20ms', tries: 2, nasIdentifier: 'moon' } })
    const first = await methods.answerEapServer(serverQuestion(methods, 1, undefined))
    const identity = Uint8Array.of(2, first.packet![1]!, 0, 6, 1, 97)
    const answer = await methods.answerEapServer(serverQuestion(methods, 1, identity))
    expect(answer).toMatchObject({
      ok: false,
      message: 'EAP: no answer of RADIUS at 127.0.0.1:9',
      hint: expect.stringContaining('connections.office.remote.eap.radius'),
    })
    expect(JSON.stringify([methods, answer])).not.toContain('between us')
  })

  test('stands in the place of methods', () => {
    expect(problemsOf({ radius: { servers } })).toEqual([])
    expect(problemsOf({ radius: { servers }, methods: ['md5'] })).toEqual([
      expect.stringContaining('is for a server of our own, and radius is set'),
    ])
    expect(problemsOf({ identity: 'ask' })).toEqual([expect.stringContaining('methods: is missing')])
    expect(problemsOf({ radius: { servers: [{ address: '10.0.0.1' }] } })).toEqual([expect.stringContaining('secret')])
  })

  test('tells accounting, and takes Disconnect-Requests, where the settings say so', () => {
    const whole = (radius: object, more: object = {}) =>
      parse({ connections: { office: { children, local, remote: { id: '%any', eap: { radius } }, ...more } } })
    expect(whole({ servers }).companions).toHaveLength(1)
    const accounting = { servers: [{ address: '10.0.0.3', secret: 'x' }], interim: '10m' }
    const disconnect = { address: '127.0.0.1', port: 3800, clients: [{ address: '10.0.0.4', secret: 'y' }] }
    expect(whole({ servers, accounting, disconnect }).companions).toHaveLength(1)
    expect(whole({ servers, accounting: true, disconnect: false }).companions).toHaveLength(1)
    expect(problemsOf({ radius: { servers, accounting: { every: '1m' } } })).toEqual([
      expect.stringContaining('radius.accounting.every'),
    ])
    expect(problemsOf({ radius: { servers, disconnect: { clients: [{ address: 'x', secret: 'y' }] } } })).toEqual([
      expect.stringContaining('radius.disconnect.clients[0].address'),
    ])
    const refused = 'resumption: lets peers come back without RADIUS'
    expect(() => whole({ servers }, { resumption: true })).toThrow(refused)
    const further = [{ id: '%any', auth: 'eap', eap: { radius: { servers } } }]
    const remote = { id: '%any', auth: 'psk', further }
    const later = { office: { children, local: { id: 'g' }, remote, psk: 'staple-of-the-Office', resumption: true } }
    expect(() => parse({ connections: later })).toThrow(refused)
  })
})
