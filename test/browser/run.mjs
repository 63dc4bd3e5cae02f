// Bundles page.ts for the browser, from what is built, and runs it in headless Chromium: one handshake and one ESP round trip with
// the noble provider. esbuild fails on any `node:` import that the bundle would need.
//   npm run test:browser        CHROMIUM=path names another browser
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

if (!existsSync(executablePath) && process.env.CI === undefined) {
  console.log(`skipped: there is no ${executablePath} (Debian: apt-get install chromium; or set CHROMIUM)`)
} else {
  process.exitCode = (await runPage()) ? 0 : 1
}

async function runPage() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('page.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'page',
    platform: 'browser',
    target: 'es2022',
    tsconfigRaw: {},
  })
  const [{ text }] = outputFiles
  console.log(`bundle: ${text.length} characters`)
  // Without a directory of its own given, Playwright makes a fresh profile and removes it.
  const browser = await chromium.launch({ executablePath, headless: true, args: flags })
  let failed = 0
  try {
    const page = await browser.newPage()
    page.on('pageerror', (error) => console.log(error.stack ?? error.message))
    await page.addScriptTag({ content: text })
    const results = await page.evaluate('page.results()')
    for (const { name, ok, detail } of results) {
      console.log(`${ok ? 'ok' : 'not ok'} ${name}: ${detail}`)
      if (!ok) failed++
    }
    console.log(`in ${await browser.version()}`)
    console.log(`${results.length - failed} passed, ${failed} failed`)
    return failed === 0 && results.length > 0
  } finally {
    await browser.close()
  }
}
