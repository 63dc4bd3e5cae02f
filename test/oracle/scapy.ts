import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { concat, fromHex, toHex } from '../../src/bytes/index.ts'
import { encrInfo } from '../../src/crypto/transforms.ts'
import type { EspSaParameters } from '../../src/esp/index.ts'
import { buildUdp, packetLength, parseIp } from '../../src/ip/index.ts'
import type { OraclePart } from './part.ts'
import { datapath } from './scapy-datapath.ts'
import { espAlone } from './scapy-esp.ts'
import { type Form, forms, type Way } from './scapy-form.ts'
import { octets } from './scapy-octets.ts'
import { authKeyBytes, type ScapySuite, scapySuites } from './scapy-suites.ts'

/** Where Debian's packages are seen; another Python may come first in the path. */
const pythons = ['/usr/bin/python3', 'python3']
const mostShown = 10
/** Of each form: the algorithms do not know how the packet came about. */
const suitesThroughDatapath = 8

interface Job {
  readonly id: number
  readonly title: string
  readonly request: Readonly<Record<string, unknown>>
  /** The difference, undefined when there is none. */
  check(answer: Answer): string | undefined
}

interface Answer {
  readonly id: number
  readonly error?: string
  readonly inner?: string
  readonly again?: string
  readonly esp?: string
}

/**
 * Scapy as a second opinion on ESP: with every transform and in every form, it opens what we seal, makes the same octets from the same
 * inner packet, sequence number and IV, and we open what it seals; by `src/esp` alone, and through the whole datapath. Sizes and keys are random; `--rounds=N` goes through all of it so often.
 */
export const scapy: OraclePart = {
  name: 'scapy',
  run({ numberOf }) {
    const python = pythons.find((one) => spawnSync(one, ['-c', 'import scapy.layers.ipsec']).status === 0)
    if (python === undefined) return { passed: 0, failed: 0, skipped: 'no Scapy (python3-scapy)' }
    const jobs: Job[] = []
    for (let round = 0; round < (numberOf('rounds') ?? 1); round++) {
      for (const suite of scapySuites) {
        for (const form of forms) jobs.push(...jobsOf(suite, form, espAlone, jobs.length))
      }
      for (const form of forms) {
        const suites = Array.from({ length: suitesThroughDatapath }, () => scapySuites[randomInt(scapySuites.length)]!)
        for (const suite of suites) jobs.push(...jobsOf(suite, form, datapath, jobs.length))
      }
    }
    return judge(python, jobs)
  },
}

function judge(python: string, jobs: readonly Job[]): { passed: number; failed: number } {
  const script = 'test/oracle/esp_peer.py'
  if (!existsSync(script)) throw new Error(`${script} is not here`)
  const input = jobs.map(({ id, request }) => `${JSON.stringify({ id, ...request })}\n`).join('')
  const { stdout, stderr, status } = spawnSync(python, [script], { input, encoding: 'utf8', maxBuffer: 2 ** 30 })
  if (status !== 0) throw new Error(`Scapy ended with ${status}: ${stderr}`)
  const lines = stdout.split('\n').filter((line) => line !== '')
  // What each job asked for is what `esp_peer.py` says it answers.
  const answers = new Map(lines.map((line) => JSON.parse(line) as Answer).map((answer) => [answer.id, answer]))
  let failed = 0
  for (const { id, title, check } of jobs) {
    const answer = answers.get(id)
    const problem = answer === undefined ? 'no answer' : (answer.error ?? check(answer))
    if (problem === undefined) continue
    failed++
    if (failed <= mostShown) console.log(`${title}: ${problem}`)
  }
  return { passed: jobs.length - failed, failed }
}

function jobsOf(suite: ScapySuite, form: Form, way: Way, firstId: number): Job[] {
  const { mode, outer, family, udp, esn, tfc } = form
  const info = encrInfo(suite.encr)!
  const high = esn ? randomInt(1, 2 ** 32) : 0
  const low = randomInt(1, 2 ** 32)
  const encr = { id: suite.encr, key: octets(suite.keyBytes), salt: octets(info.saltBytes) }
  const integ = suite.integ === undefined ? {} : { integ: { id: suite.integ, key: octets(authKeyBytes(suite)) } }
  const sa: EspSaParameters = { spi: randomInt(256, 2 ** 32), encr, ...integ, esn, replayWindow: 64 }
  const inner = randomInner(family)
  const common = {
    ...{ mode, outer, family, udp, esn, high, spi: sa.spi, seq: low, inner: toHex(inner), crypt: suite.crypt },
    ...{ key: toHex(concat(encr.key, encr.salt)), ...(suite.icv === undefined ? {} : { icv: suite.icv }) },
    ...(sa.integ === undefined ? {} : { auth: suite.auth, authKey: toHex(sa.integ.key) }),
  }
  const title = `${suite.name}, ${mode} ${family} in ${outer}${udp ? ', UDP' : ''}${esn ? ', ESN' : ''}${tfc ? ', TFC' : ''}`
  const padTo = tfc ? inner.length + randomInt(1, 300) : 0
  const esp = way.seal(sa, form, inner, padTo, low, high)
  return [
    {
      id: firstId,
      title: `${title}, opened by Scapy`,
      request: { ...common, do: 'open', esp: toHex(esp), again: !tfc, iv: toHex(esp.subarray(8, 8 + info.ivBytes)) },
      check: (answer) => differenceFrom(answer, form, inner, padTo, esp),
    },
    {
      id: firstId + 1,
      title: `${title}, sealed by Scapy`,
      request: { ...common, do: 'seal' },
      check: (answer) => way.open(sa, form, fromHex(answer.esp ?? ''), inner, low, high),
    },
  ]
}

/** Between what we sealed and what Scapy found in it, or made of the same. */
function differenceFrom(answer: Answer, form: Form, inner: Uint8Array, padTo: number, esp: Uint8Array) {
  const opened = fromHex(answer.inner ?? '')
  const length = form.tfc ? packetLength(opened, 0, opened.length) : opened.length
  if (toHex(opened.subarray(0, length)) !== toHex(inner)) return `${answer.inner} is not ${toHex(inner)}`
  if (form.tfc && opened.length !== padTo) return `${opened.length} octets with the padding, not ${padTo}`
  if (opened.subarray(length).some((octet) => octet !== 0)) return 'the padding is not zeros'
  return !form.tfc && answer.again !== toHex(esp) ? `Scapy makes ${answer.again} of it, we ${toHex(esp)}` : undefined
}

function randomInner(family: 4 | 6): Uint8Array {
  const [source, destination] = family === 4 ? ['10.1.0.1', '10.2.0.9'] : ['fd00:1::1', 'fd00:2::9']
  const data = octets(randomInt(10) === 0 ? randomInt(1401) : randomInt(130))
  return buildUdp({
    ...{ source: parseIp(source), destination: parseIp(destination), data },
    // Ports that Scapy takes for no protocol of its own.
    ...{ sourcePort: 40_001, destinationPort: 40_002 },
  })
}
