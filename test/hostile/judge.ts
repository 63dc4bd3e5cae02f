import type { HostileReport } from './run.ts'
import { halfOpenLimit } from './world.ts'

/** What a run must show, by name; each true when it holds. */
export interface Verdict {
  readonly name: string
  readonly holds: boolean
}

/** Growth of the heap over the run that is still noise: compiled code, and caches that fill. */
const heapNoise = 3 * 2 ** 20

/** Judges a whole run. */
export function judge(report: HostileReport): Verdict[] {
  const { sent, decoded, opened, espOpened, peak, calm, heap, slowest } = report
  const answered = [...report.outcomes].filter(
    ([name]) => name.includes('answered N(') || /answered \w+ N\(/.test(name),
  )
  return [
    { name: 'no exception, the honest tunnels carried pings throughout', holds: report.failure === undefined },
    { name: 'half of the datagrams pass decoding', holds: decoded >= sent / 2 },
    { name: 'a quarter are correctly protected SK messages with mutated contents', holds: opened >= sent / 4 },
    { name: 'some are ESP packets with a good ICV and a malformed inside', holds: espOpened >= sent / 50 },
    { name: 'errors were answered', holds: answered.length > 3 },
    { name: 'half-open IKE_SAs stay within their limit', holds: peak.halfOpen <= halfOpenLimit },
    { name: 'IKE_SAs stay within what their timers allow', holds: peak.ikeSas <= 1000 },
    { name: 'nothing of any attacker is left after a pause', holds: calm.every((one) => same(one, calm[0]!)) },
    { name: 'no datagram holds the endpoint up for a second', holds: slowest.ms < 1000 },
    ...(heap.length < 2 ? [] : [{ name: 'the heap does not grow', holds: heap.at(-1)! - heap[1]! < heapNoise }]),
  ]
}

const same = (a: object, b: object) => JSON.stringify(a) === JSON.stringify(b)
