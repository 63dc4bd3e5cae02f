// What goes through an established tunnel: pings both ways, and TCP both ways with the hash checked.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { start, stop, waitFor } from './processes.mjs'
import { addresses, other, transferPort } from './topology.mjs'

const tcpPeer = fileURLToPath(new URL('tcp-peer.mjs', import.meta.url))

/** Two pings from `from` to the other side; resolves to how many were answered, throws unless all were. */
export async function ping(topology, from) {
  const to = other(from)
  const { stdout } = await topology.in(topology[from], 'ping', [
    ...['-c', '2', '-i', '0.2', '-W', '2', '-I', addresses[from].inner],
    addresses[to].inner,
  ])
  const received = Number(/(\d+) received/.exec(stdout)?.[1])
  if (received !== 2) throw new Error(`ping from the ${from}: ${stdout}`)
  return received
}

/** Sends `bytes` octets over TCP from `from` to the other side; resolves to Mbit/s, throws when the hashes differ. */
export async function transfer(topology, from, bytes, directory) {
  const to = other(from)
  const output = `${directory}/tcp-${from}-${to}.log`
  const receiver = start(
    'ip',
    ['netns', 'exec', topology[to], process.execPath, tcpPeer, 'receive', addresses[to].inner, String(transferPort)],
    output,
  )
  try {
    await waitFor('the TCP receiver', () => readFileSync(output, 'utf8').includes('listening'))
    const sender = await topology.in(
      topology[from],
      process.execPath,
      [tcpPeer, 'send', addresses[from].inner, addresses[to].inner, String(transferPort), String(bytes)],
      { timeoutMs: 60_000 },
    )
    await waitFor('the TCP receiver to end', () => receiver.result, 10_000)
    const sent = JSON.parse(sender.stdout)
    const received = JSON.parse(readFileSync(output, 'utf8').split('\n')[1])
    if (received.bytes !== bytes || received.sha256 !== sent.sha256) {
      throw new Error(`TCP from the ${from}: sent ${sender.stdout.trim()}, received ${JSON.stringify(received)}`)
    }
    return (bytes * 8) / received.seconds / 1e6
  } finally {
    await stop(receiver)
  }
}
