import type { HostileReport } from './run.ts'

/** The counts of a run as text for people. */
export function formatReport(report: HostileReport): string {
  const { sent, setUps, decoded, opened, espOpened, seed, slowest, peak, heap } = report
  const percent = (count: number) => `${((100 * count) / Math.max(1, sent)).toFixed(1)} %`
  return [
    `seed ${seed}: ${sent} hostile datagrams, and ${setUps} that put attackers into place`,
    `${decoded} (${percent(decoded)}) pass decoding`,
    `${opened} (${percent(opened)}) are correctly protected SK messages with mutated contents`,
    `${espOpened} (${percent(espOpened)}) are ESP packets with a good ICV and a malformed inside`,
    '',
    ...table(
      'attack',
      [...report.attacks].map(([name, tally]) => [name, tally.sent]),
    ),
    '',
    ...table('outcome', [...report.outcomes]),
    '',
    ...table('event', [...report.events]),
    '',
    ...table('xfrm_stat', Object.entries(report.xfrmStats)),
    '',
    `held at most: ${Object.entries(peak)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}`,
    `slowest: ${slowest.ms.toFixed(1)} ms, ${slowest.name} (${slowest.octets} octets)`,
    ...(heap.length === 0
      ? []
      : [`heap after each pause: ${heap.map((octets) => `${(octets / 2 ** 20).toFixed(2)} MiB`).join(', ')}`]),
  ].join('\n')
}

function table(title: string, rows: readonly (readonly [string, number])[]): string[] {
  const sorted = [...rows].sort((a, b) => b[1] - a[1])
  const width = Math.max(title.length, ...sorted.map(([name]) => name.length))
  return [
    `${title.padEnd(width)}    count`,
    ...sorted.map(([name, count]) => `${name.padEnd(width)} ${String(count).padStart(8)}`),
  ]
}
