import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { type ConfigProblems, readConfig } from '../../src/config/index.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { Log, type LogEntry } from '../../src/endpoint/log.ts'
import { optionsOfConfig } from '../../src/endpoint/options-of-config.ts'
import { files } from '../config/pki-files.ts'
import { loopback } from './pair.ts'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'typeswan-aka-'))
  closing.push(() => rmSync(path, { recursive: true }))
  for (const name of ['gate.key', 'gate.pem', 'root.pem']) writeFileSync(join(path, name), files[name]!)
  return path
}

async function start(path: string, name: string, value: object) {
  const file = join(path, name)
  writeFileSync(file, JSON.stringify({ fetch: 'none', ...value }))
  const { tun: _tun, host: _host, leaseFile: _leases, ...options } = optionsOfConfig(readConfig(file))
  const log: LogEntry[] = []
  const endpoint = await Endpoint.start({
    ...options,
    listen: { addresses: [loopback], ikePort: 0, natPort: 0 },
    log: new Log((entry) => log.push(entry), 'trace'),
  })
  closing.push(() => endpoint.close())
  return { endpoint, log: () => log.map(({ text }) => text).join('\n') }
}

// 3GPP TS 35.208 §4.3, test set 1.
const k = '465b5ce8b199b49faa5f0a2ee238a6bc'
const op = 'cdc202d5123e20f62b6d676ac72cb318'
const opc = 'cd63cb71954a9f4e48a5994e37a02baf'
const imsi = '001010000000001'
const realm = 'nai.epc.mnc001.mcc001.3gppnetwork.org'

const gate = (more: object = {}) => ({
  akaSubscribers: { [imsi]: { k: { file: 'sim.k' }, op, ...more } },
  akaSqnFile: 'auc.sqn',
  connections: {
    office: {
      children: { net: { localTs: ['10.1.0.0/16'], remoteTs: ['dynamic'] } },
      local: { id: 'gate.example', key: 'gate.key', certificates: ['gate.pem'], address: '127.0.0.1' },
      remote: { id: '%any', eap: { methods: ['aka-prime', 'aka'] } },
    },
  },
})

const phone = ({ ports }: Endpoint['paths'], method: string, usim: object = {}) => {
  const identity = `${method === 'aka' ? '0' : '6'}${imsi}@${realm}`
  const eap = { methods: [method], identity, usim: { k, opc, sqnFile: 'usim.sqn', ...usim } }
  const remote = { address: '127.0.0.1', id: 'gate.example', authorities: ['root.pem'] }
  return {
    connections: {
      office: {
        children: { net: { localTs: ['dynamic'], remoteTs: ['10.1.0.0/16'] } },
        local: { id: 'phone.example', address: '127.0.0.1', eap },
        remote: { ...remote, port: ports.ike, natPort: ports.nat },
      },
    },
  }
}

const sqnIn = (path: string, name: string): number =>
  Object.values((JSON.parse(readFileSync(join(path, name), 'utf8')) as { sqn: Record<string, number> }).sqn)[0]!

describe('EAP-AKA of two configuration files', () => {
  test.each(['aka', 'aka-prime'])('%s lets the phone in, and goes on after both have restarted', async (method) => {
    const path = folder()
    writeFileSync(join(path, 'sim.k'), `${k}\n`)
    const seen: number[] = []
    for (let run = 0; run < 2; run++) {
      const gateway = await start(path, 'gate.json', gate())
      const client = await start(path, 'phone.json', phone(gateway.endpoint.paths, method))
      await client.endpoint.initiate('office')
      expect(gateway.endpoint.status().ikeSas).toMatchObject([{ auth: { eapIdentity: expect.stringContaining(imsi) } }])
      seen.push(sqnIn(path, 'usim.sqn'))
      // What a crash leaves behind is above all that was used.
      expect(sqnIn(path, 'auc.sqn')).toBeGreaterThan(seen.at(-1)!)
      for (const { log } of [gateway, client]) for (const secret of [k, op, opc]) expect(log()).not.toContain(secret)
      await client.endpoint.close()
      await gateway.endpoint.close()
    }
    expect(seen[1]).toBeGreaterThan(seen[0]!)
  })

  test('a USIM that is ahead resynchronises, another key is refused', async () => {
    const path = folder()
    writeFileSync(join(path, 'sim.k'), k)
    const gateway = await start(path, 'gate.json', gate())
    const ahead = await start(path, 'phone.json', phone(gateway.endpoint.paths, 'aka', { sqn: 90_000_000 }))
    await ahead.endpoint.initiate('office')
    expect(sqnIn(path, 'usim.sqn')).toBeGreaterThan(90_000_000)
    const other = await start(
      path,
      'other.json',
      phone(gateway.endpoint.paths, 'aka', { opc: k, sqnFile: 'other.sqn' }),
    )
    await expect(other.endpoint.initiate('office')).rejects.toThrow('AUTN')
  })

  test('nothing starts where the sequence numbers cannot be kept', async () => {
    const path = folder()
    writeFileSync(join(path, 'sim.k'), k)
    writeFileSync(join(path, 'auc.sqn'), '{}')
    await expect(start(path, 'gate.json', gate())).rejects.toThrow(/auc\.sqn is not a file of sequence numbers/)
  })

  test('is refused in the file where something is missing or of another size', () => {
    const path = folder()
    writeFileSync(join(path, 'sim.k'), k.slice(2))
    const problems = (value: object): string[] => {
      writeFileSync(join(path, 'gate.json'), JSON.stringify(value))
      try {
        readConfig(join(path, 'gate.json'))
        return []
      } catch (error) {
        return (error as ConfigProblems).errors.map(({ message }) => message)
      }
    }
    expect(problems(gate())).toEqual([expect.stringMatching(/:1: akaSubscribers\.001010000000001\.k: has 30 octets/)])
    writeFileSync(join(path, 'sim.k'), k)
    expect(problems(gate())).toEqual([])
    expect(problems(gate({ opc }))).toEqual([expect.stringContaining('opc: and op stand both there')])
    expect(problems(gate({ amf: '0000' }))).toEqual([expect.stringContaining('needs the highest bit of amf')])
    expect(problems(gate({ amf: '80.' }))).toEqual([expect.stringContaining('amf')])
    expect(problems({ ...gate(), akaSubscribers: {} })).toEqual([expect.stringContaining('akaSubscribers has none')])
    const ports = { ports: { ike: 500, nat: 4500 } } as Endpoint['paths']
    const without = structuredClone(phone(ports, 'aka')) as { connections: { office: { local: { eap: object } } } }
    Reflect.deleteProperty(without.connections.office.local.eap, 'usim')
    expect(problems(without)).toEqual([expect.stringContaining('usim: is missing, and aka needs one')])
  })
})
