import { existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { askControl } from '../../src/endpoint/control-client.ts'
import { maxRequestBytes } from '../../src/endpoint/control-protocol.ts'
import { ControlServer } from '../../src/endpoint/control-server.ts'

let folder: string
let path: string
const servers: ControlServer[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'typeswan-control-'))
  path = join(folder, 'control.sock')
})

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
  rmSync(folder, { recursive: true })
})

async function listen(handlers = { status: (): unknown => ({ up: true }) }): Promise<ControlServer> {
  const server = await ControlServer.listen(path, handlers)
  servers.push(server)
  return server
}

/** Writes the octets and resolves to everything that comes back until the server, or `until`, ends it. */
function exchange(octets: string | Buffer, until: (text: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8')
      if (until(text)) socket.destroy()
    })
    socket.on('error', (error: NodeJS.ErrnoException) =>
      ['ECONNRESET', 'EPIPE'].includes(error.code ?? '') ? undefined : reject(error),
    )
    socket.on('close', () => resolve(text))
    socket.write(octets)
  })
}

const lineCount = (text: string): number => text.split('\n').length - 1

describe('control socket', () => {
  test('answers a request and belongs to its owner alone', async () => {
    await listen()
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(await askControl(path, { command: 'status' })).toEqual({ up: true })
  })

  test('answers requests in order, also when they come in one packet and the first is slow', async () => {
    const slow = () => new Promise((resolve) => setTimeout(() => resolve('slow'), 20))
    servers.push(await ControlServer.listen(path, { slow, fast: () => 'fast' }))
    const text = await exchange('{"command":"slow"}\n{"command":"fast"}\n', (sofar) => lineCount(sofar) === 2)
    expect(text).toBe('{"result":"slow"}\n{"result":"fast"}\n')
  })

  test('answers a client that has ended its side behind its request, and then ends too', async () => {
    const slow = () => new Promise((resolve) => setTimeout(() => resolve('slow'), 20))
    servers.push(await ControlServer.listen(path, { slow }))
    const socket = connect({ path, allowHalfOpen: true })
    socket.end('{"command":"slow"}\n')
    let text = ''
    for await (const chunk of socket) text += chunk
    expect(text).toBe('{"result":"slow"}\n')
  })

  test.each([
    ['not JSON', 'hello\n', 'BAD_REQUEST'],
    ['a JSON value that is no object', '17\n', 'BAD_REQUEST'],
    ['an object without a command', '{}\n', 'BAD_REQUEST'],
    ['an empty line', '\n', 'BAD_REQUEST'],
    ['an unknown command', '{"command":"reboot"}\n', 'UNKNOWN_COMMAND'],
    ['the name of an inherited method', '{"command":"toString"}\n', 'UNKNOWN_COMMAND'],
    ['octets that are not UTF-8', Buffer.from([0xff, 0xfe, 0x0a]), 'BAD_REQUEST'],
  ])('%s is refused with a reason, and the endpoint goes on', async (_name, octets, code) => {
    await listen()
    const response = JSON.parse(await exchange(octets, (text) => lineCount(text) === 1))
    expect(response.error.code).toBe(code)
    expect(await askControl(path, { command: 'status' })).toEqual({ up: true })
  })

  test('an endless line is cut off with a reason', async () => {
    await listen()
    const text = await exchange('x'.repeat(maxRequestBytes + 1), (sofar) => lineCount(sofar) === 1)
    expect(JSON.parse(text).error.code).toBe('REQUEST_TOO_LARGE')
    expect(await askControl(path, { command: 'status' })).toEqual({ up: true })
  })

  test('a handler that fails gives an error to its client only', async () => {
    const fail = () => {
      throw new Error('no tables')
    }
    await listen({ status: fail })
    await expect(askControl(path, { command: 'status' })).rejects.toMatchObject({ code: 'CONTROL_REFUSED' })
  })

  test('a second endpoint on one path is refused', async () => {
    await listen()
    await expect(ControlServer.listen(path, {})).rejects.toMatchObject({ code: 'ALREADY_RUNNING' })
    expect(await askControl(path, { command: 'status' })).toEqual({ up: true })
  })

  test('a socket file that nobody answers on is replaced', async () => {
    await leaveStaleSocket(path)
    expect(existsSync(path)).toBe(true)
    await expect(askControl(path, { command: 'status' })).rejects.toMatchObject({ code: 'NOT_RUNNING' })
    await listen()
    expect(await askControl(path, { command: 'status' })).toEqual({ up: true })
  })

  test('a file that is no socket is left alone', async () => {
    writeFileSync(path, 'precious')
    await expect(ControlServer.listen(path, {})).rejects.toMatchObject({ code: 'CONTROL_PATH' })
    expect(existsSync(path)).toBe(true)
  })

  test('a path that the system would cut is refused', async () => {
    const long = join(folder, 'x'.repeat(120))
    await expect(ControlServer.listen(long, {})).rejects.toMatchObject({ code: 'CONTROL_PATH' })
  })

  test('a folder that is not there is refused with its reason', async () => {
    await expect(ControlServer.listen(join(folder, 'none', 's'), {})).rejects.toMatchObject({ code: 'CONTROL_PATH' })
  })

  test('closing removes the socket file, and asking then says that nothing runs', async () => {
    const server = await listen()
    await server.close()
    expect(existsSync(path)).toBe(false)
    await expect(askControl(path, { command: 'status' })).rejects.toMatchObject({ code: 'NOT_RUNNING' })
  })

  test('a server that talks nonsense is an error, not a crash', async () => {
    const nonsense = createServer((socket) => socket.resume().end('nonsense\n'))
    await new Promise<void>((resolve) => nonsense.listen(path, resolve))
    await expect(askControl(path, { command: 'status' })).rejects.toMatchObject({ code: 'CONTROL_BROKEN' })
    await new Promise((resolve) => nonsense.close(resolve))
  })
})

/** A file as a killed process leaves it: bound, and without a listener. */
async function leaveStaleSocket(at: string): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(`${at}.old`, resolve))
  // Closing removes the file by its old name.
  renameSync(`${at}.old`, at)
  await new Promise((resolve) => server.close(resolve))
}
