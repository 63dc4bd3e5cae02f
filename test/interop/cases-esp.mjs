// Every ESP algorithm that strongSwan's userspace ESP has, beside those of the other cases: a tunnel, pings, a little traffic.
import { tunnelCase } from './case.mjs'
import { Charon } from './charon.mjs'
import { Typeswan } from './typeswan.mjs'

const psk = 'correct horse battery staple'
const ike = 'aes128gcm16-prfsha256-ecp256'
/** 3DES lasts for 8 MiB under one key here. */
const bytes = 2_000_000

const suites = [
  'aes192gcm16',
  'aes128gcm12',
  'aes256gcm8',
  'aes128ccm16',
  'aes192ccm12',
  'aes256ccm8',
  'aes128ctr-sha256',
  'aes256ctr-aescmac',
  'aes192-aesxcbc',
  'aes128-sha384',
  'aes192-sha512',
  '3des-sha1',
  'null-sha256',
]

/** What differs from others in more than the length of a key or a tag. */
const inEveryRun = [
  'aes128gcm12',
  'aes128ccm16',
  'aes128ctr-sha256',
  'aes256ctr-aescmac',
  'aes192-aesxcbc',
  'null-sha256',
]

/** Who begins alternates over the table. */
export const espCases = suites.map((esp, at) => {
  const settings = {
    ...{ ike, esp, psk },
    typeswan: { endpoint: { allowWeak: ['sha1', '3des', 'null'] } },
    charon: { plugins: 'aes ctr ccm gcm cmac xcbc' },
  }
  const [role, client, server] = at % 2 === 0 ? ['initiator', Typeswan, Charon] : ['responder', Charon, Typeswan]
  return {
    nightly: !inEveryRun.includes(esp),
    name: `esp ${role} ${esp}`,
    body: tunnelCase({ client, server, nat: false, deleteBy: 'client', settings, bytes }),
  }
})
