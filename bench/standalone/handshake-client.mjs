// The initiator of `charon.mjs`: sets IKE_SAs with a CHILD_SA up at a responder, some at a time, and says when. Its own cost is not measured.
//   node handshake-client.mjs LOCAL REMOTE SUITE WARM_UP COUNT
// Prints `warm` after the first WARM_UP ones, goes on when a line comes in, and prints `done` after COUNT more; then it deletes all at the next line.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { pskConnection } from '../../dist/config/connection.js'
import { nodeProvider } from '../../dist/crypto/node.js'
import { IkeEndpoint } from '../../dist/ike/index.js'
import { formatIp, parseIp } from '../../dist/ip/index.js'

const AT_A_TIME = 8
const MARKER = new Uint8Array(4)
const [local, remote, suite, warmUp, count] = process.argv.slice(2)
const total = Number(warmUp) + Number(count)
const ignore = () => {}
const xfrm = {
  allocSpi: ignore,
  newSa: ignore,
  updSa: ignore,
  delSa: ignore,
  skipSequence: ignore,
  newPolicy: ignore,
  updPolicy: ignore,
  delPolicy: ignore,
}
const ike = new IkeEndpoint({
  crypto: nodeProvider,
  random: (length) => crypto.getRandomValues(new Uint8Array(length)),
  xfrm,
  connections: Array.from({ length: total }, (_, i) => connection(i)),
})
const sockets = new Map()
for (const port of [500, 4500]) sockets.set(port, await open(port))
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
let begun = 0
let established = 0
let closed = 0
let wanted = Number(warmUp)
let reached = () => {}
const timer = setInterval(() => perform(ike.handleTimeouts(performance.now())), 100)

await reach()
console.log('warm')
await lines.next()
wanted = total
await reach()
console.log('done')
await lines.next()
perform(ike.shutdown(performance.now()))
await Promise.race([
  new Promise((resolve) => (reached = resolve)),
  new Promise((resolve) => setTimeout(resolve, 30_000)),
])
clearInterval(timer)
for (const socket of sockets.values()) socket.close()
process.exit(0)

function reach() {
  return new Promise((resolve) => {
    reached = resolve
    for (let i = 0; i < AT_A_TIME; i++) begin()
  })
}

function begin() {
  if (begun === wanted) return
  perform(ike.initiate(`c${begun++}`, performance.now(), { localAddress: parseIp(local) }))
}

function perform(actions) {
  for (const action of actions) {
    if (action.type === 'send') send(action)
    else if (action.type === 'event') heed(action.event)
  }
}

function send({ local: from, remote: to, nonEspMarker, message }) {
  const datagram = nonEspMarker ? Buffer.concat([MARKER, message]) : message
  sockets.get(from.port).send(datagram, to.port, formatIp(to.address))
}

function heed(event) {
  if (event.kind === 'refused') throw new Error(JSON.stringify(event.refusal))
  if (event.kind === 'child-established' && ++established === wanted) reached()
  else if (event.kind === 'child-established') begin()
  if (event.kind === 'ike-closed' && ++closed === total) reached()
}

async function open(port) {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 })
  socket.bind(port, local)
  await once(socket, 'listening')
  socket.on('message', (datagram, { address, port: from }) => {
    const message = port === 500 ? datagram : datagram.subarray(4)
    const ends = { local: { address: parseIp(local), port }, remote: { address: parseIp(address), port: from } }
    perform(ike.handleDatagram({ ...ends, message }, performance.now()))
  })
  return socket
}

function connection(i) {
  return pskConnection({
    name: `c${i}`,
    psk: 'correct horse battery staple',
    localAddress: local,
    remoteAddress: remote,
    localId: 'client.bench.test',
    remoteId: 'server.bench.test',
    proposals: [suite],
    encap: 'force',
    mobike: false,
    livenessDelayMs: 0,
    keepaliveMs: 0,
    children: [
      {
        name: 'net',
        localTs: [`10.99.${i >> 8}.${i & 255}/32`],
        remoteTs: ['10.98.0.0/16'],
        espProposals: ['aes128gcm16'],
      },
    ],
    uniqueness: 'never',
  })
}
