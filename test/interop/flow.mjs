// Numbered datagrams through the tunnel, both ways at once, while things happen to it: which of them are missing.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { start, stop, waitFor } from './processes.mjs'
import { addresses, other, transferPort } from './topology.mjs'

const program = fileURLToPath(new URL('udp-flow.mjs', import.meta.url))
const intervalMs = 5

export class Flow {
  constructor(topology, directory) {
    this.topology = topology
    this.directory = directory
  }

  async start() {
    this.ends = ['client', 'server'].map((side) => {
      const [local, remote] = [addresses[side].inner, addresses[other(side)].inner]
      const file = this.#file(side)
      const args = [process.execPath, program, local, remote, String(transferPort), String(intervalMs)]
      return { side, file, process: start('ip', ['netns', 'exec', this.topology[side], ...args], file) }
    })
    for (const { file } of this.ends) await waitFor('the flow', () => readFileSync(file, 'utf8').includes('ready'))
    for (const end of this.ends) end.process.kill('SIGUSR1')
  }

  /** Resolves to `{ up, down }`, each `{ sent, missing, twice, gapMs, text }`: client to server, and back. */
  async stop() {
    await Promise.all(this.ends.map((end) => stop(end.process, 'SIGTERM', 10_000)))
    const [client, server] = this.ends.map(({ file }) =>
      JSON.parse(readFileSync(file, 'utf8').trim().split('\n').at(-1)),
    )
    return { up: direction(client.sent, server), down: direction(server.sent, client) }
  }

  #file(side) {
    return `${this.directory}/flow-${side}.log`
  }
}

function direction(sent, receiver) {
  const missing = sent - receiver.seen
  const at = (receiver.longestGapAt / 1000).toFixed(1)
  const gaps = receiver.ranges.map(([first, last]) => `${first}-${last}`).join(' ')
  return {
    sent,
    missing,
    twice: receiver.twice,
    gapMs: receiver.longestGapMs,
    text: `${missing} of ${sent} missing, ${receiver.twice} twice, longest gap ${receiver.longestGapMs.toFixed(0)} ms at ${at} s, seen ${gaps}`,
  }
}
