import type { Host } from './host.ts'

export interface BulkResult {
  readonly packetsSent: number
  readonly packetsReceived: number
  readonly elapsedMs: number
  /** 10^6 bits of received inner packets in a second. */
  readonly mbps: number
}

/** Packets under way at once: with the kernel's own share they fit a UDP receive buffer of the usual 208 KiB. */
const windowPackets = 48

/** Without any arrival for so long, what is under way counts as lost. */
const lostAfterMs = 250

/** Sends `count` packets of `bytes` inner octets from one host to another as fast as they arrive. */
export async function bulkTransfer(
  from: Host,
  to: Host,
  count: number,
  bytes: number,
  progress: (received: number) => void,
): Promise<BulkResult> {
  const startedAt = performance.now()
  const before = to.packetsReceived
  let sent = 0
  let lost = 0
  let lastCount = 0
  let lastArrivalAt = startedAt
  const arrived = () => to.packetsReceived - before
  while (sent < count || arrived() + lost < count) {
    while (sent < count && sent - arrived() - lost < windowPackets) from.sendNumbered(to, sent++, bytes)
    // The sockets of both sides live on this event loop.
    await new Promise<void>((resolve) => setImmediate(resolve))
    const now = performance.now()
    if (arrived() > lastCount) {
      lastCount = arrived()
      lastArrivalAt = now
      progress(lastCount)
    } else if (now - lastArrivalAt > lostAfterMs) {
      lost = sent - arrived()
      lastArrivalAt = now
    }
  }
  const elapsedMs = performance.now() - startedAt
  return { packetsSent: sent, packetsReceived: arrived(), elapsedMs, mbps: (arrived() * bytes * 8) / elapsedMs / 1000 }
}
