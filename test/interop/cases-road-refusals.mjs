// Road warriors that the gateway must not let in: its log says why, and over the wire goes AUTHENTICATION_FAILED and nothing else. With EAP its place
// has EAP Failure, which has no data either (RFC 7296 §2.16).
import { spawnSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { waitFor } from './processes.mjs'
import { Field, gate, Host, pki } from './road-field.mjs'

const good = 'anna@example.org'
const revoked = 'gone@example.org'
const expired = 'late@example.org'

/**
 * Octets of an IKE_AUTH response under AES-GCM that holds one notification without data, or EAP Failure, which is as long: header, SK, IV, 8 octets,
 * padding length, ICV.
 */
const bareRefusal = 28 + 4 + 8 + 8 + 1 + 16

const signature = (id, file = id) => ({ local: (files) => ({ ...files(file), id }) })
const tls = (id, file = id) => ({
  local: (files, ca) => ({
    ...files(file),
    id,
    auth: 'eap',
    eap: { methods: ['tls'], identity: id, authorities: [`${ca}/ca.crt`], serverNames: [gate] },
  }),
})

/** `why` is in the gateway's log; nothing that `why` names may be in what the client hears. */
const rows = [
  {
    what: 'wrong password',
    local: () => ({ id: 'bert', eap: { methods: ['mschapv2'], identity: 'bert', password: 'a guess' } }),
    why: /wrong password of bert/,
  },
  {
    what: 'unknown user',
    local: () => ({ id: 'kurt', eap: { methods: ['mschapv2'], identity: 'kurt', password: 'a guess' } }),
    why: /no user kurt is known/,
  },
  { what: 'expired', ...signature(expired), why: /CN=late@example\.org.* expired at 20/ },
  { what: 'revoked', ...signature(revoked), why: /CN=gone@example\.org.* was revoked at .* says the CRL/ },
  {
    what: 'another identity',
    ...signature('boss@example.org', good),
    why: /peer sent ID boss@example\.org, certificate ".*CN=anna@example\.org" has only .*anna@example\.org/,
  },
  { what: 'expired, by EAP-TLS', ...tls(expired), why: /CN=late@example\.org.* expired at 20/ },
  { what: 'revoked, by EAP-TLS', ...tls(revoked), why: /CN=gone@example\.org.* was revoked at/ },
  {
    what: 'another identity, by EAP-TLS',
    ...tls('boss@example.org', good),
    why: /boss@example\.org.*anna@example\.org/,
  },
]

async function certificates(directory) {
  const ca = `${directory}/ca`
  await pki('ca', '--name', 'CN=Road CA', '--out', ca)
  await pki('server', '--ca', ca, '--name', gate)
  for (const name of [good, revoked, expired]) await pki('client', '--ca', ca, '--name', name)
  expire(ca, expired)
  await pki('crl', '--ca', ca, '--revoke', `${ca}/${revoked}.crt`)
  return ca
}

/** The same key with a certificate whose time is over: `typeswan pki` makes none. */
function expire(ca, name) {
  const path = (ending) => `${ca}/${name}.${ending}`
  writeFileSync(path('pub'), createPublicKey(readFileSync(path('crt'))).export({ type: 'spki', format: 'pem' }))
  writeFileSync(path('index'), '')
  const sections = `[ca]\ndefault_ca = road\n[road]\ndatabase = ${path('index')}\nnew_certs_dir = ${ca}\nrand_serial = yes\ndefault_md = sha256
policy = any\nx509_extensions = mail\n[any]\ncommonName = supplied\n[mail]\nsubjectAltName = email:${name}\n[req]\ndistinguished_name = empty\n[empty]\n`
  writeFileSync(path('conf'), sections)
  openssl('req', '-new', '-config', path('conf'), '-key', path('key'), '-subj', `/CN=${name}`, '-out', path('csr'))
  const authority = ['-config', path('conf'), '-cert', `${ca}/ca.crt`, '-keyfile', `${ca}/ca.key`, '-batch', '-notext']
  const times = ['-startdate', '20240101000000Z', '-enddate', '20240201000000Z']
  openssl('ca', ...authority, ...times, '-in', path('csr'), '-out', path('crt'))
}

function openssl(...args) {
  const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`)
}

function gatewayConfig(ca) {
  const local = { address: '10.91.2.2', id: gate, key: `${ca}/${gate}.key`, certificates: [`${ca}/${gate}.crt`] }
  const trust = { authorities: [`${ca}/ca.crt`], crls: [`${ca}/ca.crl`], revocation: 'strict' }
  const connection = (remote) => ({
    local,
    remote: { pools: ['road'], ...remote },
    children: { net: { localTs: ['0.0.0.0/0'], remoteTs: ['dynamic'] } },
  })
  return {
    // Refusals beyond five in ten seconds are written at this level only.
    log: 'trace',
    pools: { road: { addresses: ['10.91.200.0/24'] } },
    eapUsers: { bert: { password: 'swordfish' } },
    connections: {
      certificate: connection({ id: '*@example.org', ...trust }),
      eap: connection({ id: '%any', eap: { methods: ['mschapv2', 'tls'], ...trust } }),
    },
  }
}

const clientConfig = (local, ca) => ({
  dns: 'none',
  log: 'debug',
  connections: {
    home: {
      local: { ...local, virtualIps: ['0.0.0.0'] },
      remote: { address: '10.91.2.2', id: gate, authorities: [`${ca}/ca.crt`] },
      children: { net: { localTs: ['dynamic'], remoteTs: ['0.0.0.0/0'], start: 'start' } },
      keyingTries: 1,
    },
  },
})

const heardBy = (log) => log.split('\n').filter((line) => line.includes('<- IKE_AUTH response'))

/** The client heard no, and not why. */
function checkHeard(log, why) {
  const last = heardBy(log).at(-1) ?? ''
  const words = last.includes('{EAP}') ? 'EAP' : 'N(AUTHENTICATION_FAILED)'
  if (!last.includes(`[SK {${words}}] ${bareRefusal} octets`)) throw new Error(`the client heard: ${last || 'nothing'}`)
  const reason = log.split('\n').find((line) => why.test(line))
  if (reason !== undefined) throw new Error(`the client knows why: ${reason}`)
}

/** Who guesses names hears the same as for one that is there: after the first message, whose signature varies, all lengths are those of a wrong password. */
function checkAlike(logs) {
  const [known, unknown] = logs.map((log) =>
    heardBy(log)
      .slice(1)
      .map((line) => /\[.*octets/.exec(line)?.[0])
      .join(),
  )
  if (known !== unknown) throw new Error(`a name that is not there hears ${unknown}, one that is there ${known}`)
}

async function refuseEach(directory) {
  const field = new Field(['mallory'])
  const hosts = []
  try {
    await field.create()
    const ca = await certificates(directory)
    const files = (name) => ({ id: name, key: `${ca}/${name}.key`, certificates: [`${ca}/${name}.crt`] })
    const gateway = new Host(field.gateway, `${directory}/gate`, gatewayConfig(ca))
    hosts.push(gateway)
    await gateway.start()
    for (const [at, { what, local, why }] of rows.entries()) {
      const said = gateway.log().length
      const config = clientConfig(local(files, ca), ca)
      const client = new Host(field.clients[0].namespace, `${directory}/${at}`, config)
      hosts.push(client)
      await client.start()
      const closed = () => /IKE_SA closed|authentication-failed/.test(client.log())
      await waitFor(`${what}: the client hears no`, closed, 10_000)
      const log = () => gateway.log().slice(said)
      await waitFor(
        `${what}: ${why} in the gateway's log`,
        () => /\(refused by us\)/.test(log()) && why.test(log()),
        3000,
      )
      checkHeard(client.log(), why)
      if (what === 'unknown user') checkAlike(hosts.slice(-2).map((host) => host.log()))
      await client.stop()
      const { ikeSas, states } = await gateway.status()
      if (ikeSas.length + states.length > 0) throw new Error(`${what}: the gateway has SAs left`)
    }
    const logs = hosts.map((host) => host.log()).join('')
    for (const password of ['swordfish', 'a guess']) {
      if (logs.includes(password)) throw new Error(`the password "${password}" stands in a log`)
    }
    return `${rows.length} refused, each with its reason at the gateway and AUTHENTICATION_FAILED alone at the client: ${rows.map(({ what }) => what).join('; ')}`
  } catch (error) {
    error.logs = hosts.map((host) => `${host.directory}:\n${host.log().split('\n').slice(-30).join('\n')}`).join('\n')
    throw error
  } finally {
    for (const host of hosts) await host.stop().catch(() => {})
    await field.destroy()
  }
}

export const roadRefusalCases = [{ name: 'road warriors refused by Typeswan', body: refuseEach }]
