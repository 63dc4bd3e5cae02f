// The responder of `charon.mjs`: an endpoint on real sockets, without a device. `ready` when it listens.
//   node handshake-server.mjs LOCAL SUITE...
import { pskConnection } from '../../dist/config/connection.js'
import { Endpoint } from '../../dist/index.js'
import { parseIp } from '../../dist/ip/index.js'

const [local, ...proposals] = process.argv.slice(2)
await Endpoint.start({
  listen: { addresses: [parseIp(local)] },
  connections: [
    pskConnection({
      name: 'server',
      psk: 'correct horse battery staple',
      localAddress: local,
      localId: 'server.bench.test',
      remoteId: 'client.bench.test',
      proposals,
      encap: 'force',
      mobike: false,
      livenessDelayMs: 0,
      keepaliveMs: 0,
      children: [{ name: 'net', localTs: ['10.98.0.0/16'], remoteTs: ['10.99.0.0/16'], espProposals: ['aes128gcm16'] }],
      uniqueness: 'never',
    }),
  ],
})
console.log('ready')
