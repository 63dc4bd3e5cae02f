// Feeds 100,000 hostile datagrams to an endpoint and prints what became of them:
//   npm run test:hostile
// HOSTILE_DATAGRAMS sends another number, HOSTILE_SEED repeats a run.
import { runBundled } from '../support/run-bundled.mjs'

await runBundled(new URL('main.ts', import.meta.url), {
  nodeOptions: ['--expose-gc'],
  // The vectors are found from where the bundled file stood.
  define: { 'import.meta.url': JSON.stringify(new URL('../support/vectors.ts', import.meta.url).href) },
})
