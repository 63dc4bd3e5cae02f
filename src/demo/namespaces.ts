import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { PlatformError } from '../errors.ts'

const run = promisify(execFile)

/** Outer addresses of the two sides, from a range for documentation. */
export const outer = { west: '192.0.2.1', east: '192.0.2.2' } as const

export type SideName = keyof typeof outer

/** Two network namespaces joined by a pair of virtual Ethernet devices. */
export interface Namespaces {
  /** The name that `ip netns exec` takes. */
  readonly west: string
  readonly east: string
  /** Removes both, and with them their devices. May be called again. Never throws. */
  remove(): Promise<void>
}

/** Makes them under names that hold this process' id. Needs root; throws `PlatformError` with nothing left behind. */
export async function makeNamespaces(): Promise<Namespaces> {
  const west = `typeswan-w${process.pid}`
  const east = `typeswan-e${process.pid}`
  const remove = async (): Promise<void> => {
    // What is gone already, or was not made, is no failure.
    for (const name of [west, east]) await run('ip', ['netns', 'del', name]).catch(() => undefined)
  }
  try {
    await ip('netns', 'add', west)
    await ip('netns', 'add', east)
    await ip('link', 'add', 'outer', 'netns', west, 'type', 'veth', 'peer', 'name', 'outer', 'netns', east)
    for (const [name, address] of [
      [west, outer.west],
      [east, outer.east],
    ] as const) {
      await ip('-n', name, 'address', 'add', `${address}/24`, 'dev', 'outer')
      await ip('-n', name, 'link', 'set', 'outer', 'up')
      await ip('-n', name, 'link', 'set', 'lo', 'up')
    }
    await carrier(west)
    await carrier(east)
    return { west, east, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** The kernel takes up to a second to notice that both ends of the link are up; packets before that are lost. */
async function carrier(name: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const { stdout } = await run('ip', ['-n', name, '-o', 'link', 'show', 'outer'])
    if (stdout.includes('state UP')) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Whether a namespace of this name exists. */
export async function namespaceExists(name: string): Promise<boolean> {
  const { stdout } = await run('ip', ['netns', 'list'])
  return stdout.split('\n').some((line) => line.split(' ')[0] === name)
}

async function ip(...args: string[]): Promise<void> {
  try {
    await run('ip', args)
  } catch (error) {
    const words = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error)
    const remedy = /not permitted|denied/i.test(words)
      ? 'network namespaces need root; without, run the demo without --netns'
      : 'is iproute2 installed, and are network namespaces allowed here?'
    throw new PlatformError('NAMESPACE', `"ip ${args.join(' ')}" failed: ${words}`, remedy, { cause: error })
  }
}
