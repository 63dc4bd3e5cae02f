import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { concat } from '../../src/bytes/index.ts'
import {
  decodeXfrmMessages,
  encodeAllocSpi,
  encodeDump,
  encodeNewPolicy,
  type FormatOptions,
  formatPolicy,
  formatState,
  formatXfrmMessage,
} from '../../src/xfrm/index.ts'
import { events } from '../xfrm/netlink/arbitraries.ts'
import { Dice } from './dice.ts'
import { type Case, caseOfMessage, type Sample, tableCases } from './iproute2-cases.ts'
import { KernelXfrm, whyNoKernel } from './iproute2-kernel.ts'
import { distinct, emptyXfrm, larvalState, policyConfig } from './iproute2-tables.ts'
import type { OraclePart, OracleResult } from './part.ts'

const mostShown = 5
const HALF_HOURS_EAST = 5.5 * 3600

interface Variant {
  readonly title: string
  readonly options: readonly string[]
  readonly zone: string
  readonly style: FormatOptions
}

/** Without `nokeys`: `monitor` heeds it for what comes from the kernel, but not for a file. */
const variants: readonly Variant[] = [
  { title: '', options: [], zone: 'UTC', style: { keys: true } },
  { title: ' -s', options: ['-s'], zone: 'UTC', style: { keys: true, stats: true } },
  {
    ...{ title: ' -s, east of Greenwich', options: ['-s'], zone: 'XYZ-5:30' },
    style: { keys: true, stats: true, utcOffset: () => HALF_HOURS_EAST },
  },
]

/**
 * iproute2 as judge of how things are printed, character by character: random messages of every kind, random states, policies and events of
 * our tables, in files that `ip xfrm monitor` reads; and, with root, policies and larval states in the kernel, listed by `ip` and read back
 * by us. `--rounds=N`, 100 without, and `--seed=N`.
 */
export const iproute2: OraclePart = {
  name: 'iproute2',
  run({ numberOf }) {
    const version = spawnSync('ip', ['-V'], { encoding: 'utf8' }).stdout ?? ''
    if (version === '') return { passed: 0, failed: 0, skipped: 'no iproute2' }
    const seed = numberOf('seed') ?? randomInt(2 ** 31)
    console.log(`iproute2: ${version.trim()}, --seed=${seed}`)
    const rounds = numberOf('rounds') ?? 100
    const sample = <T>(arbitrary: fc.Arbitrary<T>, runs: number): T[] => fc.sample(arbitrary, { seed, numRuns: runs })
    const cases = [
      ...events.flatMap((arbitrary) => sample(arbitrary, rounds)).map(caseOfMessage),
      ...tableCases(
        sample,
        new Dice(seed),
        rounds,
        variants.map(({ style }) => style),
      ),
    ]
    const results = variants.map((variant) => judge(cases, variant))
    const missing = whyNoKernel()
    if (missing === undefined) results.push(judgeByKernel(sample, rounds))
    else console.log(`iproute2: nothing was put into the kernel, ${missing}`)
    const sum = (key: 'passed' | 'failed') => results.reduce((total, one) => total + one[key], 0)
    return { passed: sum('passed'), failed: sum('failed') }
  },
}

/** A message that no version knows stands between two, so that what is printed can be told apart. */
const separator = new Uint8Array(16)
new DataView(separator.buffer).setUint32(0, 16, true)
new DataView(separator.buffer).setUint16(4, 0xfff0, true)
const printedSeparator = 'Unknown message: 00000016 0x0000fff0 0x00000000\n'

/** Keys of states, which are zeros where our tables have none. */
const zeroKeys = /^(\t(?:auth-trunc|aead|enc) \S+ )(?:0x0*(?: \(\d+ bits\))?)?(?= \d+$|$)/gm

