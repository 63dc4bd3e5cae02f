// Certificates with strongSwan, both roles: every kind of key, a chain with an intermediate that is sent, chosen signatures.
import { copyFileSync, mkdirSync } from 'node:fs'
import { checkMalformed, establish, keysOf, nothingLeft, withPeers } from './case.mjs'
import { makeCertificates } from './certificates.mjs'
import { Charon } from './charon.mjs'
import { waitFor } from './processes.mjs'
import { ping } from './traffic.mjs'
import { Typeswan } from './typeswan.mjs'

const settings = { ike: 'aes128gcm16-prfsha256-ecp256', esp: 'aes128gcm16', psk: 'not used' }

/** `signatures`: what our key makes; `theirs`: what strongSwan's makes, in its notation; `seen`: what strongSwan must have said of ours. */
const rows = [
  { kind: 'rsa-2048', signatures: ['rsa/pss-sha256'], theirs: 'rsa/pss-sha384', seen: /RSA_EMSA_PSS_SHA2_256/ },
  { kind: 'rsa-3072', signatures: ['rsa-sha512'], theirs: 'rsa-sha256', seen: /RSA_EMSA_PKCS1_SHA2_512/ },
  { kind: 'rsa-4096', signatures: ['rsa/pss-sha512'], theirs: 'rsa/pss-sha512', seen: /RSA_EMSA_PSS_SHA2_512/ },
  { kind: 'ecdsa-256', theirs: 'ecdsa-sha256', seen: /ECDSA_WITH_SHA256_DER/ },
  { kind: 'ecdsa-384', theirs: 'ecdsa-sha384', seen: /ECDSA_WITH_SHA384_DER/ },
  { kind: 'ecdsa-521', theirs: 'ecdsa-sha512', seen: /ECDSA_WITH_SHA512_DER/ },
  { kind: 'ed25519', theirs: 'pubkey', seen: /ED25519/ },
  { kind: 'ed448', theirs: 'pubkey', seen: /ED448/ },
  // Without RFC 7427 strongSwan announces no hashes, and takes and makes the older methods.
  { kind: 'ecdsa-256', old: true, theirs: 'ecdsa', seen: /with ECDSA-256 signature/ },
  { kind: 'rsa-2048', old: true, signatures: ['rsa-sha1'], theirs: 'rsa', seen: /with RSA signature/ },
]

/** Settings of one side's own key and certificates. */
export const ownFiles = (made, side) => ({ key: made[side].key, certificates: [made[side].certificate, made.between] })

/** What our configuration has in the place of the pre-shared key. */
const ours = (made, { signatures, old }) => ({
  adjust(config, side) {
    const { office } = config.connections
    delete office.psk
    Object.assign(office.local, ownFiles(made, side))
    if (signatures !== undefined) office.local.signatures = signatures
    Object.assign(office.remote, { authorities: [made.root] })
    if (old === true && signatures !== undefined) office.remote.signatures = signatures
  },
})

/** Keys and certificates in the folders where swanctl looks for them: beside its file. */
export function fillFolders(directory, side, made) {
  const files = { private: [made[side].key], x509: [made[side].certificate], x509ca: [made.root, made.between] }
  for (const [folder, paths] of Object.entries(files)) {
    mkdirSync(`${directory}/${folder}`, { recursive: true })
    for (const path of paths) copyFileSync(path, `${directory}/${folder}/${path.split('/').at(-1)}`)
  }
}

function certificateCase({ client, server, row }) {
  return async (directory) => {
    const made = await makeCertificates(`${directory}/made`, row.kind)
    const theirSide = client === Charon ? 'client' : 'server'
    fillFolders(`${directory}/charon-${theirSide}`, theirSide, made)
    const conf = row.old === true ? ['signature_authentication = no'] : []
    const both = {
      ...settings,
      typeswan: ours(made, row),
      charon: {
        auth: { local: row.theirs, remote: 'pubkey' },
        conf,
      },
    }
    return withPeers(
      { client, server, nat: true, directory, clientSettings: both, serverSettings: both },
      async (peers) => {
        const seconds = await establish(peers)
        const pings = [await ping(peers.topology, 'client'), await ping(peers.topology, 'server')]
        await waitFor(`${row.seen} at strongSwan`, () =>
          peers[theirSide]
            .log()
            .split('\n')
            .some((line) => /authentication of .* successful/.test(line) && row.seen.test(line)),
        )
        await peers.client.terminate()
        await nothingLeft(peers, 5000)
        for (const side of ['client', 'server']) await peers[side].stop()
        const captured = await peers.capture.finish(keysOf(peers), settings)
        checkMalformed(captured)
        return `established ${seconds.toFixed(3)} s, ping ${pings.join('+')}, ${captured.ike} IKE + ${captured.esp} ESP packets, 0 malformed`
      },
    )
  }
}

export const certificateCases = [
  { role: 'initiator', client: Typeswan, server: Charon },
  { role: 'responder', client: Charon, server: Typeswan },
].flatMap(({ role, client, server }) =>
  rows.map((row, i) => ({
    // Each kind once in every run.
    nightly: (i % 2 === 0) === (role === 'initiator'),
    name: `certificates ${role} ${row.kind} ${row.signatures?.join() ?? row.theirs}${row.old ? ' without RFC 7427' : ''}`,
    body: certificateCase({ client, server, row }),
  })),
)
