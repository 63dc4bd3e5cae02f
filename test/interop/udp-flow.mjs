// One end of a flow of numbered datagrams in both directions, run inside a namespace:
//   node udp-flow.mjs LOCAL REMOTE PORT INTERVAL_MS
// Prints "ready"; sends from SIGUSR1 on, until SIGTERM; waits for what is under way and prints one line of JSON: how many it sent, the
// numbers that it saw (as ranges), how many it saw twice, and the longest time in which nothing new came.
import { createSocket } from 'node:dgram'

const datagramBytes = 200
/** A datagram may wait for a CHILD_SA or in a full queue. */
const graceMs = 1500
const [local, remote, port, intervalMs] = process.argv.slice(2)
const socket = createSocket('udp4')
const seen = new Set()
let sent = 0
let twice = 0
let startedAt = 0
let lastAt = 0
let longestGapMs = 0
let longestGapAt = 0

socket.on('message', (message) => {
  const now = performance.now()
  const number = message.readUInt32BE(0)
  if (seen.has(number)) {
    twice++
    return
  }
  seen.add(number)
  if (lastAt !== 0 && now - lastAt > longestGapMs) {
    longestGapMs = now - lastAt
    longestGapAt = lastAt - startedAt
  }
  lastAt = now
})
// No route for a moment counts as a datagram that was sent.
socket.on('error', () => {})
socket.bind(Number(port), local, () => {
  console.log('ready')
})

process.once('SIGUSR1', () => {
  startedAt = performance.now()
  const timer = setInterval(sendDue, Number(intervalMs))
  process.once('SIGTERM', () => {
    clearInterval(timer)
    setTimeout(report, graceMs)
  })
})

/** All that is due by the clock: a timer that fires late makes up for it, in small bursts. */
function sendDue() {
  const due = Math.min(Math.floor((performance.now() - startedAt) / Number(intervalMs)), sent + 10)
  while (sent < due) {
    const datagram = Buffer.alloc(datagramBytes)
    datagram.writeUInt32BE(sent++, 0)
    socket.send(datagram, Number(port), remote, () => {})
  }
}

function report() {
  const numbers = [...seen].sort((a, b) => a - b)
  const ranges = []
  for (const number of numbers) {
    if (ranges.length > 0 && ranges.at(-1)[1] === number - 1) ranges.at(-1)[1] = number
    else ranges.push([number, number])
  }
  console.log(JSON.stringify({ sent, seen: seen.size, ranges, twice, longestGapMs, longestGapAt }))
  process.exit(0)
}
