// Peers that the machine's own release does not have live in debootstrapped roots, one folder for each release (.ci/nightly makes them).
import { existsSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { run, start } from './processes.mjs'

const cache = process.env.XDG_CACHE_HOME ?? '/var/cache'
const folder = process.env.INTEROP_ROOTS ?? `${cache}/typeswan-interop`

/** The path of a release's root, whether it is there or not. */
export const rootOf = (release) => `${folder}/${release}`

/** Why `program` (an absolute path) cannot be run inside the root of `release`; undefined when it can. */
export function missingIn(release, program) {
  const root = rootOf(release)
  if (!existsSync(root)) return `there is no ${root} (.ci/nightly makes it)`
  return existsSync(`${root}${program}`) ? undefined : `there is no ${program} in ${root}`
}

/**
 * Starts a program inside a root and a network namespace, with mounts of its own: an empty /run and /tmp, and `directory` at the same
 * path as outside.
 */
export function startInRoot({ release, namespace, directory, command, env = {}, logFile }) {
  const root = rootOf(release)
  const script = [
    'set -e',
    `mount -t tmpfs tmpfs ${root}/run`,
    `mount -t tmpfs -o mode=1777 tmpfs ${root}/tmp`,
    `mkdir -p ${root}${directory}`,
    `mount --bind ${directory} ${root}${directory}`,
    `mount --rbind /dev ${root}/dev`,
    `mount -t proc proc ${root}/proc`,
    `mount --bind /sys ${root}/sys`,
    // Only inside: a program preloaded into the shell or chroot would be that of the wrong release.
    `exec chroot ${root} /usr/bin/env ${Object.entries(env)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')} ${command}`,
  ].join('\n')
  return start('ip', ['netns', 'exec', namespace, 'unshare', '-m', 'sh', '-c', script], logFile)
}

/** Runs a command to its end beside a program that `startInRoot` started. */
export function runInRoot(release, child, [command, ...args], options = {}) {
  const place = ['-t', String(child.pid), '-m', '-n', '--']
  return run('nsenter', [...place, 'chroot', rootOf(release), command, ...args], options)
}

/** Compiles a library to be preloaded from `shim/NAME.c`; resolves to its path. */
export async function compileShim(name, directory) {
  mkdirSync(directory, { recursive: true })
  const library = `${directory}/${name}-shim.so`
  const source = fileURLToPath(new URL(`shim/${name}.c`, import.meta.url))
  await run('gcc', ['-O2', '-shared', '-fPIC', '-o', library, source, '-ldl'])
  return library
}
