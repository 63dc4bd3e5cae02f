import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runCli } from '../../src/cli/cli.ts'
import { askControl } from '../../src/endpoint/control-client.ts'
import { controlHandlers } from '../../src/endpoint/control-handlers.ts'
import { ControlServer } from '../../src/endpoint/control-server.ts'
import { Renewals } from '../../src/endpoint/renewals.ts'
import { closePair, eventsOf, ping, type Side, startPair, until } from './pair.ts'

let pair: { west: Side; east: Side }
let folder: string
let path: string
let control: ControlServer | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'typeswan-renewals-'))
  path = join(folder, 'control.sock')
})

afterEach(async () => {
  if (control !== undefined) {
    await closePair(pair)
    await control.close()
  }
  control = undefined
  rmSync(folder, { recursive: true })
})

async function start(...changes: Parameters<typeof startPair>): Promise<void> {
  pair = await startPair(...changes)
  control = await ControlServer.listen(path, controlHandlers(Promise.resolve(pair.west.endpoint)))
  await pair.west.endpoint.initiate('pair')
}

async function rekey(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const [out, err]: string[][] = [[], []]
  const terminal = { out: (text: string) => out!.push(text), err: (text: string) => err!.push(text) }
  const code = await runCli(['rekey', ...args, '--control', path], terminal)
  return { code, out: out!.join('\n'), err: err!.join('\n') }
}

describe('typeswan rekey', () => {
  test('gives the IKE_SA and a CHILD_SA fresh keys, and packets go on', async () => {
    await start()
    const { SPIi, children } = pair.west.endpoint.status().ikeSas[0]!
    expect(await rekey('pair')).toEqual({ code: 0, out: 'IKE_SA pair[1] rekeyed', err: '' })
    expect(await rekey('pair', '--child', 'net')).toMatchObject({ code: 0, out: 'CHILD_SA net of pair[1] rekeyed' })
    const [after] = pair.west.endpoint.status().ikeSas.filter(({ state }) => state === 'established')
    expect(after!.SPIi).not.toBe(SPIi)
    expect(after!.children.map(({ spiIn }) => spiIn)).not.toContain(children[0]!.spiIn)
    expect(await ping(pair.west, '10.1.0.1', '10.2.0.1')).toBeDefined()
  })

  test('sets the IKE_SA up anew, with another id', async () => {
    await start()
    expect(await rekey('pair', '--reauth')).toMatchObject({ code: 0, out: 'IKE_SA pair[2] set up anew' })
    expect(pair.west.endpoint.status().ikeSas).toMatchObject([{ id: 2, children: [{ name: 'net' }] }])
    await until(() => eventsOf(pair.east, 'ike-closed').length === 1)
    expect(await ping(pair.west, '10.1.0.1', '10.2.0.1')).toBeDefined()
  })

  test.each([
    ['a connection that is not there', ['other'], 'no established IKE_SA'],
    ['a child that is not there', ['pair', '--child', 'other'], 'no installed CHILD_SA'],
    ['a child with authentication', ['pair', '--child', 'net', '--reauth'], 'about the IKE_SA'],
  ])('says what is wrong with %s', async (_, args, text) => {
    await start()
    expect(await rekey(...args)).toMatchObject({ code: 1, out: '', err: expect.stringContaining(text) })
  })
})

describe('who waits for a renewal', () => {
  const refusal = { kind: 'peer-error', by: 'peer', detail: 'NO_ADDITIONAL_SAS', message: 'no', hint: '' } as const
  const remote = { address: new Uint8Array(4), port: 500 }
  const sa = { id: 3, connection: 'pair' }

  test.each([
    ['of the IKE_SA', {}, { kind: 'refused', sa, remote, refusal, renewal: true }],
    ['of a child', { child: 'net' }, { kind: 'refused', sa, remote, refusal, child: 'net' }],
    ['with authentication', { reauth: true }, { kind: 'refused', sa: { ...sa, id: 4 }, remote, refusal }],
    ['when it is closed', {}, { kind: 'ike-closed', sa, reason: 'timeout', refusal }],
  ] as const)('is told of a refusal %s', async (_, request, event) => {
    const renewals = new Renewals()
    const outcome = renewals.wait({ connection: 'pair', ...request }, 3)
    renewals.notice({ kind: 'refused', sa: { ...sa, id: 2 }, remote, refusal })
    renewals.notice(event)
    await expect(outcome).rejects.toMatchObject({ code: 'PEER_ERROR', refusal })
  })

  test('is told when the endpoint ends', async () => {
    const renewals = new Renewals()
    const outcome = renewals.wait({ connection: 'pair' }, 3)
    renewals.abandon()
    await expect(outcome).rejects.toThrow('closed (local)')
  })
})

describe('the command rekey of the control socket', () => {
  test.each([
    [{}, 'connection'],
    [{ connection: 1 }, 'connection'],
    [{ connection: 'pair', child: 1 }, 'child'],
    [{ connection: 'pair', reauth: 'yes' }, 'reauth'],
  ])('refuses %j', async (request, word) => {
    await start()
    await expect(askControl(path, { command: 'rekey', ...request })).rejects.toMatchObject({
      code: 'CONTROL_REFUSED',
      message: expect.stringContaining(word),
    })
  })
})
