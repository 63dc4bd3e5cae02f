// A road warrior that is let in and then sends packets with a source that is not its own, inside of its SA. Runs in a client's namespace:
//   node road-forger.mjs CONFIG FORGED DESTINATION COUNT
// Prints how many pings were answered: from its own address, and from the forged one.
import { setTimeout as sleep } from 'node:timers/promises'
import { createMemoryTun, Endpoint, formatLogEntry, Log, optionsOfConfig, readConfig } from 'typeswan'
import { buildIcmpEcho, parseIp } from 'typeswan/ip'

const [, , file, forged, destination, count] = process.argv
const tun = createMemoryTun()
const { host: _host, ...options } = optionsOfConfig(readConfig(file))
const log = new Log((entry) => console.error(formatLogEntry(entry)))
const endpoint = await Endpoint.start({ ...options, tun, log })
let received = 0
tun.onWritten(() => received++)

await endpoint.initiate('home')
const [own] = endpoint.status().ikeSas[0].virtualIps
// Its own policies would not let the forged source out.
const any = { first: 0, last: 65535 }
const one = (address) => ({ start: parseIp(address), end: parseIp(address) })
const { saddr, daddr, reqid } = endpoint.status().states.find(({ direction }) => direction === 'out')
endpoint.xfrm.newPolicy({
  index: 0x7fff_fff1,
  direction: 'out',
  selector: { source: one(forged), destination: one(destination), protocol: 0, sourcePort: any, destinationPort: any },
  action: 'allow',
  priority: 0,
  templates: [{ saddr: parseIp(saddr), daddr: parseIp(daddr), proto: 50, mode: 'tunnel', reqid }],
  label: 'forged',
})

console.log(JSON.stringify({ own: await pings(own), forged: await pings(forged) }))
await endpoint.close()

async function pings(address) {
  received = 0
  const addresses = { source: parseIp(address), destination: parseIp(destination) }
  for (let sequence = 1; sequence <= Number(count); sequence++) {
    tun.inject(buildIcmpEcho('request', { ...addresses, identifier: 9, sequence, data: new Uint8Array(56) }))
    await sleep(50)
  }
  await sleep(300)
  return received
}
