import { spawnSync } from 'node:child_process'
import { fromHex, toHex } from '../../src/bytes/index.ts'

const namespace = `typeswan-iproute2-${process.pid}`

/** Sends messages to NETLINK_XFRM, reads the answers of each until its ACK or DONE, and prints both in hexadecimal. */
const script = `
import json, socket, struct, sys
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 6)
s.bind((0, 0))
answers = []
for text in json.load(sys.stdin):
    s.send(bytes.fromhex(text))
    answer, done = b'', False
    while not done:
        data = s.recv(1 << 20)
        answer += data
        while data:
            length, kind = struct.unpack_from('=IH', data)
            done = done or kind in (2, 3)
            data = data[(length + 3) & ~3:]
    answers.append(answer.hex())
json.dump(answers, sys.stdout)
`

/** XFRM of the kernel, in a network namespace of its own. */
export class KernelXfrm {
  constructor() {
    spawnSync('ip', ['netns', 'add', namespace])
  }

  /** What the kernel answered to each of the messages, which must ask for an answer. */
  ask(messages: readonly Uint8Array[]): Uint8Array[] {
    const { stdout, stderr } = spawnSync('ip', ['netns', 'exec', namespace, 'python3', '-c', script], {
      input: JSON.stringify(messages.map(toHex)),
      encoding: 'utf8',
      maxBuffer: 2 ** 30,
    })
    if (stderr !== '') throw new Error(stderr)
    return (JSON.parse(stdout) as string[]).map(fromHex)
  }

  /** What `ip` prints there. */
  ip(...words: string[]): string {
    return spawnSync('ip', ['-n', namespace, ...words], {
      encoding: 'utf8',
      maxBuffer: 2 ** 30,
      env: { ...process.env, TZ: 'UTC' },
    }).stdout
  }

  remove(): void {
    spawnSync('ip', ['netns', 'delete', namespace])
  }
}

/** Why there is none; undefined when there is one. */
export function whyNoKernel(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root'
  for (const [program, ...words] of [
    ['ip', 'xfrm', 'policy'],
    ['python3', '--version'],
  ]) {
    if (spawnSync(program!, words).status !== 0) return `no ${[program, ...words].join(' ')}`
  }
  return undefined
}
