import { createHash, randomFillSync } from 'node:crypto'
import { connect, createServer, type Socket } from 'node:net'

/**
 * A TCP sender and receiver, each a process of its own inside a namespace:
 * `node netns-transfer.js receive ADDRESS PORT` and `node netns-transfer.js send ADDRESS PORT OCTETS`. Each prints one JSON
 * object `{ bytes, sha256, elapsedMs }`; the receiver prints `ready` on a line before.
 */
const [role, address = '', port = '0', octets = '0'] = process.argv.slice(2)
if (role === 'receive') receive(address, Number(port))
else if (role === 'send') await send(address, Number(port), Number(octets))
else process.exitCode = 2

function receive(host: string, listenPort: number): void {
  const server = createServer((socket) => {
    server.close()
    const hash = createHash('sha256')
    const startedAt = performance.now()
    let bytes = 0
    socket.on('data', (chunk) => {
      bytes += chunk.length
      hash.update(chunk)
    })
    socket.on('end', () => {
      report(bytes, hash.digest('hex'), startedAt)
      socket.end()
    })
  })
  server.listen(listenPort, host, () => process.stdout.write('ready\n'))
}

async function send(host: string, remotePort: number, bytes: number): Promise<void> {
  const socket = connect(remotePort, host)
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const hash = createHash('sha256')
  const startedAt = performance.now()
  for (let left = bytes; left > 0; ) {
    const chunk = randomFillSync(Buffer.allocUnsafe(Math.min(left, 65_536)))
    hash.update(chunk)
    left -= chunk.length
    if (!socket.write(chunk)) await new Promise<void>((resolve) => socket.once('drain', resolve))
  }
  await finished(socket)
  report(bytes, hash.digest('hex'), startedAt)
}

/** The receiver ends its side only when it has everything. */
function finished(socket: Socket): Promise<void> {
  socket.resume()
  return new Promise((resolve) => {
    socket.once('end', resolve)
    socket.end()
  })
}

function report(bytes: number, sha256: string, startedAt: number): void {
  process.stdout.write(`${JSON.stringify({ bytes, sha256, elapsedMs: performance.now() - startedAt })}\n`)
}
