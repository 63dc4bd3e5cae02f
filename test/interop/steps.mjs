// What happens to tunnels in the cases: each takes a case's context and resolves to words for its line.
import { setTimeout as sleep } from 'node:timers/promises'
import { bothAgree } from './case-life.mjs'
import { waitFor } from './processes.mjs'
import { movedAddress, otherServerAddress } from './topology.mjs'

/** Between two rounds, so that datagrams flow over each SA. */
const pauseMs = 500

/** SPIs of an IKE_SA, and of its CHILD_SAs. */
const ikeSpis = (sa) => `${sa.SPIi} ${sa.SPIr}`
const childSpis = (sa) => sa.children.map(({ spiIn, spiOut }) => `${spiIn} ${spiOut}`).join(',')

/** The daemon rekeys the CHILD_SA and the IKE_SA by turns. */
export const rekeysByPeer = (rounds) => (context) => rekeys(context, context.theirs, rounds)

/** The same by us, on demand. */
export const rekeysByUs = (rounds) => (context) => rekeys(context, context.ours, rounds)

async function rekeys({ peers }, by, rounds) {
  for (let round = 0; round < rounds; round++) {
    const before = await bothAgree(peers)
    await by.rekeyChild()
    const child = await changed(peers, before, childSpis)
    if (ikeSpis(child) !== ikeSpis(before))
      throw new Error('the CHILD_SA was not rekeyed, but set up with a new IKE_SA')
    await by.rekeyIke()
    const after = await changed(peers, child, ikeSpis)
    if (childSpis(after) !== childSpis(child)) throw new Error('the IKE_SA took other CHILD_SAs along')
    await sleep(pauseMs)
  }
  return [`${rounds} times CHILD_SA and IKE_SA rekeyed by ${by.name}`]
}

/** Both ask at once: neither hears of the other's request before its own is out. */
export const crossingRekeys = (rounds) => async (context) => {
  for (let round = 0; round < rounds; round++) {
    const before = await bothAgree(context.peers)
    await atOnce(
      context,
      () => context.theirs.rekeyChild(),
      () => context.ours.rekeyNow('net'),
    )
    const child = await changed(context.peers, before, childSpis)
    if (ikeSpis(child) !== ikeSpis(before))
      throw new Error('the CHILD_SA was not rekeyed, but set up with a new IKE_SA')
    await atOnce(
      context,
      () => context.theirs.rekeyIke(),
      () => context.ours.rekeyNow(),
    )
    await changed(context.peers, child, ikeSpis)
  }
  return [`${rounds} times CHILD_SA and IKE_SA rekeyed by both at once`]
}

/** The router holds IKE back until both requests are out. */
export async function atOnce({ topology }, theirs, ours) {
  await topology.holdIke()
  await theirs()
  const done = ours()
  await sleep(300)
  await topology.releaseIke()
  await done
}

/** Watches until both kinds of keys were replaced as often as said. */
export const rekeysByLifetime =
  ({ child, ike, seconds }) =>
  async ({ peers, ours }) => {
    const seen = { child: new Set(), ike: new Set() }
    await waitFor(
      `${child} CHILD_SA and ${ike} IKE_SA rekeys (${ours.name})`,
      async () => {
        for (const sa of (await ours.details()).filter((one) => one.current)) {
          seen.ike.add(ikeSpis(sa))
          for (const one of sa.children.filter((child) => child.current)) seen.child.add(childSpis({ children: [one] }))
        }
        return seen.child.size > child && seen.ike.size > ike
      },
      seconds * 1000,
      100,
    ).catch((error) => {
      throw new Error(`${error.message}: ${seen.child.size} CHILD_SAs, ${seen.ike.size} IKE_SAs seen`)
    })
    const text = `${seen.child.size - 1} CHILD_SA and ${seen.ike.size - 1} IKE_SA rekeys at the end of lifetimes`
    await bothAgree(peers, { busy: true })
    return [text]
  }

async function changed(peers, before, spis) {
  return await waitFor('new SPIs', async () => {
    const now = await bothAgree(peers)
    return spis(now) !== spis(before) && now
  })
}

/** A new IKE_SA with authentication before the old one is deleted; `by` is `ours` or `theirs`. */
export const reauthentications = (rounds, by) => async (context) => {
  const { peers } = context
  for (let round = 0; round < rounds; round++) {
    const before = await bothAgree(peers)
    await context[by].reauthenticate()
    await changed(peers, before, ikeSpis)
    await sleep(pauseMs)
  }
  return [`${rounds} times authenticated anew by ${context[by].name}`]
}

/** The client is sent to the server's other address. */
export const redirected = async ({ peers, server, client }) => {
  const before = await bothAgree(peers)
  await server.redirect(otherServerAddress)
  await waitFor(
    'the client to go to the other address',
    async () => (await client.remoteAddress()) === otherServerAddress,
  )
  const after = await bothAgree(peers)
  if (ikeSpis(after) === ikeSpis(before)) throw new Error('it is the same IKE_SA')
  return [`${client.name} went to ${otherServerAddress}`]
}

/** The client's address goes, and another one of the same link stays. */
export const clientMoves = async ({ peers, topology, client, server }) => {
  const before = await bothAgree(peers)
  await sleep(1000)
  await topology.moveClient()
  const began = performance.now()
  const moved = async (peer) => (await peer.remoteAddress()) === movedAddress
  await waitFor('the server to see the new address', () => moved(server), 15_000)
  const seconds = ((performance.now() - began) / 1000).toFixed(2)
  await sleep(2000)
  const after = await bothAgree(peers)
  if (ikeSpis(after) !== ikeSpis(before)) throw new Error('it did not keep its IKE_SA')
  const kept = childSpis(after) === childSpis(before) ? 'kept' : 'rekeyed'
  return [`${client.name} moved, followed after ${seconds} s, CHILD_SA ${kept}`]
}

/** The NAT forgets its mapping and gives another port. */
export const natRebinds = async ({ peers, topology, server }) => {
  const before = await bothAgree(peers)
  const address = await server.remoteEndpoint()
  await sleep(1000)
  await topology.rebindNat()
  await waitFor('the server to see the new port', async () => (await server.remoteEndpoint()) !== address, 15_000)
  await sleep(2000)
  const after = await bothAgree(peers)
  if (ikeSpis(after) !== ikeSpis(before)) throw new Error('it did not keep its IKE_SA')
  return [`rebound from ${address} to ${await server.remoteEndpoint()}`]
}

/** One side is killed and started again; the other side finds that out and sets the tunnel up anew. */
export const crashOf =
  (side) =>
  async ({ peers }) => {
    const [dead, alive] = [peers[side], peers[side === 'client' ? 'server' : 'client']]
    const before = await bothAgree(peers)
    await sleep(500)
    await dead.crash()
    const began = performance.now()
    await waitFor(
      `${alive.name} to give the peer up`,
      async () => !(await alive.details()).some((sa) => sa.SPIi === before.SPIi),
      20_000,
    )
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    await dead.start()
    const after = await bothAgree(peers, { timeoutMs: 20_000 })
    if (ikeSpis(after) === ikeSpis(before)) throw new Error('the old IKE_SA is still there')
    return [`${dead.name} killed, given up by ${alive.name} after ${seconds} s, set up again`]
  }

/** Nothing happens for a while. */
export const quietly = (seconds) => async () => {
  await sleep(seconds * 1000)
  return []
}
