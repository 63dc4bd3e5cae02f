import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const binary = '/usr/sbin/freeradius'

/** Whether Debian's FreeRADIUS is here; says so in one line when it is not. */
export function hasFreeradius(): boolean {
  const here = existsSync(binary) && existsSync('/usr/lib/freeradius/rlm_eap.so')
  if (!here) process.stderr.write(`skipped: ${binary} is not here (Debian package freeradius)\n`)
  return here
}

export interface Freeradius {
  readonly authPort: number
  readonly acctPort: number
  readonly secret: string
  /** What accounting has been told, as FreeRADIUS writes it. */
  readonly detail: () => string
  /** What it printed. */
  readonly log: () => string
  readonly stop: () => Promise<void>
}

/** A FreeRADIUS of its own on loopback, with a configuration of its own in a new directory. `users` is a file of rlm_files. */
export async function startFreeradius(users: string): Promise<Freeradius> {
  const directory = mkdtempSync(join(tmpdir(), 'typeswan-radius-'))
  const [authPort, acctPort] = [await freePort(), await freePort()]
  const secret = 'a secret between gateway and server'
  writeFileSync(join(directory, 'dictionary'), '$INCLUDE /usr/share/freeradius/dictionary\n')
  writeFileSync(join(directory, 'users'), users)
  writeFileSync(join(directory, 'radiusd.conf'), configuration(directory, authPort, acctPort, secret))
  const child = spawn(binary, ['-f', '-l', 'stdout', '-xx', '-d', directory], { stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += chunk))
  await ready(child, () => log)
  return {
    authPort,
    acctPort,
    secret,
    detail: () => (existsSync(join(directory, 'detail')) ? readFileSync(join(directory, 'detail'), 'utf8') : ''),
    log: () => log,
    async stop() {
      if (child.exitCode === null) {
        child.kill()
        await once(child, 'exit')
      }
      rmSync(directory, { recursive: true })
    },
  }
}

async function ready(child: ChildProcess, log: () => string): Promise<void> {
  for (let tenths = 0; tenths < 150; tenths++) {
    if (log().includes('Ready to process requests')) return
    if (child.exitCode !== null) break
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`freeradius did not start: ${log().slice(-2000)}`)
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

const configuration = (directory: string, authPort: number, acctPort: number, secret: string): string => `
name = freeradius
libdir = /usr/lib/freeradius
raddbdir = ${directory}
run_dir = ${directory}
logdir = ${directory}
max_request_time = 5
cleanup_delay = 5
max_requests = 256
thread pool {
  start_servers = 1
  max_servers = 1
  min_spare_servers = 1
  max_spare_servers = 1
}
modules {
  files {
    usersfile = ${directory}/users
  }
  pap {
  }
  mschap {
    use_mppe = yes
    with_ntdomain_hack = yes
  }
  detail {
    filename = ${directory}/detail
  }
  eap {
    default_eap_type = mschapv2
    timer_expire = 60
    max_sessions = 64
    md5 {
    }
    gtc {
      auth_type = PAP
    }
    mschapv2 {
      send_error = yes
    }
  }
}
client loopback {
  ipaddr = 127.0.0.1
  secret = "${secret}"
}
server default {
  listen {
    type = auth
    ipaddr = 127.0.0.1
    port = ${authPort}
  }
  listen {
    type = acct
    ipaddr = 127.0.0.1
    port = ${acctPort}
  }
  authorize {
    eap {
      ok = return
    }
    files
  }
  authenticate {
    Auth-Type PAP {
      pap
    }
    Auth-Type MS-CHAP {
      mschap
    }
    eap
  }
  accounting {
    detail
  }
}
`
