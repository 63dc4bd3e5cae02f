// EAP on TLS with the stacks of wpa_supplicant and hostapd (Debian packages eapoltest, hostapd), on loopback, without privileges. One line for
// each case; where a program is not there, its cases are skipped, and the line says so.
//   node test/interop/eap/run.mjs
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { asPeer, startHostapd } from './as-peer.mjs'
import { asServer } from './as-server.mjs'

const directory = mkdtempSync(`${tmpdir()}/typeswan-eap-`)
const counts = { ok: 0, 'not ok': 0, skipped: 0 }
const say = (outcome, name, detail) => {
  counts[outcome]++
  console.log(`${outcome} ${name}${detail === undefined ? '' : `: ${detail}`}`)
}
const isThere = (command) => spawnSync(command, ['-v']).error === undefined

const good = [
  'tls alice',
  'ttls pap',
  'ttls mschapv2',
  'ttls eap-mschapv2',
  'ttls eap-md5',
  'peap mschapv2',
  'peap gtc',
]
const wrongPassword = ['ttls pap', 'ttls mschapv2', 'ttls eap-mschapv2', 'peap mschapv2']
const split = (words) => ({ outer: words.split(' ')[0], inside: words.split(' ')[1] })

async function check(name, run, expected) {
  try {
    const result = await run()
    const fits = expected === 'success' ? result.kind === 'success' && result.sameKey : expected.test(result.message)
    say(fits ? 'ok' : 'not ok', name, fits ? (result.message ?? 'the same key') : JSON.stringify(result))
  } catch (error) {
    say('not ok', name, error.message)
  }
}

async function serverCases(version) {
  const to = (words) => `server of eapol_test, TLS ${version}, ${words}`
  for (const words of good) {
    await check(to(words), () => asServer({ version, ...split(words) }, directory), 'success')
  }
  const small = { version, ...split('tls alice'), mtu: 200 }
  await check(to('tls in small fragments'), () => asServer(small, directory), 'success')
  for (const [what, binding] of [
    ['no cryptobinding', 0],
    ['cryptobinding required', 2],
  ]) {
    const sides = { version, ...split('peap mschapv2'), binding }
    await check(to(`peap mschapv2, ${what}`), () => asServer(sides, directory), 'success')
  }
  for (const words of wrongPassword) {
    const sides = { version, ...split(words), given: 'wrong' }
    await check(to(`${words}, wrong password`), () => asServer(sides, directory), /wrong password of alice/)
  }
  const stranger = { version, ...split('tls alice'), ca: 'other-ca.pem' }
  await check(to('tls, a CA that the peer does not have'), () => asServer(stranger, directory), /unknown_ca \(48\)/)
  const expired = { version, ...split('tls expired') }
  await check(to('tls, a certificate that has expired'), () => asServer(expired, directory), /CN=carol.* expired on/)
}

async function peerCases(version) {
  const to = (words) => `peer of hostapd, TLS ${version}, ${words}`
  const hostapd = await startHostapd(version, directory)
  try {
    // Its TLV does not fit under TLS 1.3: see docs/interop.md.
    const cryptobinding = version === '1.3' ? 'never' : 'required'
    for (const words of [...good, 'tls long-alice', 'ttls eap-gtc']) {
      const sides = { version, ...split(words), mtu: 400, cryptobinding }
      await check(to(words), () => asPeer(sides, hostapd.port), 'success')
    }
    for (const words of wrongPassword) {
      const sides = { version, ...split(words), given: 'wrong' }
      await check(to(`${words}, wrong password`), () => asPeer(sides, hostapd.port), /user name or password/)
    }
    const stranger = { version, ...split('tls other-alice') }
    await check(to('tls, an unknown CA'), () => asPeer(stranger, hostapd.port), /may not accept|does not accept/)
  } finally {
    await hostapd.stop()
  }
}

for (const [program, cases] of [
  ['eapol_test', serverCases],
  ['hostapd', peerCases],
]) {
  for (const version of ['1.2', '1.3']) {
    if (isThere(program)) await cases(version)
    else say('skipped', `everything with ${program}, TLS ${version}`, `${program} is not installed`)
  }
}
rmSync(directory, { recursive: true, force: true })
console.log(`${counts.ok} passed, ${counts['not ok']} failed, ${counts.skipped} skipped`)
process.exitCode = counts['not ok'] > 0 || counts.ok === 0 ? 1 : 0
