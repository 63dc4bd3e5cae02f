import { afterEach, describe, expect, test } from 'vitest'
import { pskConnection } from '../../src/config/connection.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import type { EndpointOptions } from '../../src/endpoint/options.ts'
import { formatStatus } from '../../src/endpoint/status-text.ts'
import { formatIdentity } from '../../src/ike/auth/identity.ts'
import { parseIp } from '../../src/ip/address.ts'
import { recordingLog } from './host/support.ts'
import { loopback } from './pair.ts'

const running: Endpoint[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((endpoint) => endpoint.close()))
})

async function start(options: EndpointOptions): Promise<Endpoint> {
  const endpoint = await Endpoint.start({ listen: { addresses: [loopback], ikePort: 0, natPort: 0 }, ...options })
  running.push(endpoint)
  return endpoint
}

async function connect(gateway: Partial<EndpointOptions>, asking = false) {
  const { log, texts } = recordingLog()
  const common = { name: 'office', psk: 'secret', localAddress: '127.0.0.1' }
  const children = [{ name: 'net', localTs: [asking ? 'dynamic' : '10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] }]
  const mirrored = [{ name: 'net', localTs: ['10.2.0.0/16'], remoteTs: [asking ? 'dynamic' : '10.1.0.0/16'] }]
  const server = await start({
    ...{ connections: [pskConnection({ ...common, localId: 'gate', remoteId: '%any', children: mirrored })], log },
    ...gateway,
  })
  const { ike: port, nat: natPort } = server.paths.ports
  const called = { ...common, remoteAddress: '127.0.0.1', port, natPort, localId: 'client', remoteId: 'gate', children }
  const client = await start({
    connections: [pskConnection({ ...called, ...(asking ? { virtualIps: ['0.0.0.0'] } : {}) })],
  })
  return { outcome: client.initiate('office'), texts, client, server }
}

describe('authorize', () => {
  test('lets in whom the program lets in, and is told who it is', async () => {
    const seen: unknown[] = []
    const { outcome } = await connect({
      authorize: async ({ connection, methods }) => {
        seen.push([connection, methods])
        return true
      },
    })
    expect(await outcome).toMatchObject({ child: { name: 'net' } })
    expect(seen).toEqual([['office', ['psk']]])
  })

  test('keeps out whom it does not, with the reason in our log and nothing of it at the peer', async () => {
    const { outcome, texts } = await connect({ authorize: () => 'the account is closed' })
    const error: unknown = await outcome.catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'AUTHENTICATION_FAILED' })
    expect(String(error)).not.toContain('account')
    expect(texts('warn').join()).toContain('the account is closed')
  })

  test('that throws keeps the peer out, and the error is in the log', async () => {
    const { outcome, texts } = await connect({
      authorize: () => {
        throw new Error('the database is away')
      },
    })
    await expect(outcome).rejects.toMatchObject({ code: 'AUTHENTICATION_FAILED' })
    expect(texts('error').join()).toContain('the database is away')
  })
})

describe('assignAddress', () => {
  test('gives what the program gives, also without pools, and status shows it at both ends', async () => {
    const { outcome, client, server } = await connect(
      { assignAddress: () => ({ ok: true, addresses: [parseIp('10.3.0.9')], attributes: [] }) },
      true,
    )
    expect(await outcome).toMatchObject({ child: { localTs: ['10.3.0.9/32'] } })
    expect(client.status().ikeSas).toMatchObject([{ virtualIps: ['10.3.0.9'], assignedIps: [] }])
    expect(formatStatus(client.status())).toContain('inside we are 10.3.0.9')
    expect(server.status().ikeSas).toMatchObject([{ virtualIps: [], assignedIps: ['10.3.0.9'] }])
    expect(formatStatus(server.status())).toContain('inside the peer is 10.3.0.9')
  })

  test('that throws gives no address, and the client is told so', async () => {
    const { outcome, texts } = await connect(
      {
        assignAddress: () => {
          throw new Error('the database is away')
        },
      },
      true,
    )
    await expect(outcome).rejects.toMatchObject({ refusal: { detail: 'INTERNAL_ADDRESS_FAILURE' } })
    expect(texts('error').join()).toContain('the database is away')
  })
})

describe('selectChild', () => {
  const child = (name: string, network: string) => ({ name, localTs: ['10.2.0.0/16'], remoteTs: [network] })
  const two = pskConnection({
    ...{ name: 'office', psk: 'secret', localAddress: '127.0.0.1', localId: 'gate', remoteId: '%any' },
    children: [child('net', '10.1.0.0/16'), child('voice', '10.0.0.0/8')],
  })

  test('chooses the child of a request, and is told who asks for what', async () => {
    const seen: unknown[] = []
    const { outcome, server } = await connect({
      connections: [two],
      selectChild: async (peer, { TSi, TSr }) => {
        seen.push(formatIdentity(peer.id), TSi.length, TSr.length)
        return 'voice'
      },
    })
    await outcome
    expect(server.status().ikeSas[0]!.children).toMatchObject([{ name: 'voice' }])
    expect(seen).toEqual(['client', 1, 1])
  })

  test.each([
    ['names none', undefined, 'none of the children is for this peer'],
    ['names one that is not there', 'vioce', 'there is no child "vioce"'],
  ])('that %s makes no CHILD_SA: our log says why, the peer hears TS_UNACCEPTABLE', async (_, name, why) => {
    const { outcome, texts, server } = await connect({ connections: [two], selectChild: () => name })
    const error: unknown = await outcome.catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'TS_UNACCEPTABLE' })
    expect(String(error)).not.toContain(why)
    expect(texts('warn').join()).toContain(why)
    expect(server.status().ikeSas.flatMap(({ children }) => children)).toEqual([])
  })

  test('that throws makes no CHILD_SA, and the error is in the log', async () => {
    const { outcome, texts } = await connect({
      connections: [two],
      selectChild: () => {
        throw new Error('the database is away')
      },
    })
    await expect(outcome).rejects.toThrow()
    expect(texts('error').join()).toContain('the database is away')
  })
})
