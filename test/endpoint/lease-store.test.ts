import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { AddressPools } from '../../src/credentials/pool.ts'
import { LeaseFile } from '../../src/endpoint/lease-store.ts'
import { parseRange } from '../../src/ip/index.ts'
import { recordingLog, withFolder } from './host/support.ts'

const config = { name: 'clients', ranges: [parseRange('10.3.0.0/29')] }

describe('leases', () => {
  test('outlive the process: who comes back after a restart has the same address', () =>
    withFolder(async (folder) => {
      const { log } = recordingLog()
      const before = new LeaseFile(`${folder}/leases`, log)
      const first = new AddressPools([config], before)
      const pool = first.named('clients')![0]!
      pool.take('alice', [], undefined)
      const bob = pool.take('bob', [], undefined)
      first.changed()
      await before.close()
      const after = new LeaseFile(`${folder}/leases`, log)
      const second = new AddressPools([config], after).named('clients')![0]!
      expect(second.take('carol', [], undefined)).not.toEqual(bob)
      expect(second.take('bob', [], undefined)).toEqual(bob)
      await after.close()
    }))

  test('with addresses that are none are passed over, told, and kept in a copy', () =>
    withFolder((folder) => {
      const path = `${folder}/leases`
      const good = '{"pool":"clients","address":"10.3.0.1","identity":"a"}'
      writeFileSync(path, `{"typeswan":"leases","version":1}\n${good}\n{"pool":"x","address":"y","identity":"z"}\n`)
      const { log, texts } = recordingLog()
      expect(new LeaseFile(path, log).load()).toEqual([JSON.parse(good)])
      expect(texts('error')).toHaveLength(1)
      expect(readFileSync(path, 'utf8')).toContain('"y"')
    }))
})
