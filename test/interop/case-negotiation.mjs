// One case with a daemon whose kernel part is a shim: everything but its data path. What we encrypt for it is checked with its own keys.
import { setTimeout as sleep } from 'node:timers/promises'
import { crossedAtLeast } from './capture.mjs'
import { checkMalformed, establish, keysOf, nothingLeft, withPeers } from './case.mjs'
import { start, stop, waitFor } from './processes.mjs'
import { atOnce } from './steps.mjs'
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
        await peers[deleteBy].terminate()
        await nothingLeft(peers, 5000)
        words.push(`deleted by ${peers[deleteBy].name}`)
        const seen = await peers.capture.finish(keysOf(peers), settings)
        checkMalformed(seen)
        if (livenessBy !== undefined) words.push(liveness(seen.messages, peers[livenessBy]))
        if (seen.espOpened < pings) throw new Error(`${seen.espOpened} of our ESP packets open with the peer's keys`)
        words.push(
          `${seen.ike} IKE packets, ${seen.espOpened} of our ESP packets open with the peer's keys, 0 malformed`,
        )
        return words.join(', ')
      },
    )
}

/**
 * Rekeying, by `rekeys` (`byDaemon` or `byLifetime`), while we send: the daemon must have the keys of every packet, and at the end both
 * have one IKE_SA with one CHILD_SA.
 */
export function daemonRekeyCase({ client, server, deleteBy = 'client', settings, rekeys, leastCrossings = 0 }) {
  return (directory) =>
    withPeers(
      { client, server, nat: false, directory, clientSettings: settings, serverSettings: settings },
      async (peers) => {
        const words = [`established ${(await establish(peers)).toFixed(3)} s`]
        const ours = peers.client.name === 'Typeswan' ? 'client' : 'server'
        await routed(peers.topology, ours)
        const stopPings = startPings(peers.topology, ours, directory)
        words.push(await rekeys({ ours: peers[ours], theirs: peers[other(ours)], topology: peers.topology }))
        await stopPings()
        for (const peer of [peers.client, peers.server]) {
          await waitFor(`one IKE_SA with one CHILD_SA at ${peer.name}`, async () => {
            const { ike, children } = await peer.sas()
            return ike === 1 && children === 1
          })
        }
        await peers[deleteBy].terminate()
        await nothingLeft(peers, 8000)
        const seen = await peers.capture.finish(keysOf(peers), settings)
        checkMalformed(seen)
        if (seen.espOpened < seen.esp)
          throw new Error(`the peer had the keys of ${seen.espOpened} of our ${seen.esp} ESP packets`)
        if (leastCrossings > 0) words.push(`${crossedAtLeast(leastCrossings, seen.messages)} crossed`)
        words.push(`deleted by ${peers[deleteBy].name}`, `${seen.ike} IKE packets`)
        words.push(`${seen.esp} ESP packets with ${seen.espSpis} SPIs, the peer had all of their keys, 0 malformed`)
        return words.join(', ')
      },
    )
}

/** The daemon is told to, `rounds` times the CHILD_SA and the IKE_SA. */
export const byDaemon =
  (rounds) =>
  async ({ ours, theirs }) => {
    for (let round = 0; round < rounds; round++) {
      await rekeyed(ours, 'children', () => theirs.rekeyChild())
      await rekeyed(ours, 'ike', () => theirs.rekeyIke())
    }
    return `${rounds} times CHILD_SA and IKE_SA rekeyed by ${theirs.name}`
  }

/** By whose lifetimes are short: so many of both kinds. */
export const byLifetime =
  (counts, by) =>
  async ({ ours, theirs }) => {
    const seen = { children: new Set(), ike: new Set() }
    await waitFor(
      `${JSON.stringify(counts)} rekeys`,
      async () => {
        const now = await spisOf(ours)
        for (const kind of ['children', 'ike']) if (now[kind] !== '') seen[kind].add(now[kind])
        return seen.children.size > counts.children && seen.ike.size > counts.ike
      },
      60_000,
    )
    const name = { ours, theirs }[by].name
    return `${seen.children.size - 1} CHILD_SA and ${seen.ike.size - 1} IKE_SA rekeys by ${name}`
  }

/** Both ask before either hears of the other's request. */
export const byBoth =
  (rounds) =>
  async ({ ours, theirs, topology }) => {
    const steps = [
      ['children', () => theirs.rekeyChild(), () => ours.rekeyNow('net')],
      ['ike', () => theirs.rekeyIke(), () => ours.rekeyNow()],
    ]
    for (let round = 0; round < rounds; round++) {
      for (const [kind, their, our] of steps) {
        await rekeyed(ours, kind, () => atOnce({ topology }, their, our))
        await sleep(1000)
      }
    }
    return `${rounds} times CHILD_SA and IKE_SA rekeyed by both at once`
  }

async function rekeyed(ours, kind, rekey) {
  const before = await spisOf(ours)
  await rekey()
  await waitFor(`other SPIs (${kind})`, async () => {
    const now = await spisOf(ours)
    return now[kind] !== '' && now[kind] !== before[kind]
  })
  if (kind === 'children' && (await spisOf(ours)).ike !== before.ike) throw new Error('a new IKE_SA came with it')
}

/** The SPIs in use, as text; empty for none or for more than one of a kind. */
async function spisOf(peer) {
  const sas = (await peer.details()).filter((sa) => sa.current)
  const children = sas.flatMap((sa) => sa.children).filter((child) => child.current)
  return {
    ike: sas.length === 1 ? `${sas[0].SPIi} ${sas[0].SPIr}` : '',
    children: children.length === 1 ? `${children[0].spiIn} ${children[0].spiOut}` : '',
  }
}

export const hasChildren = (peer, count) =>
  waitFor(`one IKE_SA with ${count} CHILD_SAs at ${peer.name}`, async () => {
    const { ike, children } = await peer.sas()
    return ike === 1 && children === count
  })

/** The peer has no data path, so that nothing comes back. */
async function unansweredPings(topology, from) {
  await routed(topology, from)
  const count = ['-c', String(pings), '-i', '0.05', '-W', '0.2']
  await topology.in(topology[from], 'ping', [...count, ...between(from)], { check: false })
}

/** Resolves to what stops them. */
function startPings(topology, from, directory) {
  const args = ['netns', 'exec', topology[from], 'ping', '-q', '-i', '0.02', ...between(from)]
  const process = start('ip', args, `${directory}/ping.log`)
  return () => stop(process, 'SIGINT')
}

const between = (from) => ['-I', addresses[from].inner, addresses[other(from)].inner]

const routed = (topology, from) =>
  waitFor('the route', async () => {
    const { stdout } = await topology.in(topology[from], 'ip', ['route', 'get', addresses[other(from)].inner])
    return stdout.includes(' dev swan0 ')
  })

/** It must have asked, beside the DELETE, and each question must have its answer. */
function liveness(all, { name, side }) {
  const messages = all.filter(({ exchange }) => exchange === informational)
  const from = (source, response) => messages.filter((one) => one.source === source && one.response === response).length
  const [asked, answered] = [from(addresses[side].outer, false), from(addresses[other(side)].outer, true)]
  if (asked < 3 || answered < asked) throw new Error(`${name}: ${asked} INFORMATIONAL requests, ${answered} responses`)
  return `${asked} INFORMATIONAL requests by ${name} answered`
}
