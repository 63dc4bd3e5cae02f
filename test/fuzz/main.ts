import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { type FuzzOrder, type FuzzReport, fuzz } from './fuzz.ts'
import { type Options, parseOptions } from './options.ts'
import { SharedInput } from './shared-input.ts'
import { targets } from './targets/index.ts'

/** An input that runs so long will not end. */
const HANG_MS = 20_000
/** The heap of the fuzzing thread: an input that takes more is a crash. */
const MOST_HEAP_MB = 1024

const crashFolder = fileURLToPath(new URL('./crashes/', import.meta.url))

// The order of a fuzzing thread comes from the code below.
if (isMainThread) await main(parseOptions(process.argv.slice(2)))
else fuzz(workerData as FuzzOrder)

async function main(options: Options): Promise<void> {
  if (options.replay !== undefined) return replay(options.targets[0]!, options.replay, options.details)
  console.log(`seed ${options.seed}`)
  let failed = 0
  for (const target of options.targets) if ((await runInThread(target, options)) > 0) failed++
  console.log(`${options.targets.length - failed} passed, ${failed} failed`)
  if (failed > 0) process.exitCode = 1
}

/** Runs one input by itself, with the whole stack of what it throws, and with all that happened when `details` is set. */
function replay(name: string, file: string, details: boolean): void {
  Error.stackTraceLimit = 50
  try {
    targets
      .find((one) => one.name === name)!
      .run(new Uint8Array(readFileSync(file)), (situation) => {
        if (details) console.log(situation)
      })
    console.log(`${file}: nothing wrong`)
  } catch (error) {
    console.log(error)
    process.exitCode = 1
  }
}

/** The number of crashes. A thread that hangs, or runs out of memory, is one. */
function runInThread(target: string, options: Options): Promise<number> {
  const shared = new SharedInput()
  const workerData: FuzzOrder = { target, options, memory: shared.memory }
  const worker = new Worker(process.argv[1]!, {
    workerData,
    argv: process.argv.slice(2),
    resourceLimits: { maxOldGenerationSizeMb: MOST_HEAP_MB },
  })
  let crashes = 0
  const crashed = (input: Uint8Array, message: string) => {
    crashes++
    const path = writeCrash(target, input)
    console.log(`CRASH ${message}\n  npm run fuzz -- ${target} --replay ${path}`)
  }
  return new Promise((resolve) => {
    let [seen, since] = [shared.count, performance.now()]
    const watch = setInterval(() => {
      if (shared.count !== seen) [seen, since] = [shared.count, performance.now()]
      else if (performance.now() - since > HANG_MS) {
        crashed(shared.input, `no end after ${HANG_MS / 1000} s`)
        void worker.terminate()
      }
    }, 1000)
    worker.on('message', (report: FuzzReport) => {
      if (report.kind === 'crash') return crashed(report.input, report.message)
      console.log(`${report.line}, ${crashes} crashes`)
      if (report.details !== '') console.log(report.details)
      if (report.kind === 'done') clearInterval(watch)
    })
    worker.on('error', (error) => crashed(shared.input, `the thread died: ${error.message}`))
    worker.on('exit', () => {
      clearInterval(watch)
      resolve(crashes)
    })
  })
}

function writeCrash(target: string, input: Uint8Array): string {
  mkdirSync(crashFolder, { recursive: true })
  const path = join(crashFolder, `${target}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`)
  writeFileSync(path, input)
  return relative(dirname(dirname(dirname(crashFolder))), path)
}
