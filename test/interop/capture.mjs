// What went over the wire, as tshark reads it: captured on the router's link to the server.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { espOptions, ikeOptions } from './keys.mjs'
import { run, start, stop, waitFor } from './processes.mjs'
import { transferPort } from './topology.mjs'

const SKF = 53
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
    const ikeRows = await this.#rows(
      ['isakmp.ispi', 'isakmp.rspi', 'udp.dstport', 'udp.payload'],
      ['-Y', 'isakmp.exchangetype != 34 && isakmp.flag_i == 1'],
    )
    const ike = new Map()
    for (const [SPIi, SPIr, port, payload] of ikeRows) {
      if (ike.has(SPIi) || payload === undefined) continue
      const bytes = Buffer.from(payload, 'hex')
      const message = port === '500' ? bytes : bytes.subarray(4)
      ike.set(SPIi, { SPIi, SPIr, message })
    }
    const frames = new Map()
    for (const [spi, frame] of await this.#rows(['esp.spi', 'frame.number'], ['-Y', 'esp'])) {
      if (!frames.has(spi)) frames.set(spi, frame)
    }
    const wanted = ['-Y', `frame.number in {${[...frames.values()].join(', ')}}`]
    const esp = frames.size === 0 ? [] : await this.#rows(['udp.payload'], wanted)
    return { ike: [...ike.values()], esp: esp.map(([payload]) => Buffer.from(payload, 'hex')) }
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
