// One case with a daemon whose kernel part is a shim: everything but its data path. What we encrypt for it is checked with its own keys.
import { setTimeout as sleep } from 'node:timers/promises'
import { checkMalformed, establish, nothingLeft, withPeers } from './case.mjs'
import { waitFor } from './processes.mjs'
import { addresses, other } from './topology.mjs'

const pings = 3
const livenessMs = 4500
const informational = 37

/**
 * Handshake, one further CHILD_SA when `further` names it (set up by the client), our packets, some seconds of liveness checks by the side
 * `livenessBy` when it is set, and the end by `deleteBy`.
 */
export function negotiationCase({ client, server, deleteBy, settings, further, livenessBy }) {
  return (directory) =>
    withPeers(
      { client, server, nat: false, directory, clientSettings: settings, serverSettings: settings },
      async (peers) => {
        const words = [`established ${(await establish(peers)).toFixed(3)} s`]
        const ours = peers.client.name === 'Typeswan' ? 'client' : 'server'
        const theirs = peers[other(ours)]
        if (further !== undefined) {
          if (ours === 'server') await theirs.initiate(further)
          for (const peer of [peers.client, peers.server]) await hasChildren(peer, 2)
          words.push(`a further CHILD_SA by ${peers.client.name}`)
        }
        await unansweredPings(peers.topology, ours)
        if (livenessBy !== undefined) await sleep(livenessMs)
        for (const peer of [peers.client, peers.server]) await hasChildren(peer, further === undefined ? 1 : 2)
        const installed = theirs.installed()
        await peers[deleteBy].terminate()
        await nothingLeft(peers, 5000)
        words.push(`deleted by ${peers[deleteBy].name}`)
        const seen = await peers.capture.finish('', settings, installed)
        checkMalformed(seen)
        if (livenessBy !== undefined) words.push(liveness(seen.exchanges, peers[livenessBy]))
        if (seen.espOpened < pings) throw new Error(`${seen.espOpened} of our ESP packets open with the peer's keys`)
        words.push(
          `${seen.ike} IKE packets, ${seen.espOpened} of our ESP packets open with the peer's keys, 0 malformed`,
        )
        return words.join(', ')
      },
    )
}

export const hasChildren = (peer, count) =>
  waitFor(`${count} CHILD_SAs at ${peer.name}`, async () => (await peer.sas()).children === count)

/** The peer has no data path, so that nothing comes back. */
async function unansweredPings(topology, from) {
  const to = addresses[other(from)].inner
  await waitFor('the route', async () =>
    (await topology.in(topology[from], 'ip', ['route', 'get', to])).stdout.includes(' dev swan0 '),
  )
  const args = [
    '-c',
    String(pings),
    '-i',
    '0.05',
    '-W',
    '0.2',
    '-I',
    addresses[from].inner,
    addresses[other(from)].inner,
  ]
  await topology.in(topology[from], 'ping', args, { check: false })
}

/** It must have asked, beside the DELETE, and each question must have its answer. */
function liveness(exchanges, { name, side }) {
  const messages = exchanges.filter(({ exchange }) => exchange === informational)
  const from = (source, response) => messages.filter((one) => one.source === source && one.response === response).length
  const [asked, answered] = [from(addresses[side].outer, false), from(addresses[other(side)].outer, true)]
  if (asked < 3 || answered < asked) throw new Error(`${name}: ${asked} INFORMATIONAL requests, ${answered} responses`)
  return `${asked} INFORMATIONAL requests by ${name} answered`
}
