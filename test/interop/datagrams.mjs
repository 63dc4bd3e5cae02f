// Datagrams and their echo.  echo ADDRESS PORT | ask ADDRESS PORT
import { createSocket } from 'node:dgram'

const [mode, address, port] = process.argv.slice(2)
const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')

if (mode === 'echo') {
  socket.on('message', (message, from) => socket.send(message, from.port, from.address))
  // The port of L2TP at both ends.
  socket.bind(Number(port), address, () => console.log('listening'))
} else {
  const sizes = [1, 500, 1300]
  let left = 20
  const ask = () => {
    if (left-- === 0) throw new Error('no echo')
    for (const size of sizes) socket.send(Buffer.alloc(size, size & 0xff), Number(port), address)
  }
  const seen = new Set()
  const timer = setInterval(ask, 250)
  socket.on('message', (message) => {
    if (message.every((octet) => octet === (message.length & 0xff))) seen.add(message.length)
    if (sizes.every((size) => seen.has(size))) {
      clearInterval(timer)
      socket.close()
    }
  })
  socket.bind(Number(port), ask)
}
