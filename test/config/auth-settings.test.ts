import { describe, expect, test } from 'vitest'
import type { ConfigProblems } from '../../src/config/index.ts'
import { formatIdentity } from '../../src/ike/auth/identity.ts'
import type { ConnectionConfig } from '../../src/ike/config.ts'
import { files, parse } from './pki-files.ts'

const children = { net: { localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] } }
const me = { id: 'alice@example', key: 'alice.key', certificates: ['alice.pem'] }
const them = { authorities: ['root.pem'] }
const eapUsers = { bob: { password: 'hunter2' }, carol: { file: 'password' } }

const read = (connection: object, settings: object = {}): ConnectionConfig =>
  parse({ ...settings, connections: { office: { children, ...connection } } }).connections[0]!

function problemsOf(connection: object, settings: object = {}): string[] {
  try {
    read(connection, settings)
    return []
  } catch (error) {
    return (error as ConfigProblems).errors.map(({ message }) => message)
  }
}

describe('how both sides prove themselves', () => {
  test('is a pre-shared key where it stands alone', () => {
    const { local, remote } = read({ local: { id: 'a' }, psk: 'secret' })
    expect([local.auth.method, remote.auth.method]).toEqual(['psk', 'psk'])
  })

  test('is what the settings are for', () => {
    const { local, remote } = read({ local: me, remote: them })
    expect(local.auth).toMatchObject({ method: 'pubkey', sendCertificates: 'asked' })
    expect(remote.auth).toMatchObject({ method: 'pubkey', authorities: [expect.any(Uint8Array)] })
  })

  test('may differ, as with a certificate of the gateway and a password of the client', () => {
    const client = { local: { id: 'bob', eap: { methods: ['mschapv2'], password: 'hunter2' } }, remote: them }
    expect(read(client).local.auth.method).toBe('eap')
    const gateway = { local: { ...me }, remote: { id: '%any', eap: { methods: ['mschapv2', 'md5'] } } }
    expect(read(gateway, { eapUsers }).remote.auth).toMatchObject({
      method: 'eap',
      methods: { description: 'eap-mschapv2,md5' },
    })
  })

  test('is nothing only where that is named', () => {
    const { local, remote } = read({ local: { id: 'a', auth: 'null' }, remote: { ...them } })
    expect([local.auth.method, remote.auth.method]).toEqual(['null', 'pubkey'])
  })

  test('may take further rounds', () => {
    const { local, remote } = read({
      local: { ...me, further: [{ id: 'bob', eap: { methods: ['mschapv2'], password: { file: 'password' } } }] },
      remote: { ...them, further: [{ id: '%any', authorities: ['root.pem'] }] },
    })
    expect(local.further!.map(({ id, auth }) => [formatIdentity(id), auth.method])).toEqual([['bob', 'eap']])
    expect(remote.further).toMatchObject([{ id: undefined, auth: { method: 'pubkey' } }])
  })

  test('may take further rounds with a pre-shared key, of their own or that of the connection', () => {
    const { local, remote } = read({
      local: {
        ...me,
        further: [
          { id: 'bob', psk: '0x0102' },
          { id: 'bob', auth: 'psk' },
        ],
      },
      remote: { ...them, further: [{ id: 'carol', auth: 'psk', psk: { file: 'password' } }, { id: 'carol' }] },
      psk: 'ab',
    })
    expect(local.further!.map(({ auth }) => auth)).toEqual([
      { method: 'psk', secret: Uint8Array.of(1, 2) },
      { method: 'psk', secret: Uint8Array.of(0x61, 0x62) },
    ])
    expect(remote.further!.map(({ auth }) => auth)).toEqual([
      { method: 'psk', secret: new TextEncoder().encode(files.password!.trimEnd()) },
      { method: 'psk', secret: Uint8Array.of(0x61, 0x62) },
    ])
  })

  test('gives us the subject of our certificate as identity where none stands', () => {
    const { key, certificates } = me
    expect(formatIdentity(read({ local: { key, certificates }, remote: them }).local.id)).toContain('CN=alice@example')
  })

  test('takes keys that a passphrase opens, authorities of a folder, revocation lists and raw keys', () => {
    const key = { file: 'alice-locked.key', passphrase: { file: 'passphrase' } }
    read({ local: { ...me, key }, remote: { authorities: ['cas'], crls: ['root.crl'], revocation: 'strict' } })
    const raw = read({
      local: { id: 'alice@example', key: 'alice.key' },
      remote: { id: 'x', publicKeys: ['alice.pub'] },
    })
    expect(raw.remote.auth).toMatchObject({ method: 'pubkey', authorities: [] })
  })
})

