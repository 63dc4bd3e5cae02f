// What went over the wire, as tshark reads it: captured on the router's link to the server.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { run, start, stop, waitFor } from './processes.mjs'

export class Capture {
  constructor(topology, directory) {
    this.topology = topology
    this.file = `${directory}/router.pcap`
    this.logFile = `${directory}/tcpdump.log`
  }

  /** Whole IKE messages, and the first 200 octets of every ESP packet. */
  async start() {
    const { router } = this.topology
    const args = ['-n', '-U', '-i', 'r2', '-s', '2000', '-w', this.file, 'udp port 500 or udp port 4500 or esp']
    this.process = start('ip', ['netns', 'exec', router, 'tcpdump', ...args], this.logFile)
    await waitFor('tcpdump', () => existsSync(this.logFile) && /listening on/.test(readFileSync(this.logFile, 'utf8')))
  }

  async stop() {
    if (this.process) await stop(this.process, 'SIGINT')
  }

  /** Ends the capture; resolves to counts of packets, and the summary line of every malformed one. */
  async finish() {
    await stop(this.process, 'SIGINT')
    if (statSync(this.file).size <= 24) throw new Error('the capture is empty')
    const fields = await this.#tshark('-T', 'fields', '-e', 'isakmp.exchangetype', '-e', 'esp.spi')
    const lines = fields.split('\n').filter((line) => line !== '')
    const ike = lines.filter((line) => !line.startsWith('\t')).length
    const malformed = await this.#tshark('-Y', '_ws.malformed')
    return {
      ike,
      esp: lines.length - ike,
      malformed: malformed.split('\n').filter((line) => line !== ''),
    }
  }

  async #tshark(...args) {
    const { stdout } = await run('tshark', ['-n', '-r', this.file, ...args])
    return stdout
  }
}
