import { classify, DatagramKind } from '../nat-t/demux.ts'
import type { Host } from './host.ts'

export interface AttackResult {
  /** Datagrams that the receiver dropped because their ICV was wrong. */
  readonly tamperedDropped: number
  /** Datagrams that the receiver dropped because it had their sequence number before. */
  readonly replayedDropped: number
  /** The packet itself, between its two false copies, arrived and was answered. */
  readonly genuineDelivered: boolean
}

/** An octet of the encrypted part: behind SPI, sequence number and IV. */
const tamperedOffset = 24

/**
 * Takes an ESP datagram of a ping from the wire. A copy with one octet changed overtakes it, so that its sequence number is
 * new to the receiver and only the ICV can tell; an unchanged copy follows it. Both come from the sender's own socket.
 */
export async function attack(from: Host, to: Host, sequence: number): Promise<AttackResult> {
  const before = countDrops(to)
  const { paths } = from.endpoint
  let replay: () => void = () => {}
  paths.observe((direction, local, remote, datagram) => {
    if (direction !== 'out' || classify(datagram, 0, datagram.length, false) !== DatagramKind.ESP) return
    paths.observe(undefined)
    const wire = { local, remote: { address: remote.address.slice(), port: remote.port } }
    const captured = datagram.slice()
    const tampered = captured.slice()
    tampered[tamperedOffset]! ^= 0x01
    // Observers run before the datagram itself is sent.
    paths.sendRaw(wire.local, wire.remote, tampered)
    replay = () => paths.sendRaw(wire.local, wire.remote, captured)
  })
  const roundTripMs = await from.ping(to, sequence)
  paths.observe(undefined)
  replay()
  const replayed = await waitForDrop(to, before.replayed)
  const after = countDrops(to)
  return {
    tamperedDropped: after.tampered - before.tampered,
    replayedDropped: replayed - before.replayed,
    genuineDelivered: roundTripMs !== undefined,
  }
}

function countDrops(host: Host): { tampered: number; replayed: number } {
  let tampered = 0
  let replayed = 0
  for (const state of host.endpoint.xfrm.states()) {
    tampered += state.integrityFailures
    replayed += state.replayDrops
  }
  return { tampered, replayed }
}

async function waitForDrop(host: Host, before: number): Promise<number> {
  const end = performance.now() + 1_000
  while (countDrops(host).replayed === before && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return countDrops(host).replayed
}
