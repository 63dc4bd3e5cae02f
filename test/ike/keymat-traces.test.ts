import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/bytes/index.ts'
import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { prfPlus } from '../../src/crypto/prf-plus.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import {
  Encr,
  encrInfo,
  Integ,
  integInfo,
  keGroupInfo,
  Prf,
  type PrfInfo,
  prfInfo,
} from '../../src/crypto/transforms.ts'
import { pskAuth, signedOctets } from '../../src/ike/auth-octets.ts'
import {
  type ChildSuite,
  deriveChildKeys,
  deriveIkeKeys,
  deriveSkeyseed,
  deriveSkeyseedRekey,
} from '../../src/ike/keymat.ts'
import { traceNames } from '../support/ike-traces.ts'
import { flatChildKeys, hexIkeKeys } from '../support/keys.ts'
import type { Trace, TraceChildSa, TraceIkeSa, TraceKe, TraceKeySet, TraceSuite } from '../support/trace.ts'
import { loadTrace } from '../support/vectors.ts'

const providers = [nobleProvider, nodeProvider]

/** How many of each were compared with the recording. */
interface Checked {
  /** Key exchanges, both sides. */
  ke: number
  SKEYSEED: number
  ikeKeys: number
  childKeys: number
  /** Octets to be signed, one for each side. */
  octets: number
  /** AUTH payloads of method 2, as they stand in IKE_AUTH. */
  pskAuth: number
}

const none: Checked = { ke: 0, SKEYSEED: 0, ikeKeys: 0, childKeys: 0, octets: 0, pskAuth: 0 }
/** IKE_SA_INIT and IKE_AUTH. */
const one: Checked = { ke: 1, SKEYSEED: 1, ikeKeys: 1, childKeys: 1, octets: 2, pskAuth: 2 }
/** With a CHILD_SA and a rekeyed IKE SA after it, each with a key exchange. */
const three: Checked = { ke: 3, SKEYSEED: 2, ikeKeys: 2, childKeys: 2, octets: 2, pskAuth: 2 }

/** What each recording must have been compared on; `notRun` names what is left out of it and why. */
const traces: Record<string, Checked & { notRun?: string }> = {
  'psk-gcm128-sha256-ecp256': three,
  'psk-cbc256-sha256-modp2048': three,
  'psk-chacha20-x25519': three,
  'psk-invalid-ke-cookie': one,
  'psk-ppk': three,
  'eap-md5': one,
  'eap-mschapv2-nofrag-gcm': one,
  'ecdsa256-legacy-auth': { ...one, pskAuth: 0, notRun: 'the signatures' },
  'ecdsa256-nofrag': { ...one, pskAuth: 0, notRun: 'the signatures' },
  'rsa-frag-gcm256': { ...three, ke: 2, pskAuth: 0, notRun: 'the signatures' },
  'rsa-pss-sha384': { ...one, pskAuth: 0, notRun: 'the signatures' },
  'psk-x448': { ...one, ke: 0, notRun: 'the key exchange: CURVE448 is not implemented' },
  'psk-ccm-ecp521': { ...one, ikeKeys: 0, childKeys: 0, notRun: 'the keys: ENCR_AES_CCM_16 is not implemented' },
  'psk-xcbc': { ...none, ke: 1, notRun: 'all but the key exchange: PRF_AES128_XCBC is not implemented' },
  'pq-psk-ecp256-ke1ecp384': {
    ...{ ...none, ke: 6, SKEYSEED: 2, ikeKeys: 2, childKeys: 1 },
    notRun: 'the rekeyed SAs and AUTH: RFC 9370 and RFC 9242 put more octets into them',
  },
  'pq-psk-x25519-mlkem768': {
    ...{ ...none, ke: 3, SKEYSEED: 2, ikeKeys: 2, childKeys: 1 },
    notRun: 'ML-KEM, which is not implemented, and what the one above leaves out',
  },
  'no-proposal': { ...none, notRun: 'anything: the responder refused, so there are no keys' },
}

it('every recorded conversation has its row', () => {
  expect(Object.keys(traces).sort()).toEqual([...traceNames].sort())
})

describe.each(providers)('$name: recorded conversations of two other daemons', (crypto) => {
  for (const [name, { notRun, ...expected }] of Object.entries(traces)) {
    const trace = loadTrace<Trace>(name)
    it.skipIf(trace === undefined)(`${name}${notRun === undefined ? '' : ` (without ${notRun})`}`, () => {
      expect(checkTrace(crypto, trace!)).toEqual(expected)
    })
  }
})

