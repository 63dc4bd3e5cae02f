// Our methods as peer; the server is hostapd's, behind its RADIUS server.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { EapPeerSession } from 'typeswan/eap'
import { certificates, password, peerMethod, user, world } from './methods.mjs'
import { Code, decode, encodeRequest, secret } from './radius.mjs'

/** A hostapd that is only a server of EAP, with this TLS version. */
export async function startHostapd(version, directory) {
  const port = 20000 + Math.floor(Math.random() * 20000)
  writeFileSync(`${directory}/clients`, `127.0.0.1 ${secret}\n`)
  writeFileSync(
    `${directory}/users`,
    [
      `"${user}" TLS`,
      '"anonymous-peap" PEAP',
      '"anonymous-ttls" TTLS',
      `"${user}" TTLS-PAP,TTLS-MSCHAPV2,MSCHAPV2,GTC,MD5 "${password}" [2]`,
      '',
    ].join('\n'),
  )
  writeFileSync(
    `${directory}/hostapd.conf`,
    [
      'driver=none',
      `radius_server_clients=${directory}/clients`,
      `radius_server_auth_port=${port}`,
      'eap_server=1',
      `eap_user_file=${directory}/users`,
      `ca_cert=${certificates}ca.pem`,
      `server_cert=${certificates}server.pem`,
      `private_key=${certificates}server.key`,
      `tls_flags=${version === '1.3' ? '[ENABLE-TLSv1.3]' : '[DISABLE-TLSv1.3]'}`,
      'fragment_size=1000',
      '',
    ].join('\n'),
  )
  const child = spawn('hostapd', [`${directory}/hostapd.conf`], { stdio: ['ignore', 'pipe', 'ignore'] })
  await started(child)
  return {
    port,
    async stop() {
      child.kill()
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}

// Its output has to be read for as long as it runs.
function started(child) {
  let output = ''
  return new Promise((resolve, reject) => {
    child.stdout.on('data', (data) => {
      output += data
      if (output.includes('ENABLED')) resolve()
    })
    child.on('exit', () => reject(new Error(`hostapd ended: ${output}`)))
  })
}

/** One conversation with the server at `port`: what our session says of it, and whether the keys are the same. */
export async function asPeer({ outer, version, inside, given = password, mtu = 1000, cryptobinding }, port) {
  const name = outer === 'tls' ? user : `anonymous-${outer}`
  const session = new EapPeerSession({
    world: world(mtu),
    methods: [peerMethod(outer, version, inside, cryptobinding)],
    credentials: { password: () => given },
    identity: user,
    anonymousIdentity: name,
  })
  const socket = createSocket('udp4')
  try {
    // Before it was asked: EAP-Response/Identity.
    let eap = Buffer.concat([Buffer.from([2, 0, 0, 5 + name.length, 1]), Buffer.from(name)])
    let state
    for (let id = 0; ; id++) {
      const authenticator = randomBytes(16)
      socket.send(encodeRequest({ id: id & 0xff, authenticator, name, state, eap }), port, '127.0.0.1')
      const [octets] = await once(socket, 'message', { signal: AbortSignal.timeout(4000) })
      const answer = decode(octets, authenticator)
      state = answer.state
      const result = await session.receive(answer.eap)
      if (result.kind === 'send') {
        eap = result.packet
        continue
      }
      const sameKey = answer.code === Code.accept && result.msk !== undefined && answer.msk?.equals(result.msk) === true
      return { kind: result.kind, message: result.message, sameKey }
    }
  } finally {
    session.destroy()
    socket.close()
  }
}
