import { expect, it } from 'vitest'
import { pskConnection } from '../../src/config/connection.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { replayRecording } from '../../src/testing/index.ts'
import { loopback } from './pair.ts'

it('an endpoint on real sockets writes a recording that replays to the octet', async () => {
  const lines: string[] = []
  const settings = { name: 'pair', psk: 'secret', localAddress: '127.0.0.1' }
  const listen = { addresses: [loopback], ikePort: 0, natPort: 0 }
  const child = (local: string, remote: string) => ({ name: 'net', localTs: [local], remoteTs: [remote] })
  const east = await Endpoint.start({
    connections: [
      pskConnection({
        ...settings,
        localId: 'east.example',
        remoteId: 'west.example',
        children: [child('10.2.0.0/16', '10.1.0.0/16')],
      }),
    ],
    listen,
    record: { write: (line) => lines.push(line), secrets: true },
  })
  const { ike: port, nat: natPort } = east.paths.ports
  const west = await Endpoint.start({
    connections: [
      pskConnection({
        ...settings,
        remoteAddress: '127.0.0.1',
        port,
        natPort,
        localId: 'west.example',
        remoteId: 'east.example',
        children: [child('10.1.0.0/16', '10.2.0.0/16')],
      }),
    ],
    listen,
  })
  await west.initiate('pair')
  await Promise.all([west.close(), east.close()])
  expect(lines.some((line) => line.includes('"kind":"ike-established"'))).toBe(true)
  expect(replayRecording(lines.join('\n'))).toEqual({ steps: lines.length - 1 })
})
