import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseIp } from '../../src/ip/address.ts'
import { DisconnectServer, type DisconnectTarget, listenForDisconnect, RadiusCode } from '../../src/radius/index.ts'
import { decodeRadiusPacket, type RadiusAttribute } from '../../src/radius/packet.ts'
import { encodeHashedRequest, isResponse } from '../../src/radius/signing.ts'
import { worldWith } from '../eap/conversation.ts'

const { crypto } = worldWith()
const secret = new TextEncoder().encode('disconnecting')
const from = { address: parseIp('127.0.0.1'), port: 40000 }
const text = (type: number, value: string): RadiusAttribute => ({ type, value: new TextEncoder().encode(value) })

function bench() {
  const targets: DisconnectTarget[] = []
  const server = new DisconnectServer({
    crypto,
    clients: [{ address: parseIp('127.0.0.1'), secret }],
    nas: { identifier: 'moon', address: parseIp('192.0.2.1') },
    disconnect(target) {
      targets.push(target)
      return target.userName === 'alice' ? 1 : 0
    },
    seconds: () => 1000,
  })
  return { server, targets }
}

const request = (attributes: readonly RadiusAttribute[], code: number = RadiusCode.DisconnectRequest) =>
  encodeHashedRequest(crypto, { code, identifier: 5, attributes }, secret)

/** Code of an answer and its Error-Cause. */
function errorCause(octets: Uint8Array | undefined): readonly (number | undefined)[] {
  const { code, attributes } = decodeRadiusPacket(octets!)
  const value = attributes.find(({ type }) => type === 101)?.value
  return [code, value && value[2]! * 256 + value[3]!]
}

