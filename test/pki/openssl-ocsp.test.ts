import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toHex } from '../../src/bytes/index.ts'
import { nodeSignatures } from '../../src/crypto/node-signature.ts'
import { runFetching } from '../../src/pki/fetching.ts'
import { extension } from '../../src/pki/issue.ts'
import { Purpose } from '../../src/pki/oids.ts'
import { encodePem } from '../../src/pki/pem.ts'
import { encodePrivateKey } from '../../src/pki/private-key.ts'
import { revocationOf, revocationProblem } from '../../src/pki/revocation.ts'
import { RevocationCache } from '../../src/pki/revocation-cache.ts'
import { DAY, gateway, type Holder, issue, root } from './authority.ts'

/** Shown as skipped where the command is missing. */
const hasOpenssl = spawnSync('openssl', ['version']).status === 0
const now = Date.now()
const valid = { notBefore: now - DAY, notAfter: now + DAY }

describe.skipIf(!hasOpenssl)("OpenSSL's responder", () => {
  let folder: string
  const at = (name: string): string => join(folder, name)
  const ca = root('CN=OCSP root', { ...valid })
  const delegate = issue('CN=Responder', ca, {
    ...valid,
    extensions: [extension.extendedKeyUsage(Purpose.ocspSigning), extension.ocspNoCheck()],
  })
  const peers = {
    good: peer(),
    revoked: peer(),
    unknown: peer(),
  }

  function peer(): Holder {
    return gateway(ca, ['a.example'], { ...valid, extensions: [extension.ocspUrls('http://ocsp.example.org/')] })
  }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'typeswan-ocsp-'))
    for (const [name, { certificate, key }] of Object.entries({ ca, delegate })) {
      writeFileSync(at(`${name}.crt`), encodePem('CERTIFICATE', certificate.der))
      writeFileSync(at(`${name}.key`), encodePrivateKey(key))
    }
    // What `openssl ca` keeps: status, expiry, revocation with reason, serial number, file, subject.
    const line = (status: string, { certificate }: Holder, revoked: string): string =>
      `${status}\t491231235959Z\t${revoked}\t${toHex(certificate.serial).toUpperCase()}\tunknown\t/CN=gateway\n`
    writeFileSync(at('index.txt'), line('V', peers.good, '') + line('R', peers.revoked, '250102030405Z,keyCompromise'))
  })

  afterAll(() => rmSync(folder, { recursive: true }))

  /** Asks it without a network: the request and the answer are files. */
  async function ask(signer: 'ca' | 'delegate', { certificate }: Holder): Promise<string> {
    const world = {
      now,
      signatures: nodeSignatures,
      hash: (name: string, data: Uint8Array) => new Uint8Array(createHash(name).update(data).digest()),
      nonce: () => Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
      cache: new RevocationCache(),
      crls: [],
      ocspResponses: [],
      rules: { minRsaBits: 2048, allowSha1: false },
    }
    const statuses = await runFetching(revocationOf([certificate, ca.certificate], world), async ({ body }) => {
      writeFileSync(at('request'), body!)
      const files = [
        '-index',
        at('index.txt'),
        '-CA',
        at('ca.crt'),
        '-rsigner',
        at(`${signer}.crt`),
        '-rkey',
        at(`${signer}.key`),
      ]
      execFileSync('openssl', ['ocsp', ...files, '-reqin', at('request'), '-respout', at('response'), '-nmin', '5'], {
        stdio: 'pipe',
      })
      return Uint8Array.from(readFileSync(at('response')))
    })
    return revocationProblem(statuses, 'strict')?.message ?? `good, says ${statuses[0]!.by}`
  }

  test.each<['ca' | 'delegate', keyof typeof peers, RegExp]>([
    ['ca', 'good', /^good, says the OCSP server http:\/\/ocsp\.example\.org\/$/],
    ['delegate', 'good', /^good/],
    ['ca', 'revoked', /was revoked at 2025-01-02 03:04:05 UTC \(keyCompromise\), says the OCSP server/],
    ['delegate', 'revoked', /was revoked at/],
    ['ca', 'unknown', /^nobody says .* does not know it$/],
  ])('as %s answers about a certificate that is %s', async (signer, which, expected) => {
    expect(await ask(signer, peers[which])).toMatch(expected)
  })
})
