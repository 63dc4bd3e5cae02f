import { describe, expect, it } from 'vitest'
import { fromHex, toHex, Writer } from '../../../src/bytes/index.ts'
import { nobleProvider } from '../../../src/crypto/noble.ts'
import { nodeProvider } from '../../../src/crypto/node.ts'
import type { CryptoProvider } from '../../../src/crypto/provider.ts'
import { Encr, Integ, Prf, type PrfInfo, prfInfo } from '../../../src/crypto/transforms.ts'
import { intermediateAuth, intermediateIntAuth, pskAuth, signedOctets } from '../../../src/ike/auth/auth-octets.ts'
import {
  type ChildSuite,
  deriveChildKeys,
  deriveIkeKeys,
  deriveSkeyseed,
  deriveSkeyseedAdditional,
  deriveSkeyseedRekey,
  type IkeKeys,
  mixPpk,
} from '../../../src/ike/keys/keymat.ts'
import { ikeMessage, traceNames } from '../../support/ike-traces.ts'
import { flatChildKeys, hexIkeKeys } from '../../support/keys.ts'
import type { Trace, TraceChildSa, TraceIkeSa, TraceKe, TraceKeySet, TraceSuite } from '../../support/trace.ts'
import { loadTrace } from '../../support/vectors.ts'

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
  /** IKE_INTERMEDIATE messages that AUTH covers. */
  intAuth: number
  /** AUTH payloads of method 2, as they stand in IKE_AUTH. */
  pskAuth: number
}

const none: Checked = { ke: 0, SKEYSEED: 0, ikeKeys: 0, childKeys: 0, octets: 0, intAuth: 0, pskAuth: 0 }
/** IKE_SA_INIT and IKE_AUTH. */
const one: Checked = { ...none, ke: 1, SKEYSEED: 1, ikeKeys: 1, childKeys: 1, octets: 2, pskAuth: 2 }
/** With a CHILD_SA and a rekeyed IKE SA after it, each with a key exchange. */
const three: Checked = { ...one, ke: 3, SKEYSEED: 2, ikeKeys: 2, childKeys: 2 }
/** The same with an additional key exchange each time, and so with keys before and after IKE_INTERMEDIATE. */
const multi: Checked = { ...three, ke: 6, SKEYSEED: 3, ikeKeys: 3, intAuth: 2 }

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
  'psk-x448': one,
  'psk-ccm-ecp521': one,
  'psk-xcbc': one,
  'pq-psk-ecp256-ke1ecp384': multi,
  'pq-psk-x25519-mlkem768': multi,
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
  if (first !== undefined) checkAuth(crypto, trace, first, checked)
  return checked
}

/** The key exchanges of an SA. With ML-KEM there is no private value of the responder. */
function keyExchangesOf(
  sa: TraceIkeSa | TraceChildSa,
): (Omit<TraceKe, 'privResponder'> & { privResponder?: string })[] {
  if (sa.keyExchanges === undefined) {
    return sa.gir === null || sa.dhGroup === null ? [] : [{ ...sa, group: sa.dhGroup, gir: sa.gir }]
  }
  return sa.keyExchanges.map(({ method, requesterData, responderData, mlkemSeedRequester, ...ke }) => ({
    ...ke,
    group: method,
    pubRequester: requesterData,
    pubResponder: responderData,
    privRequester: mlkemSeedRequester ?? ke.privRequester!,
    gir: ke.secret,
  }))
}

function checkKe(crypto: CryptoProvider, ke: ReturnType<typeof keyExchangesOf>[number], checked: Checked): void {
  checked.ke++
  const requester = crypto.keyExchangeFromPrivate(ke.group, fromHex(ke.privRequester))
  expect(toHex(requester.publicValue)).toBe(ke.pubRequester)
  expect(toHex(requester.finish(fromHex(ke.pubResponder)))).toBe(ke.gir)
  if (ke.privResponder === undefined) return
  const responder = crypto.keyExchangeFromPrivate(ke.group, fromHex(ke.privResponder))
  expect(toHex(responder.publicValue)).toBe(ke.pubResponder)
  expect(toHex(responder.finish(fromHex(ke.pubRequester)))).toBe(ke.gir)
}

function checkIkeSa(crypto: CryptoProvider, trace: Trace, sa: TraceIkeSa, checked: Checked): void {
  const prf = prfInfo(Prf[sa.prf])!
  const Ni = fromHex(sa.ni)
  const Nr = fromHex(sa.nr)
  const old = sa.rekeyOf && findIkeSa(trace, ...sa.rekeyOf)
  const [gir, ...additional] = sa.keyExchanges?.map(({ secret }) => fromHex(secret)) ?? [fromHex(sa.gir)]
  if (old !== undefined) {
    const oldPrf = prfInfo(Prf[old.prf])!
    const SKEYSEED = deriveSkeyseedRekey(crypto, oldPrf, fromHex(lastSK_d(old)), gir!, Ni, Nr, additional)
    checkKeySet(crypto, sa, sa.keySets?.[0] ?? sa, SKEYSEED, checked)
    return
  }
  let keySet = sa.keySets?.[0] ?? sa
  checkKeySet(crypto, sa, keySet, deriveSkeyseed(crypto, prf, Ni, Nr, gir!), checked)
  additional.forEach((secret, n) => {
    const SKEYSEED = deriveSkeyseedAdditional(crypto, prf, fromHex(keySet.sk_d), secret, Ni, Nr)
    keySet = sa.keySets![n + 1]!
    checkKeySet(crypto, sa, keySet, SKEYSEED, checked)
  })
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
  const [Ni, Nr, SPIi, SPIr] = [sa.ni, sa.nr, sa.spiI, sa.spiR].map(fromHex) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  const keys = deriveIkeKeys(crypto, { ...suiteOf(sa), prf: Prf[sa.prf] }, SKEYSEED, Ni, Nr, SPIi, SPIr)
  const { sk_d, sk_ai, sk_ar, sk_ei, sk_er, sk_pi, sk_pr } = keySet
  expect(hexIkeKeys(keys)).toEqual({
    ...{ SK_d: sk_d, SK_ai: sk_ai, SK_ar: sk_ar, SK_ei: sk_ei },
    ...{ SK_er: sk_er, SK_pi: sk_pi, SK_pr: sk_pr },
  })
  checked.ikeKeys++
}