/** What `ip` prints of a file with all of them. */
function judge(cases: readonly Case[], { title, options, zone, style }: Variant): OracleResult {
  const folder = mkdtempSync(join(tmpdir(), 'typeswan-'))
  try {
    const file = join(folder, 'messages')
    writeFileSync(file, concat(...cases.flatMap(({ bytes }) => [bytes, separator])))
    const { stdout, stderr } = spawnSync('ip', [...options, 'xfrm', 'monitor', 'file', file], {
      encoding: 'utf8',
      env: { ...process.env, TZ: zone },
      maxBuffer: 2 ** 30,
    })
    const printed = stdout.split(printedSeparator)
    if (stderr !== '') console.log(`ip${title}: ${stderr}`)
    return compare(
      cases.map((one, at) => {
        const theirs = printed[at] ?? '(nothing)'
        const hidden = one.hidesKeys === true ? theirs.replace(zeroKeys, '$1<<Keys hidden>>') : theirs
        return { title: `${one.title}${title}`, ours: one.ours(style), theirs: hidden }
      }),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const EEXIST = -17

/** What `ip` lists after we have put policies and larval states into the kernel, and what we read there. */
function judgeByKernel(sample: Sample, rounds: number): OracleResult {
  const kernel = new KernelXfrm()
  try {
    const xfrm = emptyXfrm({ now: 0 })
    const policies = sample(policyConfig, rounds).map((config, index) => ({ ...config, index }))
    const larvals = distinct(sample(larvalState, rounds))
    const answers = kernel.ask([
      ...policies.map((config) => encodeNewPolicy(config)),
      ...larvals.map((larval) => encodeAllocSpi(larval)),
    ])
    const errors = answers.map(errorIn)
    const refused = errors.filter((error) => error !== 0 && error !== EEXIST)
    for (const error of new Set(refused)) console.log(`the kernel refused: ${error}`)
    // The kernel has one policy of a selector, direction and mark, ours has them all.
    for (const [at, config] of policies.entries()) if (errors[at] === 0) xfrm.newPolicy(config)
    for (const [at, larval] of larvals.entries()) if (errors[policies.length + at] === 0) xfrm.allocSpi(larval)
    return compare([
      ...refused.map((error) => ({ title: 'request', ours: '0', theirs: `${error}` })),
      ...inOrder(
        'policy in the kernel',
        [...xfrm.policies()].map((one) => formatPolicy(one)),
        kernel.ip('xfrm', 'policy'),
      ),
      ...inOrder(
        'state in the kernel',
        [...xfrm.states()].map((one) => formatState(one)),
        kernel.ip('xfrm', 'state'),
      ),
      ...dumpsOf(kernel),
    ])
  } finally {
    kernel.remove()
  }
}

/** The error of the last message, 0 for an acknowledgement. */
function errorIn(answer: Uint8Array): number | undefined {
  const last = decodeXfrmMessages(answer).at(-1)?.message
  return last?.type === 'error' ? last.body.error : undefined
}

interface Pair {
  readonly title: string
  readonly ours: string
  readonly theirs: string
}

/** Each of ours with one of a list, whatever their order there. */
function inOrder(title: string, ours: readonly string[], list: string): Pair[] {
  const theirs = list.split(/^(?=src )/m).sort()
  const length = Math.max(ours.length, theirs.length)
  const sorted = [...ours].sort()
  return Array.from({ length }, (_, at) => ({ title, ours: sorted[at] ?? '', theirs: theirs[at] ?? '' }))
}

/** What we read in the kernel, printed by us, and what `ip` reads and prints. */
function dumpsOf(kernel: KernelXfrm): Pair[] {
  const [states, policies] = kernel.ask([encodeDump('states'), encodeDump('policies')])
  const lists = [
    { what: 'state', dump: states! },
    { what: 'policy', dump: policies! },
  ]
  return lists.flatMap(({ what, dump }) =>
    [[], ['-s']].map((options) => {
      const messages = decodeXfrmMessages(dump).map(({ message }) => message)
      const ours = messages.map((message) => formatXfrmMessage(message, { keys: true, stats: options.length > 0 }))
      return {
        title: `dump of ${what} ${options.join()}`,
        ours: ours.join(''),
        theirs: kernel.ip(...options, 'xfrm', what),
      }
    }),
  )
}

/** Counts, and shows some of what differs. */
function compare(pairs: readonly Pair[]): OracleResult {
  const wrong = pairs.filter(({ ours, theirs }) => ours !== theirs)
  for (const { title, ours, theirs } of wrong.slice(0, mostShown)) {
    console.log(`different: ${title}\n${differenceOf(ours, theirs)}`)
  }
  return { passed: pairs.length - wrong.length, failed: wrong.length }
}

/** The first lines that differ. */
function differenceOf(ours: string, theirs: string): string {
  const [left, right] = [ours.split('\n'), theirs.split('\n')]
  const at = left.findIndex((line, number) => line !== right[number])
  return `  ours   ${JSON.stringify(left[at])}\n  theirs ${JSON.stringify(right[at])}`
}