function checkTrace(crypto: CryptoProvider, trace: Trace): Checked {
  const checked = { ...none }
  for (const sa of trace.ikeSas ?? []) {
    for (const ke of keyExchangesOf(sa)) checkKe(crypto, ke, checked)
    checkIkeSa(crypto, trace, sa, checked)
  }
  for (const child of trace.childSas ?? []) {
    for (const ke of keyExchangesOf(child)) checkKe(crypto, ke, checked)
    checkChildSa(crypto, trace, child, checked)
  }
  const first = trace.ikeSas?.[0]
  if (first !== undefined && first.keySets === undefined) checkAuth(crypto, trace, first, checked)
  return checked
}

/** The key exchanges of an SA whose private values were recorded on both sides. */
function keyExchangesOf(sa: TraceIkeSa | TraceChildSa): TraceKe[] {
  if (sa.keyExchanges === undefined) {
    return sa.gir === null || sa.dhGroup === null ? [] : [{ ...sa, group: sa.dhGroup, gir: sa.gir }]
  }
  return sa.keyExchanges.flatMap(({ method, requesterData, responderData, privRequester, privResponder, secret }) =>
    privRequester === undefined || privResponder === undefined
      ? []
      : [
          {
            group: method,
            pubRequester: requesterData,
            pubResponder: responderData,
            privRequester,
            privResponder,
            gir: secret,
          },
        ],
  )
}

function checkKe(crypto: CryptoProvider, ke: TraceKe, checked: Checked): void {
  if (keGroupInfo(ke.group) === undefined) return
  const requester = crypto.keyExchangeFromPrivate(ke.group, fromHex(ke.privRequester))
  const responder = crypto.keyExchangeFromPrivate(ke.group, fromHex(ke.privResponder))
  expect(toHex(requester.publicValue)).toBe(ke.pubRequester)
  expect(toHex(responder.publicValue)).toBe(ke.pubResponder)
  expect(toHex(requester.finish(fromHex(ke.pubResponder)))).toBe(ke.gir)
  expect(toHex(responder.finish(fromHex(ke.pubRequester)))).toBe(ke.gir)
  checked.ke++
}

function checkIkeSa(crypto: CryptoProvider, trace: Trace, sa: TraceIkeSa, checked: Checked): void {
  const prf = prfInfo(Prf[sa.prf])
  if (prf === undefined) return
  const Ni = fromHex(sa.ni)
  const Nr = fromHex(sa.nr)
  if (sa.keySets !== undefined) {
    if (sa.rekeyOf !== undefined) return
    let SK_d: Uint8Array = new Uint8Array(0)
    sa.keySets.forEach((keySet, n) => {
      const secret = fromHex(sa.keyExchanges![n]!.secret)
      // RFC 9370 §2.2.2: after IKE_INTERMEDIATE n the keys come as in a rekey, from the SK_d before.
      const SKEYSEED =
        n === 0 ? deriveSkeyseed(crypto, prf, Ni, Nr, secret) : deriveSkeyseedRekey(crypto, prf, SK_d, secret, Ni, Nr)
      checkKeySet(crypto, sa, keySet, SKEYSEED, checked)
      SK_d = fromHex(keySet.sk_d)
    })
    return
  }
  const gir = fromHex(sa.gir)
  const old = sa.rekeyOf && findIkeSa(trace, ...sa.rekeyOf)
  const SKEYSEED =
    old === undefined
      ? deriveSkeyseed(crypto, prf, Ni, Nr, gir)
      : deriveSkeyseedRekey(crypto, prfInfo(Prf[old.prf])!, fromHex(lastSK_d(old)), gir, Ni, Nr)
  checkKeySet(crypto, sa, sa, SKEYSEED, checked)
  if (sa.sk_d_ppk !== undefined) checkPpk(crypto, prf, trace.config.ppk!, sa)
}

function checkKeySet(
  crypto: CryptoProvider,
  sa: TraceIkeSa,
  keySet: TraceKeySet,
  SKEYSEED: Uint8Array,
  checked: Checked,
): void {
  expect(toHex(SKEYSEED)).toBe(keySet.skeyseed)
  checked.SKEYSEED++
  const suite = suiteOf(sa)
  if (suite === undefined) return
  const [Ni, Nr, SPIi, SPIr] = [sa.ni, sa.nr, sa.spiI, sa.spiR].map(fromHex) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  const keys = deriveIkeKeys(crypto, { ...suite, prf: Prf[sa.prf] }, SKEYSEED, Ni, Nr, SPIi, SPIr)
  const { sk_d, sk_ai, sk_ar, sk_ei, sk_er, sk_pi, sk_pr } = keySet
  expect(hexIkeKeys(keys)).toEqual({
    ...{ SK_d: sk_d, SK_ai: sk_ai, SK_ar: sk_ar, SK_ei: sk_ei },
    ...{ SK_er: sk_er, SK_pi: sk_pi, SK_pr: sk_pr },
  })
  checked.ikeKeys++
}

