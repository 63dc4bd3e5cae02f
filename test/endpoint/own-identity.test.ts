import { describe, expect, test } from 'vitest'
import { ownIdentityProblem } from '../../src/endpoint/own-identity.ts'
import type { ConnectionConfig } from '../../src/ike/config.ts'
import { parse } from '../config/pki-files.ts'

const children = { net: { localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] } }
const remote = { authorities: ['root.pem'] }

function connectionOf(local: object, more: object = {}): ConnectionConfig {
  const { connections } = parse({ connections: { office: { local, remote, children, ...more } } })
  return connections[0]!
}

describe('our identity beside our certificate', () => {
  const gate = { key: 'gate.key', certificates: ['gate.pem'] }

  test.each([
    ['is one of its names', connectionOf({ ...gate, id: 'gate.example' })],
    ['is its subject where none is configured', connectionOf(gate)],
    ['matters only where the certificate proves it', connectionOf({ id: 'other.example' }, { psk: 'x' })],
    ['matters only where there is one', connectionOf({ key: 'gate.key', id: 'other.example' })],
  ])('%s', (_, connection) => {
    expect(ownIdentityProblem(connection)).toBeUndefined()
  })

  test('that has other names is told, and what to change', () => {
    expect(ownIdentityProblem(connectionOf({ ...gate, id: 'other.example' }))).toMatch(
      /^our identity is other\.example, our certificate ".*" has only FQDN gate\.example: .*connections\.office\.local\.id: a name of the certificate/,
    )
  })
})
