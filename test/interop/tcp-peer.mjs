// One end of a TCP transfer, run inside a namespace:
//   node tcp-peer.mjs receive ADDRESS PORT          prints "listening", then one line of JSON
//   node tcp-peer.mjs send SOURCE ADDRESS PORT BYTES
// Both print the SHA-256 of what they sent or received; the receiver also how long it took from the first octet on.
import { createHash } from 'node:crypto'
import { connect, createServer } from 'node:net'

const chunkBytes = 65536
const [mode, ...args] = process.argv.slice(2)
if (mode === 'receive') receive(args[0], Number(args[1]))
else send(args[0], args[1], Number(args[2]), Number(args[3]))

function receive(address, port) {
  const server = createServer((socket) => {
    const hash = createHash('sha256')
    let bytes = 0
    let started = 0
    socket.on('data', (chunk) => {
      if (bytes === 0) started = performance.now()
      bytes += chunk.length
      hash.update(chunk)
    })
    socket.on('end', () => {
      const seconds = (performance.now() - started) / 1000
      socket.end()
      server.close()
      console.log(JSON.stringify({ bytes, seconds, sha256: hash.digest('hex') }))
    })
    socket.on('error', fail)
  })
  server.on('error', fail)
  server.listen(port, address, () => console.log('listening'))
}

function send(source, address, port, totalBytes) {
  const hash = createHash('sha256')
  const socket = connect({ host: address, port, localAddress: source })
  socket.on('error', fail)
  let sent = 0
  const pump = () => {
    while (sent < totalBytes) {
      const chunk = content(sent, Math.min(chunkBytes, totalBytes - sent))
      sent += chunk.length
      hash.update(chunk)
      if (!socket.write(chunk)) {
        socket.once('drain', pump)
        return
      }
    }
    socket.end()
  }
  socket.once('connect', pump)
  socket.once('close', () => console.log(JSON.stringify({ bytes: sent, sha256: hash.digest('hex') })))
  socket.resume()
}

/** Octets that differ at every position, so that a lost, repeated or moved segment changes the hash. */
function content(position, length) {
  const chunk = Buffer.allocUnsafe(length)
  let state = (position * 2654435761 + 1) >>> 0
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    chunk[i] = state >>> 24
  }
  return chunk
}

function fail(error) {
  console.error(error.message)
  process.exit(1)
}
