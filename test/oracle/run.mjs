// Other implementations as judges of this one:
//   npm run test:oracle -- [PART...] [--NAME=VALUE...]      (all parts without PART)
// Prints `PART: N passed, N failed` for each, and the sum; what a part needs and does not find is told in one line.
import { runBundled } from '../support/run-bundled.mjs'

await runBundled(new URL('main.ts', import.meta.url), { args: process.argv.slice(2) })
