// What went over the wire, as tshark reads it: captured on the router's link to the server.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { espOptions, ikeOptions, shimEspOptions } from './keys.mjs'
import { run, start, stop, waitFor } from './processes.mjs'
import { transferPort } from './traffic.mjs'

const columns = [
  ...['isakmp.exchangetype', 'isakmp.auth.method', 'esp.spi', 'ip.proto', 'udp.dstport', '_ws.malformed'],
  ...['esp.icv_bad', 'ip.src', 'isakmp.flag_r'],
]

export class Capture {
  constructor(topology, directory) {
    this.topology = topology
    this.file = `${directory}/router.pcap`
    this.logFile = `${directory}/tcpdump.log`
  }

  async start() {
    const { router } = this.topology
    const args = [
      '-n',
      '-U',
      '--immediate-mode',
      '-B',
      '32768',
      '-i',
      'r2',
      '-s',
      '2000',
      '-w',
      this.file,
      'udp port 500 or udp port 4500 or esp',
    ]
    this.process = start('ip', ['netns', 'exec', router, 'tcpdump', ...args], this.logFile)
    await waitFor('tcpdump', () => existsSync(this.logFile) && /listening on/.test(readFileSync(this.logFile, 'utf8')))
  }

  async stop() {
    if (this.process) await stop(this.process, 'SIGINT')
  }

  /**
   * Ends the capture. `charonLog` or the lines of a shim hold the keys; `settings` what was negotiated. Resolves to the number of IKE
   * and ESP packets, how many of each tshark could look into, the summary of every malformed packet, and of ESP packets with a bad
   * ICV, and the exchanges: `{ exchange, source, response }` of each IKE message.
   */
  async finish(charonLog, { ike, esp }, shimLines = []) {
    await this.stop()
    if (statSync(this.file).size <= 24) throw new Error('the capture is empty')
    const spis = await this.#tshark('-Y', 'isakmp', '-T', 'fields', '-e', 'isakmp.ispi', '-e', 'isakmp.rspi')
    const [SPIi, SPIr] = (spis.split('\n').find((row) => !/^$|\t0{16}$/.test(row)) ?? '').split('\t')
    const keys =
      charonLog === '' || SPIr === undefined
        ? []
        : [...ikeOptions(charonLog, ike, SPIi, SPIr), ...espOptions(charonLog, esp)]
    keys.push(...shimEspOptions(shimLines, esp))
    const text = await this.#tshark(...keys, '-T', 'fields', ...columns.flatMap((column) => ['-e', column]))
    const rows = text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\t'))
    return {
      ike: rows.filter(([exchange]) => exchange !== '').length,
      ikeOpened: rows.filter(([, auth]) => auth !== '').length,
      esp: rows.filter(([, , spi]) => spi !== '').length,
      espOpened: rows.filter(([, , spi, protocol]) => spi !== '' && protocol.includes(',')).length,
      malformed: rows.filter((row) => row[5] !== '' || row[6] === '1').map((row) => row.join(' ')),
      exchanges: rows
        .filter(([exchange]) => exchange !== '')
        .map((row) => ({ exchange: Number(row[0]), source: row[7], response: row[8] === '1' })),
    }
  }

  async #tshark(...args) {
    // What we send over TCP is random, and must not be taken for some protocol.
    const plain = ['-d', `tcp.port==${transferPort},data`]
    const { stdout } = await run('tshark', ['-n', '-r', this.file, ...plain, ...args])
    return stdout
  }
}
