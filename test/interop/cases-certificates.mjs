// Certificates with strongSwan, both roles: every kind of key, a chain with an intermediate that is sent, chosen signatures.
import { copyFileSync, mkdirSync } from 'node:fs'
import { checkMalformed, establish, keysOf, nothingLeft, withPeers } from './case.mjs'
import { makeCertificates } from './certificates.mjs'
import { Charon } from './charon.mjs'
import { waitFor } from './processes.mjs'
import { ping } from './traffic.mjs'
import { Typeswan } from './typeswan.mjs'

const settings = { ike: 'aes128gcm16-prfsha256-ecp256', esp: 'aes128gcm16', psk: 'not used' }

/**
 * `signatures`: what our key makes; `theirs`: what strongSwan's makes, in its notation; `ours` and `made`: what strongSwan must say of the two.
 */
const rows = [
  ...['2048', '3072', '4096'].flatMap((bits, at) => [
    {
      kind: `rsa-${bits}`,
      signatures: [`rsa/pss-sha${[256, 384, 512][at]}`],
      theirs: `rsa-sha${[512, 256, 384][at]}`,
      ours: new RegExp(`RSA_EMSA_PSS_SHA2_${[256, 384, 512][at]}`),
      made: new RegExp(`RSA_EMSA_PKCS1_SHA2_${[512, 256, 384][at]}`),
    },
    {
      kind: `rsa-${bits}`,
      signatures: [`rsa-sha${[256, 512, 384][at]}`],
      theirs: `rsa/pss-sha${[384, 256, 512][at]}`,
      ours: new RegExp(`RSA_EMSA_PKCS1_SHA2_${[256, 512, 384][at]}`),
      made: new RegExp(`RSA_EMSA_PSS_SHA2_${[384, 256, 512][at]}`),
    },
  ]),
  { kind: 'ecdsa-256', theirs: 'ecdsa-sha256', ours: /ECDSA_WITH_SHA256_DER/ },
  { kind: 'ecdsa-384', theirs: 'ecdsa-sha384', ours: /ECDSA_WITH_SHA384_DER/ },
  { kind: 'ecdsa-521', theirs: 'ecdsa-sha512', ours: /ECDSA_WITH_SHA512_DER/ },
  { kind: 'ed25519', theirs: 'pubkey', ours: /ED25519/ },
  { kind: 'ed448', theirs: 'pubkey', ours: /ED448/ },
  // Without RFC 7427 strongSwan announces no hashes, and takes and makes the older methods.
  { kind: 'ecdsa-256', old: true, theirs: 'ecdsa', ours: /with ECDSA-256 signature/ },
  { kind: 'rsa-2048', old: true, signatures: ['rsa-sha1'], theirs: 'rsa', ours: /with RSA signature/ },
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
        await checkSigned(peers[theirSide], row)
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

/** Its log has a line for each end's signature; its own has `(myself)`. */
async function checkSigned(theirs, { ours, made = ours }) {
  const said = (signature, isOwn) =>
    theirs
      .log()
      .split('\n')
      .some((line) => /authentication of /.test(line) && line.includes('(myself)') === isOwn && signature.test(line))
  await waitFor(`our ${ours} at strongSwan`, () => said(ours, false))
  await waitFor(`its own ${made} at strongSwan`, () => said(made, true))
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