/** RFC 8784 §3: SK_d = prf+ (PPK, SK_d'), and the same for SK_pi and SK_pr. */
function checkPpk(crypto: CryptoProvider, prf: PrfInfo, ppk: string, sa: TraceIkeSa): void {
  const mixed = (key: string) => toHex(prfPlus(crypto, prf.hash, fromHex(ppk), fromHex(key), prf.bytes))
  expect([mixed(sa.sk_d), mixed(sa.sk_pi), mixed(sa.sk_pr)]).toEqual([sa.sk_d_ppk, sa.sk_pi_ppk, sa.sk_pr_ppk])
}

function checkChildSa(crypto: CryptoProvider, trace: Trace, child: TraceChildSa, checked: Checked): void {
  const ike = findIkeSa(trace, child.ikeSpiI, child.ikeSpiR)
  const prf = prfInfo(Prf[ike.prf])
  const suite = suiteOf(child)
  // RFC 9370 §2.2.4 puts all shared secrets of the exchange into one KEYMAT.
  if (prf === undefined || suite === undefined || (child.keyExchanges?.length ?? 0) > 1) return
  const gir = child.gir === null || child.gir === undefined ? undefined : fromHex(child.gir)
  const SK_d = fromHex(lastSK_d(ike))
  const keys = deriveChildKeys(crypto, prf, SK_d, suite, fromHex(child.ni), fromHex(child.nr), gir)
  expect(flatChildKeys(keys)).toEqual([child.encI2R, child.integI2R, child.encR2I, child.integR2I])
  checked.childKeys++
}

function checkAuth(crypto: CryptoProvider, trace: Trace, sa: TraceIkeSa, checked: Checked): void {
  const prf = prfInfo(Prf[sa.prf])
  if (prf === undefined) return
  const secrets = logged(trace, 'secret')
  const octetsLogged = logged(trace, 'octets = message')
  const sides = [
    { fromInitiator: true, id: 35, message: sa.initRequest, nonce: sa.nr, SK_p: sa.sk_pi_ppk ?? sa.sk_pi },
    { fromInitiator: false, id: 36, message: sa.initResponse, nonce: sa.ni, SK_p: sa.sk_pr_ppk ?? sa.sk_pr },
  ]
  for (const { fromInitiator, id, message, nonce, SK_p } of sides) {
    const idBody = payloadsOf(trace, fromInitiator, id)[0]!
    const octets = signedOctets(crypto, prf, fromHex(message), fromHex(nonce), fromHex(SK_p), fromHex(idBody))
    expect(octetsLogged).toContain(toHex(octets))
    checked.octets++
    // An EAP responder sends two: its signature first, the one made from the MSK last.
    const auth = payloadsOf(trace, fromInitiator, 39).at(-1)!
    if (!auth.startsWith('02000000')) continue
    const made = secrets.map((secret) => `02000000${toHex(pskAuth(crypto, prf, fromHex(secret), octets))}`)
    expect(made).toContain(auth)
    checked.pskAuth++
  }
}

/** Bodies of all payloads of `type` that one side sent inside IKE_AUTH. */
function payloadsOf(trace: Trace, fromInitiator: boolean, type: number): string[] {
  return trace.packets
    .filter(({ header }) => header?.exchange === 'IKE_AUTH' && header.initiator === fromInitiator)
    .flatMap(({ decrypted }) => decrypted?.payloads ?? [])
    .filter((payload) => payload.type === type)
    .map(({ body }) => body)
}

const logged = (trace: Trace, label: string): string[] =>
  (trace.authLog ?? []).filter((line) => line.label.startsWith(label)).map(({ hex }) => hex)

const findIkeSa = (trace: Trace, spiI: string, spiR: string): TraceIkeSa =>
  trace.ikeSas!.find((sa) => sa.spiI === spiI && sa.spiR === spiR)!

const lastSK_d = (sa: TraceIkeSa): string => sa.sk_d_ppk ?? sa.keySets?.at(-1)?.sk_d ?? sa.sk_d

/** The suite in numbers, undefined when a part of it is not implemented. */
function suiteOf(sa: TraceSuite): ChildSuite | undefined {
  const encr = Encr[sa.encr]
  const integ = Integ[sa.integ]
  if (encrInfo(encr) === undefined || (integ !== Integ.NONE && integInfo(integ) === undefined)) return undefined
  return { encr, keyBits: sa.encrKeyBits, integ }
}
