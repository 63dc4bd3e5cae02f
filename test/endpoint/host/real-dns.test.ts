import { writeFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { dnsmasqBackend } from '../../../src/endpoint/host/dns/dnsmasq.ts'
import { resolvconfBackend } from '../../../src/endpoint/host/dns/resolvconf.ts'
import { missing, type Namespace, openNamespace } from './namespaces.ts'
import { withFolder } from './support.ts'

let space: Namespace | undefined

afterEach(async () => {
  await space?.close()
  space = undefined
})

/** The address that the resolver at 127.0.0.1 gives for a name, or the error's code. */
const lookUp = (inside: Namespace, name: string): Promise<string> =>
  inside
    .sh(
      `exec ${process.execPath} -e "
        const r = new (require('dns').promises.Resolver)({ timeout: 500, tries: 2 })
        r.setServers(['127.0.0.1:5300'])
        r.resolve4('${name}').then((a) => console.log(a[0]), (e) => console.log(e.code))"`,
    )
    .then((text) => text.trim())

const noDnsmasq = missing('dnsmasq')

describe.skipIf(noDnsmasq !== undefined)(`the real dnsmasq${noDnsmasq ? ` (${noDnsmasq})` : ''}`, () => {
  test('asks the pushed server for the pushed domain, and no longer when it is taken back', () =>
    withFolder(async (folder) => {
      space = await openNamespace()
      const files = { serversFile: `${folder}/servers`, pidFile: `${folder}/pid` }
      writeFileSync(files.serversFile, '')
      const common = [
        '--keep-in-foreground',
        '--log-facility=-',
        '--no-resolv',
        '--no-hosts',
        '--bind-interfaces',
        '--user=root',
        '--cache-size=0',
      ]
      // The one behind the tunnel, the one of the network outside, and the machine's own.
      const answers = (address: string, gives: string) =>
        space!.start(
          'dnsmasq',
          ...['--conf-file=/dev/null', ...common, `--listen-address=${address}`, '--port=53'],
          ...[`--address=/#/${gives}`, `--pid-file=${folder}/pid-${address}`],
        )
      answers('127.0.0.2', '10.1.0.7')
      answers('127.0.0.3', '192.0.2.7')
      space.start(
        'dnsmasq',
        ...['--conf-file=/dev/null', ...common, '--listen-address=127.0.0.1', '--port=5300', '--server=127.0.0.3'],
        ...[`--servers-file=${files.serversFile}`, `--pid-file=${files.pidFile}`],
      )
      const inside = space
      await expect.poll(() => lookUp(inside, 'www.corp.example'), { timeout: 10_000 }).toBe('192.0.2.7')
      const backend = dnsmasqBackend(files)
      await backend.apply('swan0', [{ servers: ['127.0.0.2'], domains: ['corp.example'] }])
      await expect.poll(() => lookUp(inside, 'www.corp.example'), { timeout: 5_000 }).toBe('10.1.0.7')
      expect(await lookUp(inside, 'www.other.example')).toBe('192.0.2.7')
      await backend.revert('swan0')
      await expect.poll(() => lookUp(inside, 'www.corp.example'), { timeout: 5_000 }).toBe('192.0.2.7')
    }))
})

const noResolvconf = missing('resolvconf')

describe.skipIf(noResolvconf !== undefined)(`the real resolvconf${noResolvconf ? ` (${noResolvconf})` : ''}`, () => {
  test('puts the pushed servers in front, and has the file as before when they are taken back', () =>
    withFolder(async (folder) => {
      space = await openNamespace()
      // A configuration of its own in this mount namespace, so that the machine's resolv.conf stays as it is.
      writeFileSync(`${folder}/resolvconf.conf`, `resolv_conf=${folder}/resolv.conf\n`)
      writeFileSync(`${folder}/resolv.conf`, '')
      await space.sh(`mount --bind ${folder}/resolvconf.conf /etc/resolvconf.conf`)
      await space.sh('echo "nameserver 192.0.2.53" | resolvconf -a eth0')
      const servers = async () =>
        (await space!.sh(`grep -E "^(nameserver|search)" ${folder}/resolv.conf || true`)).trim().split('\n')
      expect(await servers()).toEqual(['nameserver 192.0.2.53'])
      const backend = resolvconfBackend(space.run)
      await backend.apply('tun7', [{ servers: ['10.1.0.53'], domains: ['corp.example'] }])
      expect(await servers()).toEqual(expect.arrayContaining(['search corp.example', 'nameserver 10.1.0.53']))
      await backend.apply('tun7', [{ servers: ['10.1.0.54'], domains: [] }])
      expect(await servers()).not.toContain('nameserver 10.1.0.53')
      await backend.revert('tun7')
      expect(await servers()).toEqual(['nameserver 192.0.2.53'])
      await backend.revert('tun7')
    }))
})

describe('systemd-resolved, by a double that only writes down what resolvectl is asked for', () => {
  const cannot = missing()

  test.skipIf(cannot !== undefined)(`is driven through the command of that name${cannot ? ` (${cannot})` : ''}`, () =>
    withFolder(async (folder) => {
      const { resolvedBackend } = await import('../../../src/endpoint/host/dns/resolved.ts')
      space = await openNamespace()
      const double = `#!/bin/sh\necho "$*" >> ${folder}/asked\n`
      writeFileSync(`${folder}/resolvectl`, double, { mode: 0o755 })
      const { run } = space
      const backend = resolvedBackend((command, args, options) => run(`${folder}/${command}`, args, options))
      await backend.apply('swan0', [{ servers: ['10.1.0.53'], domains: ['corp.example'] }])
      await backend.revert('swan0')
      expect((await space.sh(`cat ${folder}/asked`)).trim().split('\n')).toEqual([
        'dns swan0 10.1.0.53',
        'domain swan0 ~corp.example',
        'default-route swan0 no',
        'revert swan0',
      ])
    }),
  )
})
