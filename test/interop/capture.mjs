// What went over the wire, as tshark reads it: captured on the router's link to the server.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { espOptions, ikeOptions } from './keys.mjs'
import { run, start, stop, waitFor } from './processes.mjs'
import { transferPort } from './topology.mjs'

const SKF = 53
const IKE_SA_INIT = 34
const nonEspMarkerBytes = 4
const columns = [
  ...['isakmp.exchangetype', 'isakmp.auth.method', 'esp.spi', 'ip.proto', '_ws.malformed', 'esp.icv_bad'],
  ...[
    'ip.src',
    'isakmp.flag_r',
    'isakmp.messageid',
    'isakmp.notify.msgtype',
    'isakmp.ispi',
    'frame.time_relative',
    'isakmp.nextpayload',
  ],
]

const CREATE_CHILD_SA = 36

/** How often one side asked in CREATE_CHILD_SA while the other side's question was not answered yet. */
function crossings(messages) {
  const waiting = new Set()
  let count = 0
  for (const { exchange, source, response } of messages) {
    if (exchange !== CREATE_CHILD_SA) continue
    const others = [...waiting].filter((other) => other !== source)
    if (response) for (const other of others) waiting.delete(other)
    else {
      if (others.length > 0 && !waiting.has(source)) count++
      waiting.add(source)
    }
  }
  return count
}

export function crossedAtLeast(least, messages) {
  const count = crossings(messages)
  if (count < least) throw new Error(`only ${count} rekeyings crossed`)
  return count
}

export class Capture {
  constructor(topology, directory) {
    this.topology = topology
    this.file = `${directory}/router.pcap`
    this.logFile = `${directory}/tcpdump.log`
  }

  async start() {
    const { router } = this.topology
    const filter = 'udp port 500 or udp port 4500 or esp'
    const args = ['-n', '-U', '--immediate-mode', '-B', '32768', '-i', 'r2', '-s', '2000', '-w', this.file, filter]
    this.process = start('ip', ['netns', 'exec', router, 'tcpdump', ...args], this.logFile)
    await waitFor('tcpdump', () => existsSync(this.logFile) && /listening on/.test(readFileSync(this.logFile, 'utf8')))
  }

  async stop() {
    if (this.process) await stop(this.process, 'SIGINT')
  }

  /**
   * Ends the capture. `keys` are those that the peers wrote down; `settings` what was negotiated. Resolves to the number of IKE and ESP
   * packets, how many of each tshark could look into, the summary of every malformed packet and of every ESP packet with a bad ICV, and
   * `messages`: `{ exchange, source, response, messageId, notifies, SPIi, seconds }` of each IKE message.
   */
  async finish(keys, { ike, esp }) {
    await this.stop()
    if (statSync(this.file).size <= 24) throw new Error('the capture is empty')
    const samples = await this.#samples()
    const options = [...ikeOptions(keys.ike, ike, samples.ike), ...espOptions(keys.esp, esp, samples.esp)]
    const rows = await this.#rows(columns, options)
    const messages = rows.filter(([exchange]) => exchange !== '')
    return {
      ike: messages.length,
      ikeOpened: messages.filter(([, auth]) => auth !== '').length,
      ikeSas: samples.ike.length,
      /** The sources of fragments. */
      fragments: messages.filter((row) => row[12].split(',')[0] === String(SKF)).map((row) => row[6]),
      esp: rows.filter(([, , spi]) => spi !== '').length,
      espOpened: rows.filter(([, , spi, protocol]) => spi !== '' && protocol.includes(',')).length,
      espSpis: samples.esp.length,
      malformed: rows.filter((row) => row[4] !== '' || row[5] === '1').map((row) => row.join(' ')),
      messages: messages.map((row) => ({
        exchange: Number(row[0]),
        source: row[6],
        response: row[7] === '1',
        messageId: Number(row[8]),
        notifies: row[9] === '' ? [] : row[9].split(',').map(Number),
        SPIi: row[10],
        seconds: Number(row[11]),
      })),
    }
  }

  /** One encrypted message of each IKE_SA's initiator, and one packet of each ESP SPI, as octets. */
  async #samples() {
    const kinds = ['isakmp.ispi', 'isakmp.rspi', 'isakmp.exchangetype', 'isakmp.flag_i', 'esp.spi', 'frame.number']
    const [ike, esp] = [new Map(), new Map()]
    for (const [SPIi, SPIr, exchange, initiator, spi, frame] of await this.#rows(kinds, ['-Y', 'isakmp or esp'])) {
      if (spi !== '' && !esp.has(spi)) esp.set(spi, { frame })
      const isSealed = exchange !== '' && Number(exchange) !== IKE_SA_INIT && initiator === '1'
      if (isSealed && !ike.has(SPIi)) ike.set(SPIi, { SPIi, SPIr, frame })
    }
    const frames = [...ike.values(), ...esp.values()].map(({ frame }) => Number(frame))
    if (frames.length === 0) return { ike: [], esp: [] }
    const wanted = ['-c', String(Math.max(...frames)), '-Y', `frame.number in {${frames.join(', ')}}`]
    const payloads = new Map()
    for (const [frame, port, payload] of await this.#rows(['frame.number', 'udp.dstport', 'udp.payload'], wanted)) {
      payloads.set(frame, { port, bytes: Buffer.from(payload, 'hex') })
    }
    const messageOf = ({ port, bytes }) => (port === '500' ? bytes : bytes.subarray(nonEspMarkerBytes))
    return {
      ike: [...ike.values()].map(({ SPIi, SPIr, frame }) => ({ SPIi, SPIr, message: messageOf(payloads.get(frame)) })),
      esp: [...esp.values()].map(({ frame }) => payloads.get(frame).bytes),
    }
  }

  async #rows(fields, options) {
    // What we send over TCP is random, and must not be taken for some protocol.
    const plain = ['-d', `tcp.port==${transferPort},data`, '-d', `udp.port==${transferPort},data`]
    const args = [
      '-n',
      '-r',
      this.file,
      ...plain,
      ...options,
      '-T',
      'fields',
      ...fields.flatMap((field) => ['-e', field]),
    ]
    const { stdout } = await run('tshark', args, { timeoutMs: 120_000 })
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\t'))
  }
}
