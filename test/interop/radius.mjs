// A FreeRADIUS in a namespace, with a configuration of its own: EAP-MSCHAPv2 and one user.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { start, stop, waitFor } from './processes.mjs'

const binary = '/usr/sbin/freeradius'
/** Shared with its client. */
export const secret = 'between the gateway and FreeRADIUS'

export const missingRadius = () => (existsSync(binary) ? undefined : `there is no ${binary}`)

/** Where accounting is written down. */
export const detailFile = (directory) => `${directory}/detail`

/** Sends a Disconnect-Request for `user` with radclient; resolves to what it printed. */
export async function disconnect(namespace, attributes) {
  const child = spawn('ip', [
    'netns',
    'exec',
    namespace,
    'radclient',
    '-x',
    '-r',
    '1',
    '-t',
    '5',
    '127.0.0.1:3799',
    'disconnect',
    secret,
  ])
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk))
  child.stdin.end(`${attributes}\n`)
  await once(child, 'close')
  return printed
}

/** Listens at 127.0.0.1. The user `name` has `password` and is given `address`. Resolves, when it is ready, to what stops it. */
export async function startRadius(namespace, directory, { name, password, address }) {
  mkdirSync(directory, { recursive: true })
  writeFileSync(`${directory}/users`, `${name} Cleartext-Password := "${password}"\n\tFramed-IP-Address = ${address}\n`)
  writeFileSync(`${directory}/radiusd.conf`, configuration(directory))
  const logFile = `${directory}/log`
  const arguments_ = ['netns', 'exec', namespace, binary, '-f', '-l', logFile, '-d', directory, '-n', 'radiusd']
  const process = start('ip', arguments_, `${directory}/stdout`)
  await waitFor('FreeRADIUS', async () => {
    if (process.result)
      throw new Error(`FreeRADIUS ended:\n${readFileSync(`${directory}/stdout`, 'utf8')}${log(logFile)}`)
    return /Ready to process requests/.test(log(logFile))
  })
  return () => stop(process)
}

const log = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '')

const configuration = (directory) => `prefix = /usr
logdir = ${directory}
run_dir = ${directory}
libdir = /usr/lib/freeradius
max_request_time = 10
cleanup_delay = 1
max_requests = 256
log { auth = yes }
security { max_attributes = 200
  reject_delay = 0
  status_server = no }
thread pool { start_servers = 1
  max_servers = 2
  min_spare_servers = 1
  max_spare_servers = 1
  max_requests_per_server = 0 }
client gateway { ipaddr = 127.0.0.1
  secret = "${secret}"
  require_message_authenticator = yes }
modules {
  files { usersfile = ${directory}/users }
  mschap { use_mppe = yes
    require_encryption = yes
    require_strong = yes }
  detail { filename = ${detailFile(directory)} }
  eap { default_eap_type = mschapv2
    timer_expire = 60
    max_sessions = 64
    mschapv2 { } }
}
server default {
  listen { type = auth
    ipaddr = 127.0.0.1
    port = 1812 }
  listen { type = acct
    ipaddr = 127.0.0.1
    port = 1813 }
  accounting {
    detail
  }
  authorize {
    files
    eap
  }
  authenticate {
    Auth-Type MS-CHAP {
      mschap
    }
    eap
  }
}
`
