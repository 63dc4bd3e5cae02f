import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, it } from 'vitest'

const program = `
import { openNodeUdp as openUdp } from './src/dgram-ext/index.ts'
const address = Uint8Array.of(127, 0, 0, 1)
const [a, b] = [await openUdp({ address, port: 0 }), await openUdp({ address, port: 0 })]
const heads = []
b.onMessage((buffer, offset) => {
  if (heads.push(buffer[offset]) < 100) return
  console.log(JSON.stringify(heads))
  a.close()
  b.close()
})
const buffer = new Uint8Array(100)
for (let i = 0; i < 100; i++) {
  buffer.fill(i)
  a.send(buffer, 0, buffer.length, b.local)
}
buffer.fill(255)
`

// Usually the kernel takes a datagram within send. This switch of Node makes every one wait in libuv, as under load.
it('lets the caller reuse the buffer while datagrams wait for the kernel', async () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: root, loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
  })
  const child = spawn(process.execPath, ['--test-udp-no-try-send', '--input-type=module', '-'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(outputFiles[0]!.text)
  let output = ''
  for await (const chunk of child.stdout) output += chunk
  expect(JSON.parse(output)).toEqual(Array.from({ length: 100 }, (_, i) => i))
})
