// One case about what happens to an established tunnel: numbered datagrams flow both ways meanwhile, and at the end both peers have the
// same SAs.
import { checkMalformed, establish, keysOf, nothingLeft, withPeers } from './case.mjs'
import { Flow } from './flow.mjs'
import { waitFor } from './processes.mjs'
import { other } from './topology.mjs'

/**
 * `steps` gets the peers, also as `ours` and `theirs`, the topology and the flow, and resolves to words for the case's line.
 * `busy`: SAs come and go all the time. `gapMs`: how long nothing may come through; 0 when no datagram may be missing. `check` looks at the capture and may add words.
 */
export function lifeCase(options) {
  const {
    client,
    server,
    nat = false,
    settings,
    clientSettings,
    serverSettings,
    steps,
    gapMs = 0,
    check,
    deleteBy,
    busy = false,
  } = options
  return (directory) =>
    withPeers(
      {
        client,
        server,
        nat,
        directory,
        clientSettings: { ...settings, ...clientSettings },
        serverSettings: { ...settings, ...serverSettings },
      },
      async (peers) => {
        const ours = peers.client.name === 'Typeswan' ? 'client' : 'server'
        const flow = new Flow(peers.topology, directory)
        const context = { ...peers, peers, ours: peers[ours], theirs: peers[other(ours)], flow, directory }
        await options.before?.(context)
        const words = [`established ${(await establish(peers)).toFixed(3)} s`]
        await bothAgree(peers)
        await flow.start()
        words.push(...(await steps(context)))
        await bothAgree(peers, { busy })
        words.push(flowWords(await flow.stop(), gapMs))
        await peers[deleteBy ?? 'client'].terminate()
        await nothingLeft(peers, 8000)
        const seen = await peers.capture.finish(keysOf(peers), settings)
        checkMalformed(seen)
        words.push(...((await check?.(seen, context)) ?? []))
        words.push(
          `${seen.ike} IKE + ${seen.esp} ESP packets (${seen.espSpis} SPIs, ${seen.espOpened} opened), 0 malformed`,
        )
        return words.join(', ')
      },
    )
}

function flowWords({ up, down }, gapMs) {
  for (const [name, { missing, twice, gapMs: gap, text }] of Object.entries({ up, down })) {
    if (twice > 0 || (gapMs === 0 && missing > 0) || (gapMs > 0 && gap > gapMs))
      throw new Error(`flow ${name}: ${text}`)
  }
  const gaps = gapMs === 0 ? '' : `, longest gap ${Math.max(up.gapMs, down.gapMs).toFixed(0)} ms`
  return `${up.sent}+${down.sent} datagrams, ${up.missing}+${down.missing} missing${gaps}`
}

/**
 * Waits until both have the same one IKE_SA with the same CHILD_SAs, and nothing besides; with `busy`, what is on its way out does not
 * count.
 */
export async function bothAgree({ client, server }, { timeoutMs = 15_000, busy = false } = {}) {
  let views = []
  await waitFor(
    'the same SAs at both peers',
    async () => {
      const all = await Promise.all([client.details(), server.details()])
      views = busy ? all.map(current) : all
      return views.every(isSettled) && text(views[0][0]) === text(crossed(views[1][0]))
    },
    timeoutMs,
    100,
  ).catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(views)}`)
  })
  return views[0][0]
}

const isSettled = (view) => view.length === 1 && view[0].current && view[0].children.every((one) => one.current)
const current = (view) =>
  view.filter((sa) => sa.current).map((sa) => ({ ...sa, children: sa.children.filter((one) => one.current) }))
const text = ({ SPIi, SPIr, children }) =>
  [SPIi, SPIr, ...children.map(({ spiIn, spiOut }) => `${spiIn}/${spiOut}`).sort()].join(' ')
const crossed = (sa) => ({
  ...sa,
  children: sa.children.map(({ spiIn, spiOut }) => ({ spiIn: spiOut, spiOut: spiIn })),
})
