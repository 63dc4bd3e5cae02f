import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { concat } from '../../src/bytes/index.ts'
import { type FormatOptions, formatXfrmMessage } from '../../src/xfrm/format/index.ts'
import { encodeXfrmMessage, type XfrmMessage } from '../../src/xfrm/netlink/index.ts'
import { events } from '../xfrm/netlink/arbitraries.ts'
import type { OraclePart } from './part.ts'

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

/** One thing to print, in two ways. */
interface Case {
  readonly title: string
  readonly message: XfrmMessage
  ours(style: FormatOptions): string
}

export const iproute2: OraclePart = {
  name: 'iproute2',
  run({ numberOf }) {
    const version = spawnSync('ip', ['-V'], { encoding: 'utf8' }).stdout ?? ''
    if (version === '') return { passed: 0, failed: 0, skipped: 'no iproute2' }
    const seed = numberOf('seed') ?? randomInt(2 ** 31)
    console.log(`iproute2: ${version.trim()}, --seed=${seed}`)
    const rounds = numberOf('rounds') ?? 100
    const cases = events.flatMap((arbitrary) => fc.sample(arbitrary, { seed, numRuns: rounds })).map(caseOf)
    let [passed, failed] = [0, 0]
    for (const variant of variants) {
      const different = judge(cases, variant)
      failed += different
      passed += cases.length - different
    }
    return { passed, failed }
  },
}

const caseOf = (message: XfrmMessage): Case => ({
  title: message.type,
  message,
  ours: (style) => formatXfrmMessage(message, style),
})

/** A message that no version knows stands between two, so that what is printed can be told apart. */
const separator = new Uint8Array(16)
new DataView(separator.buffer).setUint32(0, 16, true)
new DataView(separator.buffer).setUint16(4, 0xfff0, true)
const printedSeparator = 'Unknown message: 00000016 0x0000fff0 0x00000000\n'

/** How many are printed in another way. */
function judge(cases: readonly Case[], { title, options, zone, style }: Variant): number {
  const folder = mkdtempSync(join(tmpdir(), 'typeswan-'))
  try {
    const file = join(folder, 'messages')
    writeFileSync(file, concat(...cases.flatMap(({ message }) => [encodeXfrmMessage(message), separator])))
    const { stdout, stderr } = spawnSync('ip', [...options, 'xfrm', 'monitor', 'file', file], {
      encoding: 'utf8',
      env: { ...process.env, TZ: zone },
      maxBuffer: 2 ** 30,
    })
    const theirs = stdout.split(printedSeparator)
    if (stderr !== '') console.log(`ip${title}: ${stderr}`)
    const wrong = cases
      .map((one, at) => ({ title: `${one.title}${title}`, ours: one.ours(style), theirs: theirs[at] ?? '(nothing)' }))
      .filter(({ ours, theirs }) => ours !== theirs)
    for (const one of wrong.slice(0, mostShown)) {
      console.log(`different: ${one.title}\n${differenceOf(one.ours, one.theirs)}`)
    }
    return wrong.length
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The first lines that differ. */
function differenceOf(ours: string, theirs: string): string {
  const [left, right] = [ours.split('\n'), theirs.split('\n')]
  const at = left.findIndex((line, number) => line !== right[number])
  return `  ours   ${JSON.stringify(left[at])}\n  theirs ${JSON.stringify(right[at])}`
}
