import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/bytes/index.ts'
import { akaPrimeCkIk, akaPrimeKeys } from '../../src/eap/aka-keys.ts'
import { fips186Prf } from '../../src/eap/fips186-prf.ts'
import { milenage, milenageOpc } from '../../src/eap/index.ts'
import { loadVectors } from '../support/vectors.ts'
import { providers } from './conversation.ts'

type Row = Readonly<Record<string, string>>
const rows = (path: string) => loadVectors<Row>(path).cases
const hex = (row: Row, name: string) => fromHex(row[name]!)

describe.each(providers)('AKA with %s', (_, crypto) => {
  it.each(rows('rfc/3gpp-ts35207-milenage.json'))('Milenage: $id (3GPP TS 35.207)', (row) => {
    if (row.op !== undefined) expect(toHex(milenageOpc(crypto, hex(row, 'k'), fromHex(row.op)))).toBe(row.opc)
    const key = { k: hex(row, 'k'), opc: hex(row, 'opc') }
    const out = milenage(crypto, key, hex(row, 'rand'), hex(row, 'sqn'), hex(row, 'amf'))
    expect(toHex(out.macA)).toBe(row.f1)
    expect(toHex(out.macS)).toBe(row.f1star)
    expect(toHex(out.res)).toBe(row.f2)
    expect(toHex(out.ck)).toBe(row.f3)
    expect(toHex(out.ik)).toBe(row.f4)
    expect(toHex(out.ak)).toBe(row.f5)
    expect(toHex(out.akStar)).toBe(row.f5star)
  })

  it.each(rows('rfc/rfc9048-eap-aka-prime.json'))("EAP-AKA' keys: $id (RFC 9048 appendix D)", (row) => {
    const secrets = { ck: hex(row, 'ck'), ik: hex(row, 'ik'), autn: hex(row, 'autn'), identity: row.identity! }
    const name = new TextEncoder().encode(row.networkName)
    const prime = akaPrimeCkIk(crypto, secrets, name)
    expect([toHex(prime.ck), toHex(prime.ik)]).toEqual([row.ckPrime, row.ikPrime])
    const keys = akaPrimeKeys(crypto, secrets, name)
    expect(toHex(keys.kAut)).toBe(row.kAut)
    expect(toHex(keys.msk)).toBe(row.msk)
  })
})

it.each(rows('rfc/rfc4186-eap-sim.json'))('the PRF of FIPS 186-2 makes the keys of RFC 4186 appendix A.5', (row) => {
  const keys = ['kEncr', 'kAut', 'msk', 'emsk'].map((name) => row[name]).join('')
  expect(toHex(fips186Prf(hex(row, 'mk'), 160))).toBe(keys)
})
