// One case: two peers negotiate, carry traffic and take the tunnel down again; or refuse each other, and say why.
import { mkdirSync } from 'node:fs'
import { Capture } from './capture.mjs'
import { waitFor } from './processes.mjs'
import { Topology } from './topology.mjs'
import { ping, transfer } from './traffic.mjs'

const MB = 1_000_000

/**
 * `client` and `server` are the peers' classes, `deleteBy` the side that takes the tunnel down; `bytes` go each way. Resolves to the
 * words for the case's line; throws when anything is not as it must be.
 */
export function tunnelCase({ client, server, nat, deleteBy, settings, bytes = 20 * MB }) {
  return (directory) =>
    withPeers({ client, server, nat, directory, clientSettings: settings, serverSettings: settings }, async (peers) => {
      const seconds = await establish(peers)
      const { topology } = peers
      for (const peer of [peers.client, peers.server]) await checkStatus(peer)
      const pings = [await ping(topology, 'client'), await ping(topology, 'server')]
      const up = await transfer(topology, 'client', bytes, directory)
      const down = await transfer(topology, 'server', bytes, directory)
      const gone = await takeDown(peers, deleteBy)
      const seen = await peers.capture.finish(keysOf(peers), settings)
      checkMalformed(seen)
      if (seen.esp < (2 * bytes) / 1400) throw new Error(`only ${seen.esp} ESP packets on the wire`)
      return [
        `established ${seconds.toFixed(3)} s`,
        `ping ${pings.join('+')}`,
        `${bytes / MB} MB up ${up.toFixed(0)} Mbit/s, down ${down.toFixed(0)} Mbit/s`,
        `deleted by ${peers[deleteBy].name}, gone in ${gone.toFixed(2)} s`,
        `${seen.ike} IKE + ${seen.esp} ESP packets, 0 malformed (inside: ${seen.ikeOpened} AUTH, ${seen.espOpened} ESP)`,
      ].join(', ')
    })
}

/**
 * The two sides cannot agree. `expect` is a list of `[side, pattern]`: what that side's log must say. `before` starts what they need besides, and
 * resolves to what stops it.
 */
export function refusalCase({ client, server, clientSettings, serverSettings, expect, before }) {
  return (directory) =>
    withPeers({ client, server, nat: false, directory, clientSettings, serverSettings }, async (peers) => {
      const stop = await before?.(peers)
      try {
        await peers.server.start()
        await peers.client.start()
        await peers.client.initiate().then(
          () => {
            throw new Error('a tunnel was established')
          },
          () => {},
        )
      } finally {
        await stop?.()
      }
      for (const [side, pattern] of expect) {
        await waitFor(`${pattern} in the log of the ${side}`, () => pattern.test(peers[side].log()), 3000)
      }
      const { ike, children } = await peers.client.sas()
      if (children > 0) throw new Error('the client has a CHILD_SA')
      // strongSwan keeps an IKE_SA whose first CHILD_SA was refused.
      if (ike > 0 && peers.client.name === 'strongSwan') await peers.client.terminate()
      await nothingLeft(peers, 5000)
      for (const side of ['client', 'server']) await peers[side].stop()
      const seen = await peers.capture.finish(keysOf(peers), clientSettings)
      checkMalformed(seen)
      return `refused, nothing left, ${expect.map(([side, pattern]) => `${peers[side].name} says "${pattern.source.replaceAll('\\', '')}"`).join(', ')}`
    })
}

export async function withPeers({ client, server, nat, directory, clientSettings, serverSettings }, body) {
  mkdirSync(directory, { recursive: true })
  const topology = new Topology(nat)
  const capture = new Capture(topology, directory)
  const peers = {
    topology,
    capture,
    client: new client(topology, 'client', directory, clientSettings),
    server: new server(topology, 'server', directory, serverSettings),
  }
  try {
    await topology.create()
    await capture.start()
    return await body(peers)
  } catch (error) {
    error.logs = ['client', 'server']
      .map((side) => lastLines(`${peers[side].name} (${side})`, peers[side].log()))
      .join('')
    throw error
  } finally {
    await peers.client.stop()
    await peers.server.stop()
    await capture.stop()
    await topology.destroy()
  }
}

export function checkMalformed({ malformed }) {
  if (malformed.length > 0)
    throw new Error(`${malformed.length} malformed packets:\n${malformed.slice(0, 10).join('\n')}`)
}

/** What the operator sees must be there too. */
async function checkStatus(peer) {
  if (peer.status === undefined) return
  const { ikeSas, states } = await peer.status()
  const shown = ikeSas[0]?.children[0]?.state
  if (shown !== 'installed' || states.length !== 2) throw new Error(`typeswan status shows ${JSON.stringify(ikeSas)}`)
}

/** The keys that the peers of this case wrote down. */
export function keysOf({ client, server }) {
  const keys = [client, server].map((peer) => peer.keys?.() ?? { ike: [], esp: [] })
  return { ike: keys.flatMap(({ ike }) => ike), esp: keys.flatMap(({ esp }) => esp) }
}

/** The end of a log, without dumps of octets. */
function lastLines(title, log) {
  const lines = log.trimEnd().split('\n')
  const words = lines.filter((line) => !/ +\d+: ([0-9A-F]{2} )+| octets | => \d+ bytes @/.test(line))
  return `${title}:\n${words.slice(-15).join('\n')}\n`
}

/** Resolves to the seconds that the negotiation took, when both sides have their CHILD_SA. */
export async function establish({ client, server }) {
  for (const peer of [server, client]) if (!isRunning(peer)) await peer.start()
  const seconds = await client.initiate()
  await waitFor('the CHILD_SA on the server', async () => (await server.sas()).children > 0)
  return seconds
}

const isRunning = ({ process }) => process !== undefined && process.result === undefined

/** One side deletes; resolves to the seconds until the other side has nothing left. */
async function takeDown(peers, deleteBy) {
  const begin = performance.now()
  await peers[deleteBy].terminate()
  await nothingLeft(peers, 5000)
  return (performance.now() - begin) / 1000
}

export async function nothingLeft({ client, server }, timeoutMs) {
  for (const peer of [client, server]) {
    await waitFor(
      `no SA left at ${peer.name} (${peer.side})`,
      async () => {
        const { ike, children } = await peer.sas()
        return ike === 0 && children === 0
      },
      timeoutMs,
    )
  }
}
