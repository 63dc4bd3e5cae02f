import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseConfig } from '../../src/config/index.ts'
import { exampleNamed } from '../support/examples.ts'
import { files } from './pki-files.ts'

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
const example = (name: string, language: string): string => exampleNamed(readme, name, language)

/** What `typeswan pki` would have made, by the names that the examples use. */
const made: Readonly<Record<string, string>> = {
  'ca/vpn.example.org.key': 'gate.key',
  'ca/vpn.example.org.crt': 'gate.pem',
  'ca/alice@example.org.key': 'alice.key',
  'ca/alice@example.org.crt': 'alice.pem',
  'ca/ca.crt': 'root.pem',
  'bob.password': 'password',
}

describe('the road warriors of the README', () => {
  test.each(['gateway', 'road warrior'])('have a configuration for the %s', (name) => {
    const readSecretFile = (path: string) => new TextEncoder().encode(files[made[path]!])
    const { connections } = parseConfig(example(name, 'json'), 'README.md', { readSecretFile })
    expect(connections.map(({ name }) => name)).toEqual(name === 'gateway' ? ['certificates', 'passwords'] : ['office'])
  })

  test('have a gateway that decides for each user in less than 50 lines', () => {
    const lines = example('policy', 'ts').trim().split('\n')
    expect(lines.length).toBeGreaterThan(20)
    expect(lines.length).toBeLessThan(50)
  })
})