describe('Disconnect-Request (RFC 5176)', () => {
  it('ends the session that is meant, and repeats its answer without ending it again', () => {
    const { server, targets } = bench()
    const octets = request([text(1, 'alice'), text(44, 'moon-1'), { type: 8, value: parseIp('10.3.0.7') }])
    const answer = server.receive(octets, from)!
    expect(answer[0]).toBe(RadiusCode.DisconnectAck)
    expect(isResponse(crypto, answer, octets.subarray(4, 20), secret)).toBe(true)
    expect(server.receive(octets, from)).toEqual(answer)
    expect(targets).toEqual([
      { userName: 'alice', sessionId: 'moon-1', address: '10.3.0.7', callingStationId: undefined },
    ])
  })

  it('with its time is taken once, whatever port it comes from: a recorded one would end the next session', () => {
    const { server, targets } = bench()
    const octets = request([text(1, 'alice'), { type: 55, value: Uint8Array.of(0, 0, 3, 0xe8) }])
    const answer = server.receive(octets, from)
    expect(server.receive(octets, { ...from, port: 40001 })).toEqual(answer)
    expect(targets).toHaveLength(1)
  })

  it('that means fewer sessions than can be told apart is refused, and ends none', () => {
    const { server, targets } = bench()
    const narrower = { type: 50, value: Uint8Array.of(0x31) }
    expect(errorCause(server.receive(request([text(1, 'alice'), narrower]), from))).toEqual([
      RadiusCode.DisconnectNak,
      401,
    ])
    expect(targets).toEqual([])
  })

  it('tells of which connection, which alone names nobody', () => {
    const { server, targets } = bench()
    server.receive(request([text(1, 'alice'), text(87, 'office')]), from)
    expect(targets).toMatchObject([{ userName: 'alice', nasPortId: 'office' }])
    expect(errorCause(server.receive(request([text(87, 'office')]), from))).toEqual([RadiusCode.DisconnectNak, 402])
  })

  it('is refused with the cause', () => {
    const { server, targets } = bench()
    const cause = (number: number) => [RadiusCode.DisconnectNak, number]
    expect(errorCause(server.receive(request([text(1, 'bob')]), from))).toEqual(cause(503))
    expect(errorCause(server.receive(request([]), from))).toEqual(cause(402))
    expect(errorCause(server.receive(request([text(1, 'alice'), text(32, 'sun')]), from))).toEqual(cause(403))
    const coa = server.receive(request([text(1, 'alice')], RadiusCode.CoaRequest), from)
    expect(errorCause(coa)).toEqual([RadiusCode.CoaNak, 405])
    expect(targets).toHaveLength(1)
  })

  it('leaves no session, and CoA-Request changes the times of those that are meant, all or nothing', () => {
    const changes: unknown[] = []
    const server = new DisconnectServer({
      crypto,
      clients: [{ address: parseIp('127.0.0.1'), secret }],
      nas: { identifier: 'moon' },
      disconnect: () => 0,
      change: ({ userName }, change) => (userName === 'alice' ? changes.push(change) : 0),
      seconds: () => 1000,
    })
    const seconds = (type: number) => ({ type, value: Uint8Array.of(0, 0, 1, 0) })
    const ask = (...attributes: RadiusAttribute[]) =>
      errorCause(server.receive(request(attributes, RadiusCode.CoaRequest), from))
    expect(ask(text(1, 'alice'), seconds(27))).toEqual([RadiusCode.CoaAck, undefined])
    expect(changes).toEqual([{ sessionTimeout: 256, idleTimeout: undefined }])
    const nak = (cause: number) => [RadiusCode.CoaNak, cause]
    expect(ask(text(1, 'bob'), seconds(28))).toEqual(nak(503))
    expect(ask(text(1, 'alice'), seconds(27), text(11, 'filter'))).toEqual(nak(401))
    expect(ask(text(1, 'alice'))).toEqual(nak(402))
    expect(ask(text(1, 'alice'), text(32, 'sun'), seconds(27))).toEqual(nak(403))
    expect(ask(text(1, 'alice'), seconds(6))).toEqual(nak(405))
    expect(changes).toHaveLength(1)
  })

  it('is dropped from strangers, under another secret, changed, out of date, and malformed', () => {
    const { server, targets } = bench()
    const good = request([text(1, 'alice')])
    expect(server.receive(good, { ...from, address: parseIp('127.0.0.2') })).toBeUndefined()
    expect(server.receive(good.with(22, 0x41), from)).toBeUndefined()
    const other = encodeHashedRequest(crypto, { code: 40, identifier: 1, attributes: [] }, Uint8Array.of(1))
    expect(server.receive(other, from)).toBeUndefined()
    const old = request([text(1, 'alice'), { type: 55, value: Uint8Array.of(0, 0, 0, 1) }])
    expect(server.receive(old, from)).toBeUndefined()
    for (let length = 0; length < good.length; length++) {
      expect(server.receive(good.subarray(0, length), from)).toBeUndefined()
    }
    expect(targets).toEqual([])
  })

  const radclient = '/usr/bin/radclient'
  const here = existsSync(radclient)
  if (!here) process.stderr.write(`skipped: ${radclient} is not here (Debian package freeradius-utils)\n`)

  it.skipIf(!here)('is understood from radclient of FreeRADIUS', async () => {
    const { targets } = bench()
    const server = new DisconnectServer({
      crypto,
      clients: [{ address: parseIp('127.0.0.1'), secret }],
      nas: { identifier: 'moon' },
      disconnect: (target) => targets.push(target),
      seconds: () => Math.floor(Date.now() / 1000),
    })
    const socket = await listenForDisconnect(server, { address: parseIp('127.0.0.1'), port: 0 })
    const { port } = socket.address()
    const child = spawn(radclient, ['-r', '1', '-t', '5', `127.0.0.1:${port}`, 'disconnect', 'disconnecting'])
    let output = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stdin.end('User-Name = "alice", NAS-Identifier = "moon", Acct-Session-Id = "moon-7"\n')
    await new Promise((resolve) => child.on('close', resolve))
    socket.close()
    expect(output).toContain('Received Disconnect-ACK')
    expect(targets).toMatchObject([{ userName: 'alice', sessionId: 'moon-7' }])
  })
})
