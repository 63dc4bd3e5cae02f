import { loopbackDemo } from './loopback.ts'
import { netnsDemo } from './netns.ts'
import { type DemoOutput, Narrator } from './output.ts'

export interface DemoOptions {
  /** One JSON object (`DemoReport`) on standard output and nothing else. */
  readonly json?: boolean
  /** Two processes in network namespaces instead of one process on loopback. */
  readonly netns?: boolean
}

/** Runs a demo and writes its story or its report. Resolves to whether everything came out as it should. */
export async function runDemo(options: DemoOptions, output: DemoOutput): Promise<boolean> {
  const narrator = new Narrator(output, options.json === true)
  const report = options.netns === true ? await netnsDemo(narrator) : await loopbackDemo(narrator)
  if (options.json === true) output.out(JSON.stringify(report))
  for (const problem of report.problems) output.err(`demo: ${problem}`)
  narrator.say(
    `\n${report.ok ? 'All as it should be' : 'Not all as it should be'}, after ${(report.durationMs / 1000).toFixed(1)} s.`,
  )
  return report.ok
}
