// Our methods as server; the peer is wpa_supplicant's, by its eapol_test.
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { EapServerSession } from 'typeswan/eap'
import { anonymous, certificates, password, serverMethod, user, world } from './methods.mjs'
import { Code, decode, encodeAnswer, secret } from './radius.mjs'

/** One conversation: what eapol_test and our session say of it. `mtu`: octets of EAP packets of ours. `binding`: as eapol_test counts. */
export async function asServer(
  { outer, version, inside, given = password, ca = 'ca.pem', mtu = 1000, binding = 1 },
  directory,
) {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const session = new EapServerSession({
    world: world(mtu),
    methods: [serverMethod(outer, version)],
    credentials: { password: (name) => (name === user ? password : undefined) },
    identity: undefined,
  })
  await session.begin()
  let last
  socket.on('message', async (octets, from) => {
    const request = decode(octets)
    last = await step(session, request.eap)
    const code = last.kind === 'send' ? Code.challenge : last.kind === 'success' ? Code.accept : Code.reject
    socket.send(encodeAnswer({ code, request, eap: last.packet, msk: last.msk }), from.port, from.address)
  })
  const configuration = `${directory}/peer.conf`
  writeFileSync(configuration, peerConfiguration({ outer, version, inside, given, ca, binding }))
  try {
    const arguments_ = ['-c', configuration, '-a', '127.0.0.1', '-p', socket.address().port, '-s', secret, '-t', '10']
    const output = await run('eapol_test', arguments_.map(String))
    const sameKey = output.includes('MPPE keys OK: 1')
    return { theirs: output.trim().split('\n').at(-1), sameKey, kind: last?.kind, message: last?.message }
  } finally {
    session.destroy()
    socket.close()
  }
}

// The peer's Identity comes with an Identifier of its own: nobody has asked.
async function step(session, packet) {
  if (packet[4] !== 1) return session.receive(packet)
  const asked = await session.begin()
  const answer = Uint8Array.from(packet)
  answer[1] = asked.packet[1]
  return session.receive(answer)
}

function peerConfiguration({ outer, version, inside, given, ca, binding }) {
  const phase2 = inside.startsWith('eap-') ? `autheap=${inside.slice(4).toUpperCase()}` : `auth=${inside.toUpperCase()}`
  const proof =
    outer === 'tls'
      ? [`client_cert="${certificates}${inside}.pem"`, `private_key="${certificates}${inside}.key"`]
      : [`anonymous_identity="${anonymous}"`, `password="${given}"`, `phase2="${phase2}"`]
  return [
    'network={',
    'key_mgmt=WPA-EAP',
    `eap=${outer.toUpperCase()}`,
    `identity="${user}"`,
    `ca_cert="${certificates}${ca}"`,
    'domain_match="aaa.example.org"',
    `phase1="tls_disable_tlsv1_3=${version === '1.3' ? 0 : 1} crypto_binding=${binding}"`,
    ...proof,
    '}',
    '',
  ].join('\n')
}

async function run(command, arguments_) {
  const child = spawn(command, arguments_, { stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  child.stdout.on('data', (data) => {
    output += data
  })
  await once(child, 'close')
  return output
}
