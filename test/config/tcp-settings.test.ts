import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/index.ts'
import { optionsOfConfig } from '../../src/endpoint/options-of-config.ts'

const schema = JSON.parse(readFileSync(new URL('../../src/config/schema.json', import.meta.url), 'utf8'))

const file = (listen: object, connection: object) =>
  parseConfig(
    JSON.stringify({
      listen: { addresses: ['192.0.2.1'], ...listen },
      connections: {
        office: {
          local: { id: 'a.example' },
          remote: { address: '192.0.2.2' },
          psk: 'correct horse battery staple',
          children: { net: { localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] } },
          ...connection,
        },
      },
    }),
  )

describe('settings of TCP', () => {
  it('are off unless they are there', () => {
    const config = file({}, {})
    expect(config.listen.tcpPort).toBeUndefined()
    expect(config.connections[0]?.tcp).toBeUndefined()
    expect(optionsOfConfig(config).listen).not.toHaveProperty('tcpPort')
  })

  it('reach the endpoint', () => {
    const config = file({ tcpPort: 4500 }, { tcp: { mode: 'fallback', port: 443, after: '3s' } })
    expect(optionsOfConfig(config).listen).toMatchObject({ tcpPort: 4500 })
    expect(config.connections[0]?.tcp).toEqual({ mode: 'fallback', port: 443, afterMs: 3_000 })
  })

  it('have the defaults that the schema tells', () => {
    const { mode, port } = schema.$defs.connection.properties.tcp.properties
    expect(file({}, { tcp: {} }).connections[0]?.tcp).toEqual({
      mode: mode.default,
      port: port.default,
      afterMs: 12_000,
    })
  })

  it('are refused with what is allowed', () => {
    expect(() => file({}, { tcp: { mode: 'sometimes' } })).toThrow(/tcp\.mode.*never, fallback, always/s)
    expect(() => file({ tcpPort: 0 }, {})).toThrow(/tcpPort/)
  })
})