describe('what is safe, or named', () => {
  const unsafe = { methods: ['mschapv2'], eapOnlyUnsafe: true }

  test('is taken where EAP alone is to prove the responder', () => {
    const eapOnly = { id: 'gate.example', auth: 'eap-only' }
    const tls = { methods: ['tls', 'ttls'], password: 'x', authorities: ['root.pem'], serverNames: ['gate.example'] }
    expect(problemsOf({ local: { ...me, auth: 'eap', eap: tls }, remote: eapOnly })).toEqual([])
    expect(problemsOf({ local: { id: 'bob', eap: { ...unsafe, password: 'x' } }, remote: eapOnly })).toEqual([])
    expect(problemsOf({ local: eapOnly, remote: { id: '%any', eap: unsafe } }, { eapUsers })).toEqual([])
  })

  test('of hosts for hash and URL, an age for lists, and an identity for each raw key', () => {
    const publicKeys = [{ file: 'alice.pub', id: 'alice@example' }]
    const remote = { ...them, id: '%any', publicKeys, crlMaxAge: '7d', hashAndUrl: ['PKI.example.org'] }
    expect(read({ local: me, remote }).remote.auth).toMatchObject({ method: 'pubkey', hashAndUrl: true })
  })
})

describe('a mistake', () => {
  test.each<[string, object, string]>([
    ['no word about it', { local: { id: 'a' } }, 'connections.office.psk: is missing, and nothing says how'],
    ['one side only', { local: me }, 'connections.office.psk: is missing'],
    ['no file', { local: { ...me, key: 'none.key' }, remote: them }, 'local.key: cannot read none.key (ENOENT)'],
    ['no key in the file', { local: { ...me, key: 'text' }, remote: them }, 'connections.office.local.key: '],
    [
      'no passphrase',
      { local: { ...me, key: 'alice-locked.key' }, remote: them },
      'no passphrase is given; allowed: {"file": ',
    ],
    [
      'a key that nobody uses',
      { local: me, remote: them, psk: 'x' },
      'connections.office.psk: is used by neither side',
    ],
    [
      'another key',
      { local: { ...me, key: 'gate.key' }, remote: them },
      'local.key: the first of its certificates is for another key than gate.key',
    ],
    [
      'a certificate without key',
      { local: { id: 'a', auth: 'pubkey', certificates: ['alice.pem'] }, remote: them },
      'local.key: is missing',
    ],
    ['no certificate in it', { local: me, remote: { authorities: ['text'] } }, 'remote.authorities[0]: '],
    ['an empty folder', { local: me, remote: { authorities: ['empty'] } }, 'the folder empty has no .pem'],
    ['nobody trusted', { local: me, remote: { auth: 'pubkey' } }, 'remote.authorities: nobody is trusted'],
    ['an unknown signature', { local: { ...me, signatures: ['dsa'] }, remote: them }, 'local.key: '],
    ['no EAP method', { local: { id: 'a', auth: 'eap' }, remote: them }, 'connections.office.local.eap: is missing'],
    [
      'an unknown method',
      { local: { id: 'a', eap: { methods: ['mschapv3'] } }, remote: them },
      'did you mean mschapv2?',
    ],
    [
      'no password',
      { local: { id: 'a', eap: { methods: ['mschapv2'] } }, remote: them },
      'local.eap.password: is missing',
    ],
    ['no users', { local: me, remote: { eap: { methods: ['mschapv2'] } } }, 'eapUsers has none'],
    [
      'no server names',
      { local: { ...me, eap: { methods: ['tls'], authorities: ['root.pem'] } }, remote: them },
      'needs serverNames',
    ],
    [
      'a further round without identity',
      { local: { ...me, further: [{ key: 'alice.key' }] }, remote: them },
      'local.further[0].id: is missing',
    ],
    [
      'a further shared key that stands nowhere',
      { local: { ...me, further: [{ id: 'a', auth: 'psk' }] }, remote: them },
      'local.further[0].psk: is missing',
    ],
    [
      'a further round about which there is no word',
      { local: me, remote: { ...them, further: [{ id: 'a' }] } },
      'remote.further[0].psk: is missing',
    ],
    [
      'a shared key where a signature is to follow',
      { local: me, remote: { ...them, further: [{ id: 'a', authorities: ['root.pem'], psk: 'x' }] } },
      'remote.further[0].psk: is of no use with auth "pubkey"',
    ],
    [
      'a raw key for anybody',
      { local: me, remote: { id: '%any', publicKeys: ['alice.pub'] } },
      'remote.publicKeys[0]: is the key of nobody in particular: any identity is taken',
    ],
    [
      'a raw key for many',
      { local: me, remote: { id: '*@example', publicKeys: ['alice.pub'] } },
      'remote.publicKeys[0]: is the key of nobody in particular: *@example is taken',
    ],
    [
      'a raw key of somebody else',
      { local: me, remote: { id: '*@example', publicKeys: [{ file: 'alice.pub', id: 'a@other' }] } },
      'remote.publicKeys[0].id: "a@other" is not taken here',
    ],
    [
      'a raw key of many',
      { local: me, remote: { id: '%any', publicKeys: [{ file: 'alice.pub', id: '*@example' }] } },
      'stands for many identities',
    ],
    [
      'EAP alone with a password that an impostor may guess at, as client',
      {
        local: { id: 'a', eap: { methods: ['tls', 'mschapv2'], password: 'x' } },
        remote: { id: 'g', auth: 'eap-only' },
      },
      'local.eap.methods[1]: "mschapv2" is not safe here: EAP alone is to prove the responder (eap-only): RFC 5998 §4',
    ],
    [
      'EAP alone with a method that is not mutual, as gateway',
      { local: { id: 'g', auth: 'eap-only' }, remote: { id: '%any', eap: { methods: ['md5'] } } },
      'remote.eap.methods[0]: "md5" is not safe here',
    ],
    [
      'EAP alone with whatever RADIUS chooses',
      {
        local: { id: 'g', auth: 'eap-only' },
        remote: { id: '%any', eap: { radius: { servers: [{ address: '192.0.2.1', secret: 'secret' }] } } },
      },
      'remote.eap.radius: may choose any method',
    ],
    [
      'EAP alone in a further round',
      {
        local: { ...me, further: [{ id: 'b', eap: { methods: ['mschapv2'], password: 'x' } }] },
        remote: { ...them, further: [{ id: 'g', auth: 'eap-only' }] },
      },
      'local.further[0].eap.methods[0]: "mschapv2" is not safe here',
    ],
    ['a peer that is no CRL', { local: me, remote: { ...them, crls: ['root.pem'] } }, 'remote.crls[0]: '],
  ])('%s is told with its setting', (_, connection, message) => {
    expect(problemsOf(connection).join('\n')).toContain(message)
  })

  test('never shows a password, a passphrase or a key', () => {
    const secret = 'hunter2hunter2'
    const wrong: object[] = [
      { local: { ...me, key: { file: 'alice-locked.key', passphrase: secret } }, remote: them },
      { local: { ...me, key: { file: 'none', passphrase: secret } }, remote: them },
      { local: { id: 'a', eap: { methods: ['mschapv9'], password: secret } }, remote: them },
      { local: { id: 'a', eap: { methods: ['mschapv2'], password: [secret] } }, remote: them },
      { local: { id: 'a', eap: { methods: ['mschapv2'], password: { text: secret } } }, remote: them },
      { local: { id: 'a', eap: { methods: ['mschapv2'], password: `0x${secret}` } }, remote: them },
    ]
    for (const connection of wrong) {
      const text = problemsOf(connection, { eapUsers: { bob: { password: secret, file: 'x' } } }).join('\n')
      expect(text).not.toBe('')
      expect(text).not.toContain('hunter2')
    }
    const key = files['alice.key']!.split('\n')[1]!
    expect(problemsOf({ local: { ...me, key: 'text' }, remote: them }).join()).not.toContain(key)
  })
})
