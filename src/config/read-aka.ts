import { fromHex } from '../bytes/index.ts'
import { SqnFile } from '../credentials/sqn-file.ts'
import { nodeProvider } from '../crypto/node.ts'
import type { RandomSource } from '../crypto/provider.ts'
import {
  type AkaSubscriber,
  type EapPeerCredentials,
  type EapServerCredentials,
  milenageOpc,
  softwareAuc,
  softwareUsim,
} from '../eap/index.ts'
import { type ReadContext, readSecret } from './read-secret.ts'
import type { Section } from './section.ts'

const defaultSqnFile = '/var/lib/typeswan/aka-sqn'

/** Files of sequence numbers, each opened once whoever names it. */
export class SqnFiles {
  readonly #resolvePath: (path: string) => string
  readonly #byPath = new Map<string, SqnFile>()

  constructor(resolvePath: (path: string) => string) {
    this.#resolvePath = resolvePath
  }

  at(path = defaultSqnFile): SqnFile {
    const absolute = this.#resolvePath(path)
    const file = this.#byPath.get(absolute) ?? new SqnFile(absolute, nodeProvider)
    this.#byPath.set(absolute, file)
    return file
  }

  get all(): readonly SqnFile[] {
    return [...this.#byPath.values()]
  }
}

/** Who can prove a USIM to us. */
export interface AkaSubscribers {
  /** By permanent identity, or by IMSI. */
  readonly byName: ReadonlyMap<string, AkaSubscriber>
}

/** The section `akaSubscribers`. */
export function readAkaSubscribers(
  root: Section,
  context: Pick<ReadContext, 'readSecretFile' | 'sqnFiles'>,
): AkaSubscribers {
  const entries = root
    .section('akaSubscribers')
    .sections()
    .map(({ name, section }): [string, AkaSubscriber] => {
      const subscriber = readSubscriber(section, context)
      return [name, context.sqnFiles.at(root.text('akaSqnFile')).authenticationCentre(subscriber)]
    })
  return { byName: new Map(entries) }
}

/** Vectors for the subscribers of the file. */
export function akaServer({ byName }: AkaSubscribers, random: RandomSource): EapServerCredentials {
  const auc = softwareAuc(nodeProvider, random, byName)
  return {
    akaVector(request) {
      const identity = subscriberOf(request.identity, byName)
      return identity === undefined ? undefined : auc.akaVector?.({ ...request, identity })
    },
  }
}

/** `local.eap.usim`: a USIM in software; what it needs is read, and its file not opened yet. */
export function akaPeer(section: Section, context: ReadContext): EapPeerCredentials {
  const subscriber = readSubscriber(section, context)
  return softwareUsim(nodeProvider, context.sqnFiles.at(section.text('sqnFile')).usim(subscriber))
}

/** A name as it stands there, or the IMSI in a permanent identity: 0 (EAP-AKA) or 6 (EAP-AKA') before it, a realm behind. TS 23.003 §19.3.2. */
function subscriberOf(identity: string, byName: ReadonlyMap<string, AkaSubscriber>): string | undefined {
  if (byName.has(identity)) return identity
  const imsi = /^[06](\d{6,15})(?:@|$)/.exec(identity)?.[1]
  return imsi !== undefined && byName.has(imsi) ? imsi : undefined
}

/** `k`, and `opc` or `op`, 16 octets each; `amf` 2 octets. */
function readSubscriber(section: Section, context: Pick<ReadContext, 'readSecretFile'>): AkaSubscriber {
  const k = readKey(section, 'k', context)
  const hasOp = section.has('op')
  if (hasOp === section.has('opc')) {
    section.problem('opc', hasOp ? 'and op stand both there' : 'is missing, and so is op', 'one of opc and op')
  }
  const other = readKey(section, hasOp ? 'op' : 'opc', context)
  const opc = hasOp ? milenageOpc(nodeProvider, k, other) : other
  const amf = readAmf(section)
  return { k, opc, sqn: section.number('sqn') ?? 0, ...(amf === undefined ? {} : { amf }) }
}

/** Undefined also for what is no AMF: the schema has reported that. */
function readAmf(section: Section): Uint8Array | undefined {
  const text = section.text('amf')
  return text !== undefined && /^[0-9a-f]{4}$/i.test(text) ? fromHex(text) : undefined
}

/** A secret of 16 octets; 32 hexadecimal digits are that as well, as operators write it. All zeros where it is not one, which is reported. */
function readKey(section: Section, name: string, context: Pick<ReadContext, 'readSecretFile'>): Uint8Array {
  if (!section.has(name)) {
    if (name === 'k') section.problem('k', 'is missing', rule)
    return new Uint8Array(16)
  }
  const octets = readSecret(section, name, context)
  if (octets.length === 16) return octets
  const text = new TextDecoder().decode(octets)
  if (/^[0-9a-f]{32}$/i.test(text)) return fromHex(text)
  if (octets.length > 0) section.problem(name, `has ${octets.length} octets`, rule)
  return new Uint8Array(16)
}

const rule = '16 octets as 32 hexadecimal digits, 0s and base64, or {"file": "path"}'