/** RFC 8784 §3: SK_d = prf+ (PPK, SK_d'), and the same for SK_pi and SK_pr. */
function checkPpk(crypto: CryptoProvider, prf: PrfInfo, ppk: string, sa: TraceIkeSa): void {
  const keys = ikeKeysOf(sa)
  const before = hexIkeKeys(keys)
  const mixed = mixPpk(crypto, prf, fromHex(ppk), keys)
  expect(hexIkeKeys(mixed)).toEqual({ ...before, SK_d: sa.sk_d_ppk, SK_pi: sa.sk_pi_ppk, SK_pr: sa.sk_pr_ppk })
  expect(hexIkeKeys(keys)).toEqual(before)
}

function checkChildSa(crypto: CryptoProvider, trace: Trace, child: TraceChildSa, checked: Checked): void {
  const ike = findIkeSa(trace, child.ikeSpiI, child.ikeSpiR)
  const prf = prfInfo(Prf[ike.prf])!
  const recorded = child.keyExchanges?.map(({ secret }) => secret) ?? (child.gir === null ? [] : [child.gir])
  const [gir, ...additional] = recorded.map(fromHex)
  const SK_d = fromHex(lastSK_d(ike))
  const keys = deriveChildKeys(crypto, prf, SK_d, suiteOf(child), fromHex(child.ni), fromHex(child.nr), gir, additional)
  expect(flatChildKeys(keys)).toEqual([child.encI2R, child.integI2R, child.encR2I, child.integR2I])
  checked.childKeys++
}

function checkAuth(crypto: CryptoProvider, trace: Trace, sa: TraceIkeSa, checked: Checked): void {
  const prf = prfInfo(Prf[sa.prf])!
  const secrets = logged(trace, 'secret')
  const octetsLogged = logged(trace, 'octets = message')
  const intAuth = checkIntermediate(crypto, trace, sa, prf, checked)
  const keys = sa.keySets?.at(-1) ?? sa
  const sides = [
    { fromInitiator: true, id: 35, message: sa.initRequest, nonce: sa.nr, SK_p: sa.sk_pi_ppk ?? keys.sk_pi },
    { fromInitiator: false, id: 36, message: sa.initResponse, nonce: sa.ni, SK_p: sa.sk_pr_ppk ?? keys.sk_pr },
  ]
  for (const { fromInitiator, id, message, nonce, SK_p } of sides) {
    const idBody = payloadsOf(trace, fromInitiator, id)[0]!
    const octets = signedOctets(crypto, prf, fromHex(message), fromHex(nonce), fromHex(SK_p), fromHex(idBody), intAuth)
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

/** IntAuth of a conversation with one IKE_INTERMEDIATE exchange, empty for one without. */
function checkIntermediate(
  crypto: CryptoProvider,
  trace: Trace,
  sa: TraceIkeSa,
  prf: PrfInfo,
  checked: Checked,
): Uint8Array {
  const messages = trace.packets.filter(
    ({ header, decrypted }) => header?.exchange === 'IKE_INTERMEDIATE' && decrypted?.payloads !== undefined,
  )
  const [ofInitiator, ofResponder] = messages.map((packet) => {
    const SK_p = packet.header!.initiator ? sa.keySets![0]!.sk_pi : sa.keySets![0]!.sk_pr
    const header = ikeMessage(packet).subarray(0, 28)
    const chain = new Writer()
    // <-- HDR, SK {KE}: with an additional key exchange that is all.
    const [{ type, body }] = packet.decrypted!.payloads as [{ type: number; body: string }]
    chain
      .u8(0)
      .u8(0)
      .u16(4 + body.length / 2)
      .bytes(fromHex(body))
    const value = intermediateAuth(crypto, prf, fromHex(SK_p), new Uint8Array(0), header, type, chain.finish())
    expect(logged(trace, 'IntAuth_N =')).toContain(toHex(value))
    checked.intAuth++
    return value
  })
  if (ofInitiator === undefined) return new Uint8Array(0)
  const firstAuth = trace.packets.find(({ header }) => header?.exchange === 'IKE_AUTH')!
  return intermediateIntAuth(ofInitiator, ofResponder!, firstAuth.header!.messageId)
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

const ikeKeysOf = (keys: TraceKeySet): IkeKeys => ({
  ...{ SK_d: fromHex(keys.sk_d), SK_ai: fromHex(keys.sk_ai), SK_ar: fromHex(keys.sk_ar) },
  ...{ SK_ei: fromHex(keys.sk_ei), SK_er: fromHex(keys.sk_er) },
  ...{ SK_pi: fromHex(keys.sk_pi), SK_pr: fromHex(keys.sk_pr) },
})

const suiteOf = (sa: TraceSuite): ChildSuite => ({
  encr: Encr[sa.encr],
  keyBits: sa.encrKeyBits,
  integ: Integ[sa.integ],
})
