import { spawnSync } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { concat, fromHex, readU32, toHex } from '../../src/bytes/index.ts'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { encrInfo } from '../../src/crypto/transforms.ts'
import {
  DecapStatus,
  EspDecapsulator,
  EspEncapsulator,
  type EspSaParameters,
  newDecapResult,
} from '../../src/esp/index.ts'
import { buildUdp, packetLength, parseIp } from '../../src/ip/index.ts'
import type { OraclePart } from './part.ts'
import { authKeyBytes, type ScapySuite, scapySuites } from './scapy-suites.ts'

/** Where Debian's packages are seen; another Python may come first in the path. */
const pythons = ['/usr/bin/python3', 'python3']
const mostShown = 10
const IPV4 = 4
const IPV6 = 41
const UDP = 17

/** One shape of an ESP packet. */
interface Form {
  readonly mode: 'tunnel' | 'transport'
  /** IP versions of the outer and the inner packet, the same in transport mode. */
  readonly outer: 4 | 6
  readonly family: 4 | 6
  readonly udp: boolean
  readonly esn: boolean
  /** Padding for traffic flow confidentiality; tunnel mode. */
  readonly tfc: boolean
}

const forms: readonly Form[] = [false, true].flatMap((udp) =>
  [false, true].flatMap((esn) => [
    ...([4, 6] as const).flatMap((outer) =>
      ([4, 6] as const).flatMap((family) =>
        [false, true].map((tfc) => ({ mode: 'tunnel' as const, outer, family, udp, esn, tfc })),
      ),
    ),
    ...([4, 6] as const).map((outer) => ({
      ...{ mode: 'transport' as const, outer, family: outer, udp, esn, tfc: false },
    })),
  ]),
)

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
 * inner packet, sequence number and IV, and we open what it seals. Sizes and keys are random; `--rounds=N` goes through all of it so often.
 */
export const scapy: OraclePart = {
  name: 'scapy',
  run({ numberOf }) {
    const python = pythons.find((one) => spawnSync(one, ['-c', 'import scapy.layers.ipsec']).status === 0)
    if (python === undefined) return { passed: 0, failed: 0, skipped: 'no Scapy (python3-scapy)' }
    const jobs: Job[] = []
    for (let round = 0; round < (numberOf('rounds') ?? 1); round++) {
      for (const suite of scapySuites) for (const form of forms) jobs.push(...jobsOf(suite, form, jobs.length))
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

function jobsOf(suite: ScapySuite, form: Form, firstId: number): Job[] {
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
  return [
    { ...openedByScapy(sa, form, inner, low, high, common), id: firstId, title: `${title}, opened by Scapy` },
    { ...openedByUs(sa, form, inner, low, high, common), id: firstId + 1, title: `${title}, sealed by Scapy` },
  ]
}

type Common = Readonly<Record<string, unknown>>

function openedByScapy(sa: EspSaParameters, form: Form, inner: Uint8Array, low: number, high: number, common: Common) {
  const { payload, nextHeader } = insideOf(form, inner)
  const padTo = form.tfc ? payload.length + randomInt(1, 300) : 0
  const esp = seal(sa, payload, nextHeader, padTo, low, high)
  const iv = esp.subarray(8, 8 + encrInfo(sa.encr.id)!.ivBytes)
  const again = !form.tfc
  return {
    request: { ...common, do: 'open', esp: toHex(esp), again, iv: toHex(iv) },
    check(answer: Answer): string | undefined {
      const opened = fromHex(answer.inner ?? '')
      const length = form.tfc ? packetLength(opened, 0, opened.length) : opened.length
      if (toHex(opened.subarray(0, length)) !== toHex(inner)) return `${answer.inner} is not ${toHex(inner)}`
      if (form.tfc && opened.length !== padTo) return `${opened.length} octets with the padding, not ${padTo}`
      if (opened.subarray(length).some((octet) => octet !== 0)) return 'the padding is not zeros'
      return again && answer.again !== toHex(esp) ? `Scapy makes ${answer.again} of it, we ${toHex(esp)}` : undefined
    },
  }
}

function openedByUs(sa: EspSaParameters, form: Form, inner: Uint8Array, low: number, high: number, common: Common) {
  const { payload, nextHeader } = insideOf(form, inner)
  return {
    request: { ...common, do: 'seal' },
    check(answer: Answer): string | undefined {
      for (const crypto of [nodeProvider, nobleProvider]) {
        const packet = fromHex(answer.esp ?? '')
        const decapsulator = new EspDecapsulator(crypto, sa)
        decapsulator.replay.low = low - 1
        decapsulator.replay.high = high
        const result = newDecapResult()
        const status = decapsulator.decapsulate(packet, 0, packet.length, result)
        if (status !== DecapStatus.OK) return `status ${status} over ${crypto.name}`
        const opened = toHex(packet.subarray(result.offset, result.offset + result.length))
        if (opened !== toHex(payload) || result.nextHeader !== nextHeader) return `${opened} is not ${toHex(payload)}`
      }
      return undefined
    },
  }
}

/** What stands inside of ESP: the whole packet, or what follows its header. */
function insideOf({ mode, family }: Form, inner: Uint8Array): { payload: Uint8Array; nextHeader: number } {
  if (mode === 'tunnel') return { payload: inner, nextHeader: family === 4 ? IPV4 : IPV6 }
  return { payload: inner.subarray(family === 4 ? 20 : 40), nextHeader: UDP }
}

function seal(
  sa: EspSaParameters,
  inner: Uint8Array,
  next: number,
  padTo: number,
  low: number,
  high: number,
): Uint8Array {
  const out = new EspEncapsulator(randomInt(2) === 0 ? nodeProvider : nobleProvider, sa, octets)
  out.startAfter(low - 1, high)
  const buffer = new Uint8Array(out.headerBytes + Math.max(inner.length, padTo) + out.maxTrailerBytes)
  buffer.set(inner, out.headerBytes)
  const length = out.encapsulatePadded(buffer, out.headerBytes, inner.length, next, padTo)
  if (length < 0 || readU32(buffer, 4) !== low) throw new Error(`encapsulate: ${length}`)
  return buffer.slice(0, length)
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

const octets = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
